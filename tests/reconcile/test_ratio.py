"""Invoice over estimate, over the newest days."""

import msgspec
import pytest

from stream.reconcile.calibration import MOST_DAYS
from stream.reconcile.ratio import Ratios
from stream.schema import variances
from tests.reconcile.rows import EC2
from tests.reconcile.test_calibration import day


def test_days_are_added_up_before_they_are_divided() -> None:
    ratios = Ratios()
    assert ratios.by_key() == {}
    ratios.take(variances.encode(day(2, 90, estimate_usd=100)))
    ratios.take(variances.encode(day(3, 20, estimate_usd=10, factor_usd=2)))
    ratios.take(variances.encode(day(4, 70, matched=False)))
    assert ratios.by_key() == {EC2: 1.0}


def test_a_later_word_on_a_day_takes_the_place_of_the_earlier() -> None:
    ratios = Ratios()
    for invoice_usd in (90, 110):
        ratios.take(variances.encode(day(2, invoice_usd)))
    assert ratios.by_key() == {EC2: 1.1}
    ratios.take(variances.encode(day(2, 110, matched=False)))
    assert ratios.by_key() == {}


def test_only_the_newest_two_weeks_count() -> None:
    ratios = Ratios()
    for number in [*range(2, 2 + MOST_DAYS), 1]:
        ratios.take(variances.encode(day(number, 300 if number == 1 else 100)))
    assert ratios.by_key() == {EC2: 1.0}


def test_what_is_no_variance_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Ratios().take(b"{}")

"""What nobody need look at: work that ran at another hour, and a tide that lifts many at once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.explained import moved, tide
from detectors.views import freeze, pick, synthetic_views
from tests.detectors.steady import steady


def late(recent: float, day: float, now: float = 30.0, peak: float = 30.0) -> bool:
    """$10/h is normal over 24 h; `recent` is the rate of the last 6 h, `day` that of the whole day."""
    burn = {300: now, 3600: now, 21_600: recent, 86_400: day}
    return bool(moved(steady(burn=burn, peak_usd_per_hour=peak))[0])


def test_a_batch_that_did_not_run_at_night_may_run_by_day() -> None:
    # $60 were missing, 6 x 18; $20 of them have been caught up.
    assert late(recent=10 + 20 / 6, day=10 - 40 / 24)


def test_not_when_nothing_was_missing_or_more_is_spent_than_that() -> None:
    assert not late(recent=10 + 20 / 6, day=10 + 20 / 24)
    assert not late(recent=10 + 90 / 6, day=10 + 30 / 24)
    # A tenth of a day is the least that counts: $24.
    assert not late(recent=10.0, day=10 - 23 / 24)
    assert late(recent=10.0, day=10 - 25 / 24)


def test_not_above_what_the_dearest_hour_burns() -> None:
    assert not late(recent=10 + 20 / 6, day=10 - 40 / 24, now=38.0)
    assert not late(recent=10 + 20 / 6, day=10 - 40 / 24, peak=np.nan)


def lifted(*factors: float) -> list[float]:
    """The tide of services that burn so many times what is expected."""
    [view] = synthetic_views(scopes=len(factors), noise=0, season=0, duration_s=10)
    burn: dict[int, Any] = dict(view.burn_usd_per_hour)
    for window_s in (300, 3600):
        burn[window_s] = view.expected_usd_per_hour[window_s] * np.array(factors)
    return list(tide(freeze(replace(view, burn_usd_per_hour=burn))))


def test_what_lifts_a_quarter_of_the_others_lifts_what_is_expected() -> None:
    assert lifted(*[1.8] * 3, *[1.0] * 5) == pytest.approx([1.8] * 8)
    # Two of eight are themselves and one other.
    assert lifted(*[1.8] * 2, *[1.0] * 6) == pytest.approx([1.0] * 8)


def test_it_neither_lowers_nor_more_than_doubles_what_is_expected() -> None:
    assert lifted(*[0.5] * 8) == [1.0] * 8
    assert lifted(*[7.0] * 8) == [2.0] * 8


def test_what_jumps_is_no_tide() -> None:
    [view] = synthetic_views(scopes=8, noise=0, season=0, duration_s=10)
    jumped = dict(view.burn_usd_per_hour)
    jumped[300] = 20 * view.burn_usd_per_hour[300]
    jumped[3600] = (1 + 19 / 12) * view.burn_usd_per_hour[3600]
    assert tide(freeze(replace(view, burn_usd_per_hour=jumped))) == pytest.approx(np.ones(8))


def test_few_have_no_tide_and_what_is_unknown_does_not_count() -> None:
    assert lifted(*[1.8] * 7) == [1.0] * 7
    assert lifted(*[1.8] * 3, *[1.0] * 4, np.nan) == [1.0] * 8


def test_the_order_of_scopes_does_not_matter() -> None:
    [view] = synthetic_views(scopes=12, noise=0.5, season=0, duration_s=10)
    order = np.random.default_rng(1).permutation(12)
    assert tide(pick(view, order)).tolist() == tide(view)[order].tolist()

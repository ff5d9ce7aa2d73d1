"""The factor of a key: the median of complete days, bounded, and new only when it says something new."""

from collections.abc import Container, Iterable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.meter.calibrate import Factors
from stream.reconcile.calibration import FLOOR_NUSD, Key, Outcome, calibrate
from stream.schema import calibrations
from stream.schema.calibrations import HIGHEST, LOWEST, Calibration
from stream.schema.variances import Basis, State, Variance
from tests.collect.files import ms
from tests.reconcile.rows import EC2

USD = 10**9
AS_OF_MS = ms("2026-03-20T12:00:00")


def day(
    number: int, invoice_usd: float, estimate_usd: float = 100, factor_usd: float = 0, **more: object
) -> Variance:
    """The given day of March; `factor_usd` is the part of the estimate that a factor added."""
    fields: dict[str, object] = {
        "provider": EC2[0], "account": EC2[1], "service": EC2[2], "day": f"2026-03-{number:02d}",
        "state": State.PARTLY_RECONCILED, "basis": Basis.BILLED, "matched": True,
        "estimate_nusd": round(estimate_usd * USD), "calibration_nusd": round(factor_usd * USD),
        "usage_nusd": round(invoice_usd * USD), "billed_nusd": round(invoice_usd * USD),
        "lines": {}, "reasons": {}, "computed_ms": AS_OF_MS,
    }  # fmt: skip
    return Variance(**(fields | more))  # type: ignore[arg-type]


def outcome(
    days: Iterable[Variance],
    current: Iterable[Calibration] = (),
    partial: Container[tuple[str, str, str, str]] = (),
) -> Outcome:
    return calibrate(days, current, partial, AS_OF_MS)[Key(*EC2)]


def factor(days: Iterable[Variance]) -> str | None:
    found = outcome(days).calibration
    return None if found is None else found.factor


def test_the_factor_is_the_median_ratio_with_its_spread() -> None:
    """Ratios 0.80, 0.86, 0.87, 0.90 and a day that went wrong: median 0.87, deviations 7, 1, 0, 3, 113 %."""
    found = outcome([day(n, usd) for n, usd in enumerate((87, 80, 200, 86, 90), 2)]).calibration
    assert found is not None
    assert (found.factor, found.measured, found.spread) == ("0.8700", "0.8700", "0.0445")  # 1.4826 x 0.03
    assert (found.days, found.first_day, found.last_day) == (5, "2026-03-02", "2026-03-06")
    assert not found.bounded


def test_below_three_days_there_is_no_factor() -> None:
    days = [day(2, 80), day(3, 80)]
    assert outcome(days) == Outcome(None, False, "2 complete days of at least 1 USD, 3 are needed")
    assert factor([*days, day(4, 80)]) == "0.8000"


@pytest.mark.parametrize(
    "unusable",
    [
        day(4, 80, estimate_usd=0.99),
        day(4, 80, matched=False),
        day(19, 80),  # yesterday's bill is not complete; that of the 18th is
    ],
)
def test_a_day_that_cannot_be_trusted_does_not_count(unusable: Variance) -> None:
    assert factor([day(2, 80), day(3, 80), unusable]) is None
    assert factor([day(2, 80), day(3, 80), day(18, 80)]) == "0.8000"


def test_a_day_metered_in_part_does_not_count() -> None:
    days = [day(2, 100, estimate_usd=40), day(3, 80), day(4, 80)]
    assert outcome(days, partial={(*EC2, "2026-03-02")}).calibration is None
    assert outcome(days, partial={(*EC2, "2026-03-01")}).calibration is not None


def test_only_the_newest_two_weeks_count() -> None:
    """From the 4th on the price is lower: 14 of 17 days."""
    found = outcome([day(n, 100 if n < 4 else 70) for n in range(1, 18)]).calibration
    assert found is not None
    assert (found.factor, found.days, found.first_day) == ("0.7000", 14, "2026-03-04")


@pytest.mark.parametrize(
    ("invoice_usd", "bound", "measured"), [(20, "0.5000", "0.2000"), (500, "2.0000", "5.0000")]
)
def test_a_factor_is_bounded_and_says_so(invoice_usd: float, bound: str, measured: str) -> None:
    found = outcome([day(n, invoice_usd) for n in range(2, 6)])
    assert found.calibration is not None
    assert (found.calibration.factor, found.calibration.measured) == (bound, measured)
    assert found.calibration.bounded
    assert found.why == f"bounded: the invoice is {measured} × the estimate"


def test_refunded_days_give_no_factor() -> None:
    assert outcome([day(n, -5) for n in range(2, 6)]).why == "the invoice's usage is not above zero"


def test_a_factor_in_force_is_not_measured_again() -> None:
    """Estimated at 100, said 80 with a factor of 0.8, invoiced 80: the factor was right and stays."""
    first = outcome([day(n, 80) for n in range(2, 6)]).calibration
    assert first is not None
    later = outcome([day(n, 80, estimate_usd=80, factor_usd=-20) for n in range(6, 12)], [first])
    assert later == Outcome(first, False, "changed by at most 0.5 %")


@pytest.mark.parametrize(("invoice_usd", "new"), [(80.3, False), (80.4, False), (80.41, True), (79.5, True)])
def test_a_new_factor_differs_by_more_than_half_a_percent(invoice_usd: float, new: bool) -> None:
    first = outcome([day(n, 80) for n in range(2, 6)]).calibration
    assert first is not None
    later = outcome([day(n, invoice_usd) for n in range(6, 12)], [first])
    assert later.new == new
    assert later.calibration is not None
    assert (later.calibration.factor == first.factor) == (not new)


def test_a_key_without_enough_days_keeps_its_factor() -> None:
    first = outcome([day(n, 80) for n in range(2, 6)]).calibration
    assert first is not None
    assert outcome([day(17, 200)], [first]).calibration == first


AMOUNTS = st.integers(-(10**13), 10**15)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS), min_size=1, max_size=18))
def test_a_factor_is_always_within_its_bounds_and_the_meter_takes_it(
    money: list[tuple[int, int, int]],
) -> None:
    days = [
        day(n, 0, usage_nusd=usage, estimate_nusd=estimate, calibration_nusd=added)
        for n, (usage, estimate, added) in enumerate(money, 1)
    ]
    found = calibrate(days, (), (), AS_OF_MS).get(Key(*EC2))
    if found is None or found.calibration is None:
        return
    assert LOWEST <= Decimal(found.calibration.factor) <= HIGHEST
    usable = [
        Fraction(each.usage_nusd, each.estimate_nusd - each.calibration_nusd)
        for each in days
        if each.estimate_nusd - each.calibration_nusd >= FLOOR_NUSD
    ]
    assert (
        min(usable) - Fraction(1, 10**4)
        <= Fraction(found.calibration.measured)
        <= max(usable) + Fraction(1, 10**4)
    )
    factors = Factors()
    assert factors.update(calibrations.encode(found.calibration)) is None
    assert factors.factor(*EC2) == Fraction(found.calibration.factor)

"""The factor of a key: the median of its days' invoice over estimate. Robust, bounded, slow to change.

The median, because half of the days may be wrong (a metering gap, a restated day) and it does not move.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Final, NamedTuple

from stream.reconcile.matching import DayKey
from stream.schema.calibrations import HIGHEST, LOWEST, Calibration
from stream.schema.invoices import DAY_MS, day_name
from stream.schema.variances import Variance

# Below 3 days a median is one day's or two days' word.
LEAST_DAYS: Final = 3
# Two weeks: every weekday twice, and a new price rules the median after one.
MOST_DAYS: Final = 14
# 1 USD a day. Free tiers and minimum charges rule smaller sums, and detectors ask for 1 USD an hour anyway.
FLOOR_NUSD: Final = 10**9
# Bills are complete for the day before yesterday, partly for yesterday.
COMPLETE_AFTER_DAYS: Final = 2
# 0.5 %. Each new factor is a small step in every later number; noise should not make one.
LEAST_CHANGE: Final = Fraction(5, 1000)
# For normally distributed days, 1.4826 × the median absolute deviation is the standard deviation.
_MAD_TO_DEVIATION: Final = Fraction("1.4826")
_UNIT: Final = 10**4
_MOST_TEXT: Final = 999_999_999 * _UNIT


class Key(NamedTuple):
    provider: str
    account: str
    service: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one key: the factor that holds (or None), whether it is new, and why in words."""

    calibration: Calibration | None
    new: bool
    why: str


def calibrate(
    variances: Iterable[Variance],
    current: Iterable[Calibration],
    partial: Container[tuple[str, str, str, str]],
    as_of_ms: int,
) -> dict[Key, Outcome]:
    """The outcome of each key that has an estimate or a factor.

    `partial` are the keys and days whose estimate is not whole, as on the day that metering began; they
    are left out. `current` are the factors that hold so far.
    """
    held = {Key(each.provider, each.account, each.service): each for each in current}
    days: dict[Key, list[Variance]] = {}
    for variance in variances:
        key = Key(variance.provider, variance.account, variance.service)
        if variance.estimate_nusd or key in held:
            days.setdefault(key, []).append(variance)
    last_complete = day_name(as_of_ms // DAY_MS - COMPLETE_AFTER_DAYS)
    outcomes = {}
    for key, each in days.items():
        usable = [day for day in each if _usable(day, partial, last_complete)]
        usable = sorted(usable, key=lambda day: day.day)[-MOST_DAYS:]
        outcomes[key] = _outcome(key, usable, held.get(key), as_of_ms)
    return outcomes


def ratio(variance: Variance) -> Fraction:
    """The invoice's usage over the estimate as it was before any factor."""
    return Fraction(variance.usage_nusd, variance.estimate_nusd - variance.calibration_nusd)


def _usable(variance: Variance, partial: Container[tuple[str, str, str, str]], last_complete: str) -> bool:
    return (
        variance.matched
        and DayKey(variance.provider, variance.account, variance.service, variance.day) not in partial
        and variance.day <= last_complete
        and variance.estimate_nusd - variance.calibration_nusd >= FLOOR_NUSD
    )


def _outcome(key: Key, days: Sequence[Variance], held: Calibration | None, as_of_ms: int) -> Outcome:
    if len(days) < LEAST_DAYS:
        return Outcome(held, False, f"{len(days)} complete days of at least 1 USD, {LEAST_DAYS} are needed")
    ratios = [ratio(day) for day in days]
    middle = median(ratios)
    if middle <= 0:
        return Outcome(held, False, "the invoice's usage is not above zero")
    deviation = median(abs(each - middle) for each in ratios) * _MAD_TO_DEVIATION
    found = Calibration(
        **key._asdict(),
        factor=_text(min(max(middle, Fraction(LOWEST)), Fraction(HIGHEST))),
        measured=_text(middle),
        spread=_text(deviation),
        days=len(days),
        first_day=days[0].day,
        last_day=days[-1].day,
        computed_ms=as_of_ms,
    )
    if held is not None and abs(Fraction(found.factor) / Fraction(held.factor) - 1) <= LEAST_CHANGE:
        return Outcome(held, False, "changed by at most 0.5 %")
    why = f"bounded: the invoice is {found.measured} × the estimate" if found.bounded else "new"
    return Outcome(found, True, why)


def _text(value: Fraction) -> str:
    """An exact decimal with 4 digits, rounded half to even."""
    units = min(round(value * _UNIT), _MOST_TEXT)
    return f"{units // _UNIT}.{units % _UNIT:04d}"

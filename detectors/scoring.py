"""What the detectors share: which of several tiers speaks, since when, and how dollars are written."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from detectors.contract import NONE, Drivers, Floats, Ints, Scores, View

ROWS_AT_ONCE: Final = 16_384  # a day's hours of them are 3 MB
_WINDOW_NAMES = {300: "5 min", 1800: "30 min", 3600: "1 h", 7200: "2 h", 21600: "6 h", 86400: "24 h"}


def known(values: Floats) -> Floats:
    """The values with everything that is no finite number turned into NaN, "not known"."""
    return np.where(np.isfinite(values), values, np.nan)


def decide(
    time_s: int,
    *,
    scores: Sequence[Floats],
    severities: Sequence[int],
    windows_s: Sequence[int],
    onsets_s: Sequence[Callable[[], Ints]],
    tiers: Sequence[str],
) -> Scores:
    """One answer a scope out of several tiers, which are given most urgent first.

    The most urgent tier whose score reaches 1 speaks; where none does, the one nearest to it. A tier
    whose score is NaN has no opinion; the answer is NaN only where no tier has one. Onsets are worked out
    only where something fires, which is seldom.
    """
    table = np.stack(scores)
    everyone = np.arange(table.shape[1])
    comparable = np.where(np.isnan(table), -1.0, table)
    fires = comparable >= 1
    any_fires = fires.any(axis=0)
    tier = np.where(any_fires, fires.argmax(axis=0), comparable.argmax(axis=0))
    onset_s = np.full(len(everyone), time_s)
    if any_fires.any():
        began = np.stack([began_s() for began_s in onsets_s])[tier, everyone]
        onset_s = np.where(any_fires, np.minimum(began, time_s), time_s)
    return Scores(
        score=table[tier, everyone],
        severity=np.where(any_fires, np.asarray(severities)[tier], NONE),
        tier=tier,
        window_s=np.asarray(windows_s)[tier],
        onset_s=onset_s,
        tiers=tuple(tiers),
    )


def onset(time_s: int, short_s: int, short_excess: Floats, long_s: int, long_excess: Floats) -> Ints:
    """When the excess began, had it been all the while what it is over the short window.

    The dollars of excess in the long window, divided by the short window's rate, give its age; it is
    exact for a step older than the short window, and never beyond the long one. Rates are US dollars
    per hour; the answer is in epoch seconds.
    """
    rising = short_excess > 0
    age_s = long_s * long_excess / np.where(rising, short_excess, 1.0)
    age_s = np.where(rising & np.isfinite(age_s), age_s, long_s)
    return time_s - np.rint(np.clip(age_s, short_s, long_s)).astype(np.int64)


def blocks(rows: int) -> list[slice]:
    """All rows, some at a time: what is worked out on the way then stays in the processor's cache, and is
    memory used before, however many scopes there are. There is one block at least, which may be empty."""
    return [slice(first, first + ROWS_AT_ONCE) for first in range(0, max(rows, 1), ROWS_AT_ONCE)]


def by_rows(
    drivers: Drivers, rows: Ints | slice, judge: Callable[[Drivers], tuple[Floats, Ints]]
) -> tuple[Floats, Ints]:
    """What `judge` says of each of these rows (a slice: of all), in `blocks`: score and onset."""
    if isinstance(rows, slice):
        parts = [judge(drivers.some(some)) for some in blocks(len(drivers.scope))]
    else:
        parts = [judge(drivers.some(rows[some])) for some in blocks(len(rows))]
    scores, onsets_s = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(onsets_s)


def worst(scopes: int, drivers: Drivers, score: Floats) -> tuple[Floats, Ints]:
    """Of each scope, the highest score of its rows, and which row has it (the first of equals). NaN and -1
    where no row has a score."""
    best = np.full(scopes, -np.inf)
    comparable = np.where(np.isnan(score), -np.inf, score)
    np.maximum.at(best, drivers.scope, comparable)
    row = np.full(scopes, -1)
    leading = np.flatnonzero((comparable == best[drivers.scope]) & (comparable > -np.inf))[::-1]
    row[drivers.scope[leading]] = leading
    return np.where(row >= 0, best, np.nan), row


def of_rows(
    view: View, score: Floats, window_s: Ints | int, onset_s: Ints, severity: int, tier: str
) -> Scores:
    """The answer of a detector that scores drivers: of each scope, its worst row."""
    count = len(view.scopes)
    best, row = worst(count, view.drivers, score)
    fires = best >= 1
    zero = np.zeros(count, np.int64)
    windows_s = zero + window_s if isinstance(window_s, int) else zero
    if not isinstance(window_s, int) and len(score):
        windows_s = np.where(row >= 0, window_s[row], 0)
    onsets = np.where(fires, onset_s[row], view.time_s) if len(score) else zero + view.time_s
    return Scores(
        score=best,
        severity=np.where(fires, severity, NONE),
        tier=zero,
        window_s=windows_s,
        onset_s=np.minimum(onsets, view.time_s),
        tiers=(tier,),
    )


def quantity(amount: float) -> str:
    """An amount of some unit with three digits: `4.2 G`, `1,230`, `0.0167`."""
    for size, letter in ((1e12, " T"), (1e9, " G"), (1e6, " M")):
        if abs(amount) >= size:
            return f"{amount / size:.3g}{letter}"
    return f"{amount:,.0f}" if abs(amount) >= 1000 else f"{amount:.3g}"


def usd(amount: float) -> str:
    """Dollars and cents as a person reads them: `$1,234.50`, `-$0.40`."""
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def window_name(window_s: int) -> str:
    return _WINDOW_NAMES.get(window_s, f"{window_s} s")


def span(seconds: float) -> str:
    """A length of time for people.

    >>> span(10), span(190), span(7200), span(200_000)
    ('10 s', '3 min', '2 h', '56 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"

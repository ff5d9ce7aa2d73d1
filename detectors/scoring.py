"""What the detectors share: which of several tiers speaks, since when, and how dollars are written."""

from collections.abc import Callable, Sequence

import numpy as np

from detectors.contract import NONE, Floats, Ints, Scores

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


def usd(amount: float) -> str:
    """Dollars and cents as a person reads them: `$1,234.50`, `-$0.40`."""
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def window_name(window_s: int) -> str:
    return _WINDOW_NAMES.get(window_s, f"{window_s} s")

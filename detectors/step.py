"""Detector `step`: a sudden jump, seen within seconds where a ratio over an hour needs many minutes."""

from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.contract import BUCKET_S, NONE, PAGE, RECENT_BUCKETS, Floats, Ints, Params, Scores, View
from detectors.explained import moved, tide
from detectors.scoring import blocks, known, usd

# How far the data may lag: a 60 s sample that arrives 60 s after its end is 120 s old at its start.
LATE_BUCKETS: Final = 12
# A sample lasts up to 60 s. Where many sources take turns, the newest minute is only partly filled.
SAMPLE_BUCKETS: Final = 6
# What one sample alone may prove asks for 1.5 × 8 = 12 standard deviations. Gamma noise of relative
# deviation 0.5 is 1 + 12 × 0.5 = 7 times its mean with probability
# e^-28 × (1 + 28 + 28²/2 + 28³/6) = 2.8e-9.
ONE_SAMPLE: Final = 1.5
# 30, 60, 120, 180 s. The longest fits into the 5 minutes shown even when the newest 120 s are empty.
WINDOWS: Final = (3, 6, 12, RECENT_BUCKETS - LATE_BUCKETS)
# Where a window may end, as a number of buckets from the oldest one shown.
ENDS: Final = np.arange(RECENT_BUCKETS - LATE_BUCKETS, RECENT_BUCKETS + 1)[:, np.newaxis]


class StepParams(Params):
    sigmas: Annotated[
        float,
        Field(
            gt=0,
            description="how many standard deviations above the baseline; 6 would do for normal noise"
            " (1e-9 × 10,000 scopes × 8,640 buckets = 0.1 false alarms a day), but spend is skewed upwards",
        ),
    ] = 8.0
    ratio: Annotated[
        float,
        Field(
            gt=1,
            description="how many times the baseline at least; 2.5x asks for (2.5 - 1) / (3 - 1) = three"
            " quarters of the excess of a jump to 3x, and leaves alone what doubles for some minutes",
        ),
    ] = 2.5


class Step:
    """One or a few 10 s buckets far above what the baseline's spread allows, in dollars.

    Severity: page (tier fast).

    Score: the excess over the baseline, divided by the least excess that matters, which is the largest of
    `sigmas` × spread, (`ratio` - 1) × baseline, `floor_usd_per_hour` and what the dearest hour of a normal
    day is above the baseline, all in US dollars per hour: a batch that runs at another hour wakes nobody
    (`detectors.explained` says which do, and by how much the baseline rises where many of its like do).
    At 1 it pages. Over 30 and 60 s, which one sample may fill, it takes 1.5 × `sigmas`. NaN where the
    baseline or its spread is not known: a scope that is quite new is watched by its budget and by the
    wider scopes that it belongs to.

    The rate is the mean over 30, 60, 120 or 180 s without its highest bucket, so that one noisy bucket
    never decides; the window with the highest score speaks. Windows end at the newest bucket that holds
    any spend (up to 120 s may be empty: 60 s samples up to a minute late), or up to 60 s before it, as
    the newest minute of many sources is only partly filled. The last 30 s of a window must hold half of
    the excess too. So a score outlasts its cause by 60 + 20 s, and as long as newer data is missing.

    A 60 s sample fills six buckets with the same noise. A mean over w buckets is therefore taken to have
    the variance of one bucket up to a minute, then falling with 1/w to that of 5 minutes: between
    the two, five_minutes + (bucket - five_minutes) × 1.25 × (6 / w - 1 / 5), where 1.25 = 1 / (1 - 1/5).

    Onset: the first bucket of the run that is over the baseline by half the least excess that matters
    (half, so that noise does not cut the run short); at most 5 minutes back.

    Reference: a Shewhart control chart over moving means; E. S. Page, "Continuous inspection schemes",
    Biometrika 41 (1954), on why more than one length of mean is looked at.

    >>> from detectors.views import START_S, Event, synthetic_views
    >>> jump = Event(start_s=600, end_s=1200, factor=10)
    >>> detector = Step(StepParams())
    >>> for view in synthetic_views(scopes=1, level_usd_per_hour=(4, 4), duration_s=640, events=[jump]):
    ...     scores = detector.observe(view)
    ...     if scores.severity[0] == PAGE:
    ...         break
    >>> view.time_s - START_S, int(scores.onset_s[0]) - START_S      # paged, began: seconds from the start
    (620, 600)
    """

    name: ClassVar[str] = "step"
    params_type: ClassVar[type[Params]] = StepParams

    def __init__(self, params: StepParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        count = len(view.scopes)
        baseline = tide(view) * np.maximum(known(view.baseline_usd_per_hour), 0.0)
        score, onset_s, window_s = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64)
        for some in blocks(count):
            score[some], onset_s[some], window_s[some] = self._judge(view, baseline[some], some)
        score = np.where(moved(view), np.minimum(score, 0.0), score)
        fires = score >= 1
        return Scores(
            score=score,
            severity=np.where(fires, PAGE, NONE),
            tier=np.zeros(count, dtype=np.int64),
            window_s=window_s,
            onset_s=np.where(fires, onset_s, view.time_s),
            tiers=("fast",),
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        window_s = int(scores.window_s[index])
        baseline = max(float(view.baseline_usd_per_hour[index]), 0.0) * float(tide(view)[index])
        least_of = dict(zip(WINDOWS, self._least_excess(view, np.asarray([baseline]), index), strict=True))
        least = float(least_of[window_s // BUCKET_S][0])
        excess = float(scores.score[index]) * least
        return (
            f"Spends {usd(baseline + excess)}/h over {window_s} s, {usd(excess)}/h more than the"
            f" {usd(baseline)}/h that is normal now, where {usd(least)}/h more would already be too much."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

    def _judge(self, view: View, baseline: Floats, some: slice) -> tuple[Floats, Ints, Ints]:
        """Of some scopes: score, onset where that reaches 1, and window."""
        rates = _rates(view, some)
        matters = self._least_excess(view, baseline, some)
        levels = _levels(rates, _end_of_data(rates), baseline, matters)
        table = np.stack(
            [np.maximum(level.max(axis=0) - baseline, 0.0) / least
             for level, least in zip(levels, matters, strict=True)]
        )  # fmt: skip
        everyone = np.arange(len(baseline))
        best = table.argmax(axis=0)
        score = table[best, everyone]
        onset_s = np.full(len(everyone), view.time_s)
        if (score >= 1).any():
            stop = np.stack([level.argmax(axis=0) for level in levels])[best, everyone] + ENDS[0, 0]
            high = rates > baseline + np.stack(matters)[best, everyone] / 2
            first = _first_of_run(high, stop - np.asarray(WINDOWS)[best], stop)
            onset_s = view.time_s - (RECENT_BUCKETS - first) * BUCKET_S
        return score, onset_s, np.asarray(WINDOWS)[best] * BUCKET_S

    def _least_excess(self, view: View, baseline: Floats, index: int | slice = slice(None)) -> list[Floats]:
        """For each window, the excess in US dollars per hour from which its mean matters."""
        calm = np.square(known(np.atleast_1d(view.spread_usd_per_hour[index])))
        single = np.maximum(np.square(known(np.atleast_1d(view.bucket_spread_usd_per_hour[index]))), calm)
        params = self._params
        least = np.maximum((params.ratio - 1) * baseline, params.floor_usd_per_hour)
        peak = np.nan_to_num(known(np.atleast_1d(view.peak_usd_per_hour[index])), nan=0.0)
        least = np.maximum(least, peak - baseline)
        found: list[Floats] = []
        for window in WINDOWS:
            share = min(1.25 * (SAMPLE_BUCKETS / window - SAMPLE_BUCKETS / RECENT_BUCKETS), 1.0)
            spread = np.sqrt(calm + (single - calm) * share)
            sigmas = params.sigmas * (ONE_SAMPLE if window <= SAMPLE_BUCKETS else 1.0)
            found.append(np.maximum(sigmas * spread, least))
        return found


def _rates(view: View, some: slice) -> Floats:
    """The recent buckets as (30, n) rows that lie together in memory; what is not known spends nothing."""
    rates = np.ascontiguousarray(view.recent_usd_per_hour[some].T)
    return np.where(np.isfinite(rates), rates, 0.0)


def _end_of_data(rates: Floats) -> Ints:
    """How many buckets there are up to the newest one with any spend; at least all but the newest 12."""
    spends = rates[: -LATE_BUCKETS - 2 : -1] != 0
    spends[-1] = True
    end: Ints = RECENT_BUCKETS - spends.argmax(axis=0)
    return end


def _levels(rates: Floats, end: Ints, baseline: Floats, matters: list[Floats]) -> list[Floats]:
    """For each window, its mean without the highest bucket, by where it ends (13, n); -inf where not due.

    A 30 s window must end with the data. Only longer ones may end in the minute before, which is for
    samples of 60 s. The last 30 s of a window must hold half of its excess, or half of
    the least that matters; else what it saw is over.
    """
    total = np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(rates, axis=0)])
    # The highest of 3, 6, 12, 18 buckets, each from two shorter ones: a few passes instead of w.
    of_3 = np.maximum(np.maximum(rates[:-2], rates[1:-1]), rates[2:])
    of_6 = np.maximum(of_3[:-3], of_3[3:])
    of_12 = np.maximum(of_6[:-6], of_6[6:])
    of_18 = np.maximum(of_12[:-6], of_6[12:])
    means: list[Floats] = []
    due = []
    for window, highest, least in zip(WINDOWS, (of_3, of_6, of_12, of_18), matters, strict=True):
        starts = slice(int(ENDS[0, 0]) - window, RECENT_BUCKETS + 1 - window)
        mean = (total[ENDS[0, 0] :] - total[starts] - highest[starts]) / (window - 1)
        patience = 0 if window < SAMPLE_BUCKETS else SAMPLE_BUCKETS
        means.append(mean)
        still = means[0] - baseline >= np.minimum(mean - baseline, least) / 2
        due.append((end >= ENDS) & (end - patience <= ENDS) & still)
    return [np.where(counts, mean, -np.inf) for counts, mean in zip(due, means, strict=True)]


def _first_of_run(high: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], start: Ints, stop: Ints) -> Ints:
    """The first high bucket in [start, stop), or of the run before it when that reaches back further."""
    place = np.arange(RECENT_BUCKETS)[:, np.newaxis]
    inside = high & (place >= start) & (place < stop)
    first: Ints = np.where(inside.any(axis=0), inside.argmax(axis=0), start)
    low_before = ~high & (place < start)
    run = np.where(low_before.any(axis=0), RECENT_BUCKETS - low_before[::-1].argmax(axis=0), 0)
    first = np.where(first == start, run, first)
    return first

"""The score of the Numenta Anomaly Benchmark (NAB), written down from its definition.

Every labelled anomaly is a window of rows. A row is detected where its score reaches the threshold. What
counts, with r the position of a row relative to a window of w rows, and σ(r) = 2 / (1 + e^(5 r)) - 1:

- The first detected row in a window earns σ(r) / σ(-1), with r = -(rows to the window's last row + 1) / w:
  1 at the window's first row, falling to almost 0 at its last. Later ones in the same window count nothing.
- A window without any detected row costs 1 × the profile's weight of a false negative.
- Each detected row outside costs -σ(r) × the weight of a false positive, with r = rows since the end of the
  last window before it / (w - 1): little just behind a window, 1 from r = 3 on and where there is none.
- The first 15 % of a series, at most 750 rows (15 % of 5000), are for learning and count nothing.

The sum over all series is put on a scale where a detector that detects nothing has 0, and one that detects
the first row of every window and no other has 100. A profile takes the one threshold, for all series, at
which its sum is highest. Where a window lies in the learning period nobody can earn it, but the scale still
counts it.

Reference: A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly
Benchmark", ICMLA 2015, arXiv:1510.03336; the weights are those of its repository, version 1.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEARNING_SHARE: Final = 0.15
LEARNING_ROWS: Final = 750
# From here on a false positive costs its full weight.
FAR: Final = 3.0
# Above every score: nothing is detected.
NOTHING: Final = np.inf


@dataclass(frozen=True, slots=True)
class Profile:
    """What mistakes cost, where a perfect detection earns 1."""

    name: str
    false_positive: float
    false_negative: float


PROFILES: Final = (
    Profile("standard", false_positive=0.11, false_negative=1.0),
    Profile("low-FP", false_positive=0.22, false_negative=1.0),
    Profile("low-FN", false_positive=0.11, false_negative=2.0),
)


@dataclass(frozen=True, slots=True)
class Labels:
    """What detecting a row is worth. Aligned with the rows of one series.

    window    index of the window that the row lies in, -1 outside
    worth     what detecting it earns (inside) or costs (outside, negative), at weights of 1
    counts    False in the learning period
    windows   how many windows the series has, learning period included
    """

    window: Ints
    worth: Floats
    counts: NDArray[np.bool_]
    windows: int

    def countable(self) -> Ints:
        """The windows with a row behind the learning period, as indices."""
        return np.unique(self.window[self.counts & (self.window >= 0)])


@dataclass(frozen=True, slots=True)
class Tally:
    """How one series came out at one threshold. `score` is the plain sum, not yet on the scale of 100."""

    score: float
    found: int
    windows: int
    false_positives: int


def learning_rows(rows: int) -> int:
    return int(min(np.floor(LEARNING_SHARE * rows), LEARNING_ROWS))


def label(times_s: Floats, windows_s: Sequence[tuple[float, float]]) -> Labels:
    """The labels of a series whose windows are given by the times of their first and last row.

    Times should rise; where one steps back or repeats, a window begins at the first row that has reached its
    start, and ends at the first row from there that has reached its end.
    Raises ValueError, in one sentence, for windows that hold no row, overlap or end before they begin.
    """
    count = len(times_s)
    rows = np.arange(count)
    window = np.full(count, -1)
    worth = np.full(count, -1.0)
    free_from = 0
    for number, (start_s, end_s) in enumerate(sorted(windows_s)):
        first, last = _span(times_s, start_s, end_s)
        if last < first:
            raise ValueError(
                f"window {number + 1} holds no row of the series: its times are those of another"
            )
        if first < free_from:
            raise ValueError(f"window {number + 1} overlaps the one before it: make one of the two")
        width = last - first + 1
        inside = slice(first, last + 1)
        window[inside] = number
        worth[inside] = _sigmoid(-(last - rows[inside] + 1) / width) / _sigmoid(np.asarray(-1.0))
        behind = (rows[last + 1 :] - last) / max(width - 1, 1)
        worth[last + 1 :] = np.where(behind >= FAR, -1.0, _sigmoid(behind))
        free_from = last + 1
    return Labels(window, worth, rows >= learning_rows(count), len(windows_s))


def tally(labels: Labels, scores: Floats, threshold: float, profile: Profile) -> Tally:
    """What the profile gives for the detections of one series."""
    detected = labels.counts & (scores >= threshold)
    outside = detected & (labels.window < 0)
    windows = labels.countable()
    earned = [labels.worth[detected & (labels.window == number)] for number in windows]
    total = profile.false_positive * float(labels.worth[outside].sum())
    total += sum(float(worths.max()) if worths.size else -profile.false_negative for worths in earned)
    found = sum(bool(worths.size) for worths in earned)
    return Tally(total, found, labels.windows, int(outside.sum()))


def scale(total: float, corpus: Sequence[Labels], profile: Profile) -> float:
    """The sum over a corpus on the scale from 0, nothing detected, to 100, perfect; NaN without windows."""
    nothing = -profile.false_negative * sum(len(labels.countable()) for labels in corpus)
    perfect = float(sum(labels.windows for labels in corpus))
    return 100 * (total - nothing) / (perfect - nothing) if perfect > nothing else np.nan


def best_threshold(corpus: Sequence[Labels], scores: Sequence[Floats], profile: Profile) -> float:
    """The threshold with the highest sum over the corpus, the highest such one; every score is tried."""
    steps = [_steps(labels, row_scores, profile) for labels, row_scores in zip(corpus, scores, strict=True)]
    at = np.concatenate([scores for scores, _ in steps])
    change = np.concatenate([changes for _, changes in steps])
    order = np.argsort(-at, kind="stable")
    at, total = at[order], np.cumsum(change[order])
    # Rows with the same score are detected together: only the sum behind the last of them can be had.
    possible = np.flatnonzero(np.append(at[1:] != at[:-1], True)) if at.size else np.empty(0, dtype=np.int64)
    if not possible.size or total[possible].max() <= 0:
        return NOTHING
    return float(at[possible[total[possible].argmax()]])


def _steps(labels: Labels, scores: Floats, profile: Profile) -> tuple[Floats, Floats]:
    """By how much the sum changes as the threshold falls to each score; rows that change nothing left out."""
    usable = labels.counts & ~np.isnan(scores)
    outside = usable & (labels.window < 0)
    at = [scores[outside]]
    change = [profile.false_positive * labels.worth[outside]]
    for number in labels.countable():
        rows = np.flatnonzero(usable & (labels.window == number))
        if not rows.size:
            continue
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        earned = np.maximum.accumulate(labels.worth[rows])
        at.append(scores[rows])
        change.append(np.diff(earned, prepend=-profile.false_negative))
    return np.concatenate(at), np.concatenate(change)


def _span(times_s: Floats, start_s: float, end_s: float) -> tuple[int, int]:
    """First and last row of a window; the last is before the first where there is none."""
    first = int(np.argmax(times_s >= start_s)) if (times_s >= start_s).any() else len(times_s)
    reached = times_s[first:] >= end_s
    if not reached.any():
        return first, len(times_s) - 1
    last = first + int(reached.argmax())
    return first, last if times_s[last] == end_s else last - 1


def _sigmoid(position: Floats) -> Floats:
    return 2 / (1 + np.exp(5 * position)) - 1

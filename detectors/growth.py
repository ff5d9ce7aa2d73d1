"""Detector `growth`: pods, calls or any other counted resource multiply."""

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.contract import MINUTES, PAGE, Drivers, Floats, Ints, Params, Scores, View
from detectors.scoring import blocks, known, of_rows, quantity, usd, worst

Amounts = NDArray[np.floating[Any]]

# Minutes of a block, and how many times the one before it must hold at least: 1.5^3 = 3.4 times in all. One
# minute may be a single sample, so it takes 2^3 = 8 times.
BLOCKS_MIN: Final = ((1, 2.0), (2, 1.5), (3, 1.5), (4, 1.5), (6, 1.5))
BLOCKS: Final = 4
LATE_MIN: Final = (0, 1, 2)  # a sample of 60 s that is a minute late leaves the newest two minutes empty
BEFORE_MIN: Final = 60  # what the growth must go beyond,
BEYOND: Final = 3.0  # so many times; what it grows by in all is more
# 25 % over the baseline: what a scope does at this hour anyway, a nightly batch, is no runaway.
LEAST_EXCESS: Final = 0.25
UNBOUNDED: Final = 1e9


class GrowthParams(Params):
    doubling_min: Annotated[
        float,
        Field(
            ge=4,
            le=30,
            description="doubling time in minutes from which it pages; 10 doublings are a factor of 1,000, so"
            " at 10 min $5/h are $5,000/h within 100 min",
        ),
    ] = 10.0


class Growth:
    """Pods, calls or any other counted resource multiply: doubling time under 10 minutes.

    Severity: page (tier fast).

    Four neighbouring blocks of 1, 2, 3, 4 or 6 minutes must each hold more than the one before: 1.5 times as
    much (blocks of 1 minute twice), and as much as doubling within `doubling_min` makes, which is
    2^(block / doubling_min). Three times in a row, since a single step within a block looks like growing
    twice (`step` sees it). Score: the least of the three logarithms, divided by that of what is asked; the
    block with the highest score speaks. At 1 it pages, if three things are so too, each a ratio that caps
    the score: the newest block is three times as much as any such block of the hour before; what it costs
    more than the oldest, at the last hour's unit cost, is `floor_usd_per_hour`; the whole scope burns over
    5 min `floor_usd_per_hour` and 25 % more than its baseline, where it has one. Below 1 only the last is
    worked out. The newest two minutes may be empty: blocks end up to 2 minutes ago.

    NaN where a driver is not used, or was not yet known in the hour before. The window told is the four
    blocks, and they are the onset: growth was under way in the first of them.

    Reference: log-linear growth; "Addressing Cascading Failures", Site Reliability Engineering (2016), on why
    positive feedback is exponential.

    >>> from detectors.views import START_S, Event, synthetic_views
    >>> growth = Event(start_s=3600, end_s=7200, doubling_s=120, driver="pod_hours")
    >>> detector = Growth(GrowthParams())
    >>> for view in synthetic_views(scopes=1, level_usd_per_hour=(4, 4), duration_s=7200, every_s=60,
    ...                             events=[growth]):
    ...     scores = detector.observe(view)
    ...     if scores.severity[0] == PAGE:
    ...         break
    >>> view.time_s - START_S, int(scores.window_s[0])      # paged after 7 min, by four blocks of 2
    (4020, 480)
    """

    name: ClassVar[str] = "growth"
    params_type: ClassVar[type[Params]] = GrowthParams
    every_s: ClassVar[int] = 60

    def __init__(self, params: GrowthParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        excess, drivers = self._excess(view), view.drivers
        parts = [self._judge(excess, drivers.some(some)) for some in blocks(len(drivers.scope))]
        score, block, late = (np.concatenate(each) for each in zip(*parts, strict=True))
        window_s = BLOCKS * block * 60
        onset_s: Ints = view.time_s // 60 * 60 - late * 60 - window_s
        return of_rows(view, score, window_s, onset_s, PAGE, "fast")

    def reason(self, view: View, scores: Scores, index: int) -> str:
        drivers = view.drivers.of(index)
        score, lengths, lates = self._judge(self._excess(view), drivers)
        row = int(worst(len(view.scopes), drivers, score)[1][index])
        block, late = int(lengths[row]), int(lates[row])
        sums = [float(each[row]) for each in _sums(drivers.minutes.T, block, late)]
        doublings = np.log2(max(sums[-1] / sums[0], 1.0001)) if sums[0] > 0 else 0.0001
        more = usd(float(self._more_usd_per_hour(drivers, block, late)[row]))
        return (
            f"{drivers.names[drivers.driver[row]]} grew from {quantity(sums[0] * 60 / block)} to"
            f" {quantity(sums[-1] * 60 / block)} an hour within {(BLOCKS - 1) * block} min, doubling every"
            f" {(BLOCKS - 1) * block / doublings:.1f} min; that is {more}/h more."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

    def _judge(self, excess: Floats, drivers: Drivers) -> tuple[Floats, Ints, Ints]:
        """Of each row: its score, and the block in minutes and the lateness in minutes that gave it."""
        rows = len(drivers.scope)
        minutes = _usable(drivers)
        tried = [(block, late, least) for block, least in BLOCKS_MIN for late in LATE_MIN]
        best = np.full(rows, 0.0)
        found = np.zeros(rows, np.int64)
        for number, (block, late, least) in enumerate(tried):
            sums = _sums(minutes, block, late)
            ratio = np.min(
                [newer / np.where(older > 0, older, np.inf) for older, newer in pairwise(sums)], axis=0
            )
            asked = max(least, 2.0 ** (block / self._params.doubling_min))
            score = np.log(np.maximum(ratio, 1.0)) / np.log(asked)
            higher = score > best
            best[higher], found[higher] = score[higher], number
        lengths, lates = (np.array([each[at] for each in tried], np.int64)[found] for at in (0, 1))
        score = np.minimum(best, excess[drivers.scope])
        for number in np.unique(found[score >= 1]).tolist():
            mine = (score >= 1) & (found == number)
            score[mine] = np.minimum(score[mine], self._beyond(drivers.some(mine), *tried[number][:2]))
        seen = np.isfinite(drivers.hours[:, -1]) & (minutes > 0).any(axis=0)
        return np.where(seen, score, np.nan), lengths, lates

    def _excess(self, view: View) -> Floats:
        """What the scope burns beyond its baseline, as a ratio to what must be; unbounded without one."""
        expected = np.maximum(known(view.expected_usd_per_hour[300]), 0.0)
        excess = known(view.burn_usd_per_hour[300]) - expected
        ratio = excess / np.maximum(LEAST_EXCESS * expected, self._params.floor_usd_per_hour)
        return np.where(np.isnan(ratio), UNBOUNDED, np.maximum(ratio, 0.0))

    def _beyond(self, drivers: Drivers, block: int, late: int) -> Floats:
        """The lower of: what it is to the highest block of the hour before, and dollars to the floor."""
        minutes = _usable(drivers)
        newest = _sums(minutes, block, late)[-1]
        end = MINUTES - late - BLOCKS * block
        before = (
            minutes[end - BEFORE_MIN : end].reshape(BEFORE_MIN // block, block, -1).sum(axis=1).max(axis=0)
        )
        beyond = np.where(before > 0, newest / np.where(before > 0, before, 1.0) / BEYOND, UNBOUNDED)
        more = self._more_usd_per_hour(drivers, block, late)
        return np.minimum(np.minimum(beyond, more / self._params.floor_usd_per_hour), UNBOUNDED)

    @staticmethod
    def _more_usd_per_hour(drivers: Drivers, block: int, late: int) -> Floats:
        """What the newest block costs more than the oldest, at the unit cost of the last hour."""
        minutes = _usable(drivers).astype(np.float64)
        oldest, *_, newest = _sums(minutes, block, late)
        hour = minutes[-60:].sum(axis=0)
        unit_usd = np.nan_to_num(known(drivers.burn_usd_per_hour[3600])) / np.where(hour > 0, hour, np.inf)
        return np.asarray((newest - oldest) * (60 / block) * unit_usd)


def _usable(drivers: Drivers) -> Amounts:
    """Quantities minute by minute, as they lie in memory; what is no number counts as nothing."""
    minutes = np.ascontiguousarray(drivers.minutes.T)
    return np.where(np.isfinite(minutes), minutes, np.float32(0))


def _sums(minutes: Amounts, block: int, late: int) -> list[Amounts]:
    """Sums over neighbouring blocks, oldest first; the newest ends `late` minutes ago."""
    end = len(minutes) - late
    return [minutes[end - n * block : end - (n - 1) * block].sum(axis=0) for n in range(BLOCKS, 0, -1)]

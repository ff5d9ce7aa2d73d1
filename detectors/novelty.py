"""Scorer `novelty`: readings unlike any before, or unlike any before at this hour."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from detectors.known import HOUR_S, KnownHours, KnownValues

DAY_S: Final = 86_400
# A larger reading is none: squares must not overflow.
LARGEST: Final = 1e100
# Evidence counts up to so many times the threshold, a score of 0.99: ln(100) × 8 h = 37 h later, all that
# scores 0.5 is announced again, whatever came before.
CERTAIN: Final = 100


@dataclass(frozen=True, slots=True)
class NoveltyParams:
    """Settings of `Novelty`, the same for all series.

    evidence   from which a reading scores 0.5. It is a product of two ratios: 20 is a reading 20 times as
               far from what is known as usual, and once as far as what is known lies apart. Were distances
               exponential, 20 times the mean would come up with probability e^-20 = 2e-9
    hold_s     how long an announcement stands before its like is announced again: 8 h, a shift of work
    smooth_s   time constant of the mean that the hour is judged by: an hour, as the hours are
    days       how many past days the hour is compared with: two weeks hold each day of the week twice
    memory_s   for how long a value that did not come back stays known: a year, so that last year's peak is
    values     how many values are kept apart: 500 × 2 × 2 × 8 bytes = 16 kB a series at most

    These reasons came second: the way it works, `evidence`, `hold_s` and the hour as a unit were chosen by
    comparing variants on the 33 public series of the benchmark that are named in docs/gameday.md. Its score
    on these is therefore optimistic.
    """

    evidence: float = 20.0
    hold_s: float = 8 * HOUR_S
    smooth_s: float = HOUR_S
    days: int = 14
    memory_s: float = 365 * DAY_S
    values: int = 500


class Novelty:
    """Readings farther from all that is known than readings usually are.

    Two things are known of a series: which values it ever took, and, for each hour of the day, between which
    bounds its mean moved on each of the last 14 days. A reading's evidence is the larger of

    - value: distance to the nearest value ever taken, divided by the usual such distance, times the same
      divided by (the usual distance + how far that value lies from its own nearest). So a new peak among
      scattered peaks is less than one above a plateau, and a value inside a gap may be as new as a peak.
    - hour: distance of the mean to the nearest bounds around this hour on any past day, divided by the usual
      such distance, times the same divided by the range of all values. A Sunday is like a Sunday, so it
      needs no calendar; a day that fails to rise is found although each of its values is common.

    What is new is known from then on, so a lasting change is announced when it comes and not while it lasts.
    A reading that is no stronger than what was announced scores 0; what was announced fades with time
    constant `hold_s`.

    Score: evidence / (evidence + `evidence`), from 0 to 1; 0.5 is the threshold meant. O(log n) a reading in
    what is kept, bounded memory, no knowledge of the cadence. It has no opinion of its first readings: leave
    out a day or more.

    References: distance to the nearest neighbour as a measure of novelty: E. Knorr and R. Ng, "Algorithms for
    Mining Distance-Based Outliers in Large Datasets", VLDB 1998; its ratio to the neighbour's own spacing:
    M. Breunig et al., "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000.

    >>> scorer = Novelty()
    >>> week = [(minute * 60.0, 10.0 + minute % 7) for minute in range(0, 7 * 1440, 5)]
    >>> max(scorer.score(time_s, value) for time_s, value in week[300:]) < 0.5
    True
    >>> round(scorer.score(7 * 86400.0, 30.0), 2)
    0.99
    >>> scorer.score(7 * 86400.0 + 300, 30.0)
    0.0
    """

    name: ClassVar[str] = "novelty"

    def __init__(self, params: NoveltyParams | None = None) -> None:
        self._params = params or NoveltyParams()
        self._values = KnownValues(self._params.values, self._params.memory_s)
        self._hours = KnownHours(self._params.days, self._params.smooth_s)
        self._announced = 0.0
        self._time_s = -math.inf

    def score(self, time_s: float, value: float) -> float:
        if not abs(value) <= LARGEST:
            return 0.0
        passed_s = max(time_s - self._time_s, 0.0) if self._time_s > -math.inf else 0.0
        self._time_s = max(self._time_s, time_s)
        evidence = max(
            self._values.evidence(self._time_s, value),
            self._hours.evidence(time_s, passed_s, value, self._values.range()),
        )
        evidence = min(evidence, CERTAIN * self._params.evidence)
        self._announced *= math.exp(-passed_s / self._params.hold_s)
        if evidence <= self._announced:
            return 0.0
        self._announced = evidence
        return evidence / (evidence + self._params.evidence)

    def save(self) -> bytes:
        numbers = [self._time_s, self._announced]
        return msgspec.msgpack.encode([numbers, self._values.state(), self._hours.state()])

    def load(self, state: bytes) -> None:
        (self._time_s, self._announced), values, hours = msgspec.msgpack.decode(state)
        self._values.resume(values)
        self._hours.resume(hours)

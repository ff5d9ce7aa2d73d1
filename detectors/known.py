"""What is known of a series: the values it ever took, and where its mean moves at each hour of the day."""

import math
from array import array
from bisect import bisect_left
from itertools import pairwise
from typing import Any, Final

HOUR_S: Final = 3600
HOURS: Final = 24
# A thinned memory may fill up to twice its size, so that thinning it costs little a reading.
SLACK: Final = 2
# 10,000 readings of 5 minutes are 35 days: as long as the windows of spend reach back.
USUAL_READINGS: Final = 10_000
# One distance counts for at most so many usual ones: a slip of the meter to a billion must not be the usual.
MOST: Final = 1e4
# The range of values is from the 3rd lowest to the 3rd highest: a slip or two of the meter does not widen it.
ENDS: Final = 3


class Usual:
    """The mean distance of late: over all at first, then fading over 10,000 readings."""

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def add(self, distance: float) -> None:
        mean = self.mean()
        if self.count == USUAL_READINGS:
            self.total -= mean
            self.count -= 1
        self.total += min(distance, MOST * mean) if mean > 0 else distance
        self.count += 1

    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


class KnownValues:
    """All values ever taken, in order, each with the time at which it was last met."""

    def __init__(self, values: int, memory_s: float) -> None:
        self._size = values
        self._memory_s = memory_s
        self._known = array("d")
        self._met_s = array("d")
        self._usual = Usual()
        # Values no farther apart than `same` count as one. `grain` is the least distance ever seen: 1 for
        # whole numbers. It is no news that a new value is as far as that from the next.
        self._same = 0.0
        self._grain = math.inf

    def range(self) -> float:
        return self._known[-ENDS] - self._known[ENDS - 1] if len(self._known) >= 2 * ENDS else 0.0

    def evidence(self, time_s: float, value: float) -> float:
        """How much speaks for a value of a new kind; it is known from now on."""
        known = self._known
        if not known:
            self._insert(0, time_s, value)
            return 0.0
        place = bisect_left(known, value)
        below = value - known[place - 1] if place else math.inf
        above = known[place] - value if place < len(known) else math.inf
        near = place - 1 if below <= above else place
        distance = min(below, above)
        if len(known) < ENDS:  # too few to tell what is usual
            self._insert(place, time_s, value)
            return 0.0
        usual = self._usual.mean()
        if distance <= self._same:
            self._met_s[near] = time_s
            self._usual.add(0.0)
            return 0.0
        beyond = max(distance - self._grain, 0.0) if self._grain < math.inf else distance
        apart = self._apart(near, distance)
        self._usual.add(distance)
        self._grain = min(self._grain, distance)
        self._insert(place, time_s, value)
        return beyond / usual * (beyond / (usual + apart)) if usual > 0 else 0.0

    def state(self) -> list[Any]:
        usual = self._usual
        numbers = [usual.total, usual.count, self._same, self._grain]
        return [self._known.tolist(), self._met_s.tolist(), numbers]

    def resume(self, state: list[Any]) -> None:
        known, met_s, numbers = state
        self._known, self._met_s = array("d", known), array("d", met_s)
        self._usual.total, self._usual.count, self._same, self._grain = numbers

    def _apart(self, near: int, otherwise: float) -> float:
        """How far a known value lies from its own nearest."""
        known = self._known
        below = known[near] - known[near - 1] if near else math.inf
        above = known[near + 1] - known[near] if near + 1 < len(known) else math.inf
        apart = min(below, above)
        return apart if apart < math.inf else otherwise

    def _insert(self, place: int, time_s: float, value: float) -> None:
        self._known.insert(place, value)
        self._met_s.insert(place, time_s)
        if len(self._known) > SLACK * self._size:
            self._thin(time_s)

    def _thin(self, time_s: float) -> None:
        """Forget what was not met for long; of the rest, take the nearest for one from now on."""
        pairs = zip(self._known, self._met_s, strict=True)
        kept = [pair for pair in pairs if pair[1] >= time_s - self._memory_s]
        if len(kept) > self._size:
            gaps = sorted(high[0] - low[0] for low, high in pairwise(kept))
            self._same = max(self._same, gaps[len(gaps) // 2])
            spread = kept[:1]
            for pair in kept[1:]:
                if pair[0] - spread[-1][0] > self._same:
                    spread.append(pair)
            kept = spread
        self._known = array("d", [value for value, _ in kept])
        self._met_s = array("d", [met_s for _, met_s in kept])


class KnownHours:
    """For each hour of the day, between which bounds the smoothed reading moved, day by day."""

    def __init__(self, days: int, smooth_s: float) -> None:
        self._days = days
        self._smooth_s = smooth_s
        self._rows = days + 1
        self._day = array("q", [-1]) * (HOURS * self._rows)
        self._low = array("d", [0.0]) * (HOURS * self._rows)
        self._high = array("d", [0.0]) * (HOURS * self._rows)
        self._usual = Usual()
        self._mean = math.nan

    def evidence(self, time_s: float, passed_s: float, value: float, spread: float) -> float:
        """How much speaks for an hour unlike this hour on any past day; it is known from now on.

        `passed_s` is the time since the last reading, `spread` the range that values have.
        """
        if math.isnan(self._mean):
            self._mean = value
        self._mean -= math.expm1(-passed_s / self._smooth_s) * (value - self._mean)
        hour = int(time_s // HOUR_S)
        distance = self._distance(hour)
        usual = self._usual.mean()
        if distance < math.inf:
            self._usual.add(distance)
        self._widen(hour)
        if distance == math.inf or usual <= 0 or spread <= 0:
            return 0.0
        return distance / usual * (distance / spread)

    def state(self) -> list[Any]:
        columns = [column.tolist() for column in (self._day, self._low, self._high)]
        return [*columns, [self._usual.total, self._usual.count, self._mean]]

    def resume(self, state: list[Any]) -> None:
        day, low, high, numbers = state
        self._day, self._low, self._high = array("q", day), array("d", low), array("d", high)
        self._usual.total, self._usual.count, self._mean = numbers

    def _distance(self, hour: int) -> float:
        """From the mean to the nearest bounds of this hour or one beside it, on any of the past days."""
        mean, nearest = self._mean, math.inf
        for beside in (hour - 1, hour, hour + 1):
            today, start = beside // HOURS, beside % HOURS * self._rows
            for place in range(start, start + self._rows):
                if 1 <= today - self._day[place] <= self._days:
                    nearest = min(nearest, max(self._low[place] - mean, mean - self._high[place], 0.0))
        return nearest

    def _widen(self, hour: int) -> None:
        day = hour // HOURS
        place = hour % HOURS * self._rows + day % self._rows
        if self._day[place] != day:
            self._day[place] = day
            self._low[place] = self._high[place] = self._mean
        self._low[place] = min(self._low[place], self._mean)
        self._high[place] = max(self._high[place], self._mean)

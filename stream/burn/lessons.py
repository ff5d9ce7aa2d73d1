"""What people said of past hours, for a baseline: which tell nothing, and since when all is otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# No baseline looks back further: 5 weeks, from a day ago.
BACK_H: Final = 36 * 24
# A new level is measured over as long, at most: a day has all of its hours.
MEASURED_H: Final = 24


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Hours (since 1970, ascending) in which some series (ascending) tell nothing of what is normal."""

    series: Ints
    hours: Ints


@dataclass(frozen=True, slots=True)
class Lessons:
    """`left_out` by whatever says so; `levels` the hours since which a series has a new level, ascending."""

    left_out: Mapping[bytes, LeftOut] = field(default_factory=dict)
    levels: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def tells(self, hours: Ints, some: slice) -> Bools:
        """Which (hours, series) tell what is normal, for all that was said."""
        told = np.ones((len(hours), some.stop - some.start), np.bool_)
        for one in self.left_out.values():
            first, end = np.searchsorted(one.series, (some.start, some.stop)).tolist()
            if first < end:
                rows = np.flatnonzero(np.isin(hours, one.hours))
                told[np.ix_(rows, one.series[first:end] - some.start)] = False
        return told

    def changed(self, other: "Lessons", hour: int) -> set[int]:
        """For which series the two differ, in hours before `hour` that a baseline looks at."""
        found = {
            series
            for series in self.levels.keys() | other.levels.keys()
            if self.levels.get(series) != other.levels.get(series)
        }
        nobody = LeftOut(np.zeros(0, np.int64), np.zeros(0, np.int64))
        for key in self.left_out.keys() | other.left_out.keys():
            one, two = self.left_out.get(key, nobody), other.left_out.get(key, nobody)
            hours, others = (each.hours[_looked_at(each.hours, hour)] for each in (one, two))
            if not np.array_equal(hours, others):
                found.update(one.series.tolist(), two.series.tolist())
            elif len(hours):
                found.update(np.setxor1d(one.series, two.series).tolist())
        return found

    def unsettled(self, hour: int) -> set[int]:
        """The series whose newest level was still being measured in `hour`."""
        return {series for series, since in self.levels.items() if hour <= since[-1] + MEASURED_H}


def _looked_at(hours: Ints, hour: int) -> Bools:
    return np.asarray((hours >= hour - BACK_H) & (hours < hour))

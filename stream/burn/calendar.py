"""Which hours are alike: those of the week on the clocks of one place, but for its holidays.

An hour is a number of hours since 1970, in UTC or on local clocks. Where clocks are put back, the hour that
comes twice is the first of the two; where they are put forward, the hour that is left out has never been.
"""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.config import Burn
from stream.schema.commands import WEEKDAYS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_H: Final = 24
WEEK_H: Final = 168
SKIPPED: Final = -1
_EPOCH: Final = dt.date(1970, 1, 1)
_MONDAY: Final = 4  # 1970 began on a Thursday, and the fifth of January was a Monday
# No zone is further from UTC than 14 hours, and none has changed its clocks twice in two days.
_APART_H: Final = 26
_YEAR_H: Final = 8766  # on average

OfYear = Callable[[int], Iterable[dt.date]]


def no_holidays(year: int) -> Iterable[dt.date]:
    return ()


def calendar_of(settings: Burn) -> "Calendar":
    return Calendar(settings.timezone, settings.holidays.of_year, WEEKDAYS.index(settings.holidays.like))


class Calendar:
    """The clocks of `timezone`. Holidays, asked by year, are like the weekday `like` (0 is Monday)."""

    def __init__(self, timezone: str = "UTC", holidays: OfYear = no_holidays, like: int = 6) -> None:
        self._zone = zoneinfo.ZoneInfo(timezone)
        self._of_year = holidays
        self._like = like
        self._years = range(0)
        self._changes: Ints = np.zeros(0, np.int64)
        self._offsets_h: Ints = np.zeros(0, np.int64)
        self._holidays: Ints = np.zeros(0, np.int64)

    def local(self, hours: Ints) -> Ints:
        return np.asarray(hours + self._offset_h(hours))

    def utc(self, local: Ints) -> Ints:
        """The UTC hours of hours on local clocks, SKIPPED for those that the clocks leave out."""
        before = local - self._offset_h(local - _APART_H)
        after = local - self._offset_h(local + _APART_H)
        found = np.where(self.local(after) == local, after, SKIPPED)
        return np.where(self.local(before) == local, before, found)

    def holiday(self, local: Ints) -> Bools:
        self._cover(local)
        return np.isin(local // DAY_H, self._holidays)

    def alike(self, local: Ints) -> Ints:
        """Each hour itself or, on a holiday, the next one like it: the same hour on a day like `like`."""
        shift_d = (self._like - (local // DAY_H - _MONDAY)) % 7
        return np.where(self.holiday(local), local + DAY_H * shift_d, local)

    def _offset_h(self, hours: Ints) -> Ints:
        self._cover(hours)
        return self._offsets_h[np.searchsorted(self._changes, hours, side="right") - 1]

    def _cover(self, hours: Ints) -> None:
        """Know the changes of the clocks and the holidays of all years that the hours lie in."""
        if not hours.size:
            return
        first, last = (int(hour) // _YEAR_H + 1970 for hour in (hours.min(), hours.max()))
        if self._years and self._years[0] < first and last < self._years[-1]:
            return
        first, last = first - 2, last + 2
        if self._years:
            first, last = min(first, self._years[0]), max(last, self._years[-1])
        self._years = range(first, last + 1)
        start, end = (_hour(dt.date(max(year, 1), 1, 1)) for year in (first, last + 1))
        changes = [(start, self._at(start))]
        for midnight in range(start, end, DAY_H):
            if self._at(midnight + DAY_H) != changes[-1][1]:
                change = next(
                    hour
                    for hour in range(midnight + 1, midnight + DAY_H + 1)
                    if self._at(hour) != changes[-1][1]
                )
                changes.append((change, self._at(change)))
        self._changes, self._offsets_h = (np.array(column, np.int64) for column in zip(*changes, strict=True))
        days = {(day - _EPOCH).days for year in self._years for day in self._of_year(year)}
        self._holidays = np.array(sorted(days), np.int64)

    def _at(self, hour: int) -> int:
        offset = dt.datetime.fromtimestamp(hour * 3600, self._zone).utcoffset()
        assert offset is not None  # the zone knows
        return int(offset.total_seconds()) // 3600


def _hour(day: dt.date) -> int:
    return (day - _EPOCH).days * DAY_H

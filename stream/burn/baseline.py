"""What a scope's burn rate normally is, and how far it normally strays.

Hour-of-week median over up to 5 weeks; where there are not yet two weeks, hour-of-day median over up
to 7 days; before three days, the median of the trailing day; before six hours, nothing. The robust
spread is 1.4826 x the median absolute deviation, which is the standard deviation for a normal
distribution (Rousseeuw and Croux, 1993). All of it is derived from the hour and minute rings, so it
needs no state of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.burn.rings import RingSet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_BASELINE, TRAILING_DAY, HOUR_OF_DAY, HOUR_OF_WEEK = 0, 1, 2, 3
KINDS: Final = ("none", "trailing day", "hour of day", "hour of week")

WEEK_H: Final = 168
DAY_H: Final = 24
WEEKS: Final = 5  # what the ring of hours holds, also seen from a day ago
MAD_TO_SIGMA: Final = 1.4826
# A rate over 5 minutes is the mean of 30 buckets: if buckets are independent, one strays sqrt(30) times
# as far within its hour. If they are not, this is too wide, which errs on the side of sleep.
BUCKETS_IN_5_MIN: Final = 30
# What the 24 h ring still holds at the end of the hour; a restart then finds the same spread.
SPREAD_H: Final = 23
_HOUR, _MINUTE = 2, 1  # levels of the scope rings
_AT_ONCE: Final = 256  # scopes; their numbers of a day are 0.6 MB
_KEPT: Final = 32  # hours of expectations kept: 24 back, 1 ahead, rounded up


class Baseline:
    """Columns over all scopes of one partition; NaN means "not known yet"."""

    def __init__(self, rings: RingSet) -> None:
        self._rings = rings
        self._hour = -1
        self._size = 0
        self._week = np.empty((WEEK_H, 0))
        self._day = np.empty((DAY_H, 0))
        self._trailing = np.empty((1, 0))
        self._expected = np.empty((_KEPT, 0))
        self._within = np.empty((1, 0))
        self._between = np.empty((1, 0))
        self._weeks = np.empty((1, 0))
        self._kinds = np.zeros(0, np.int64)
        self._left_out: dict[int, list[tuple[int, int]]] = {}
        self.revised = 0
        """How often people have changed what counts, and with it what was worked out before."""
        self._resize()

    def leave_out(self, hours: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        """By series, the hours `[first, end)` that tell nothing of what is normal; all others do (again)."""
        if hours == self._left_out:
            return
        self._left_out = {series: list(spans) for series, spans in hours.items()}
        if self._hour >= 0:
            self.revised += 1
            self._rebuild(self._hour)
            self._measure_spread(self._hour)

    def _tells(self, hours: Ints, mine: slice) -> NDArray[np.bool_]:
        """Which (hours, series) tell of what is normal: those after the one in which the scope appeared."""
        known = np.asarray(hours[:, None] > self._rings.first_hour[None, mine])
        for series, spans in self._left_out.items():
            if mine.start <= series < mine.stop:
                for first, end in spans:
                    known[(hours >= first) & (hours < end), series - mine.start] = False
        return known

    def _resize(self) -> None:
        """New scopes start unknown: NaN, and no kind of baseline."""
        size = len(self._rings)
        for name in ("_week", "_day", "_trailing", "_expected", "_within", "_between", "_weeks"):
            setattr(self, name, _padded(getattr(self, name), size))
        self._kinds = np.concatenate([self._kinds, np.zeros(size - self._size, np.int64)])
        self._size = size

    def advance(self, time_s: int) -> None:
        """Learn from every hour that has closed by `time_s`. Cheap within an hour."""
        hour = time_s // 3600
        if len(self._rings) != self._size:
            self._resize()
        if hour == self._hour:
            return
        if self._hour < 0 or hour - self._hour > DAY_H:
            self._rebuild(hour)
        else:
            for begun in range(self._hour + 1, hour + 1):
                self._learn(begun - 1)
                self._begin(begun)
        self._hour = hour
        self._measure_spread(hour)

    def _rebuild(self, hour: int) -> None:
        for past in range(hour - WEEK_H, hour):
            self._learn(past)
        for past in range(hour - DAY_H, hour + 1):
            self._expected[past % _KEPT] = self._lookup(np.array([past]), past)[0]
        self._begin(hour)

    def _learn(self, closed: int) -> None:
        """Take in the hour that has just closed."""
        self._week[closed % WEEK_H] = _median(self._hours(closed - WEEK_H * np.arange(WEEKS)), at_least=2)
        self._day[closed % DAY_H] = _median(self._hours(closed - DAY_H * np.arange(7)), at_least=3)
        self._trailing[0] = _median(self._hours(closed - np.arange(DAY_H)), at_least=6)

    def _begin(self, hour: int) -> None:
        week, day, trailing = self._week[hour % WEEK_H], self._day[hour % DAY_H], self._trailing[0]
        kinds = np.where(np.isnan(trailing), NO_BASELINE, TRAILING_DAY)
        kinds = np.where(np.isnan(day), kinds, HOUR_OF_DAY)
        self._kinds = np.where(np.isnan(week), kinds, HOUR_OF_WEEK)
        self._expected[hour % _KEPT] = _first_known(week, day, trailing)
        past = self._hours(hour - WEEK_H * np.arange(1, WEEKS + 1))
        self._weeks[0] = MAD_TO_SIGMA * _median(np.abs(past - _median(past, at_least=3)), at_least=3)
        following = hour + 1
        self._expected[following % _KEPT] = _first_known(
            self._week[following % WEEK_H], self._day[following % DAY_H], trailing
        )

    def _lookup(self, hours: Ints, now: int, series: int | None = None) -> Floats:
        """What was (or is) expected of any hours, (hours, scopes), from hours before both them and `now`;
        of one series, or of all."""

        def median(count: int, distance: int, newest: Ints, at_least: int) -> Floats:
            past = newest[None, :] - distance * np.arange(count)[:, None]
            usd = self._hours(past.ravel(), series)
            return _median(usd.reshape(count, -1), at_least).reshape(len(hours), usd.shape[1])

        ahead = np.maximum(hours - now, -1)
        week = median(WEEKS, WEEK_H, hours - WEEK_H * (np.maximum(ahead // WEEK_H, 0) + 1), at_least=2)
        day = median(7, DAY_H, hours - DAY_H * (np.maximum(ahead // DAY_H, 0) + 1), at_least=3)
        trailing = median(DAY_H, 1, np.minimum(hours, now) - 1, at_least=6)
        return _first_known(week, day, trailing)

    def _hours(self, hours: Ints, series: int | None = None) -> Floats:
        """US dollars of each hour and scope; NaN before (and in) the hour the scope first appeared, and
        where people said that it tells nothing."""
        ring = self._rings.rings[_HOUR]
        mine = slice(0, self._size) if series is None else slice(series, series + 1)
        known = self._tells(hours, mine) & ring.holds(hours)[:, None]
        return np.where(known, ring.at(hours, mine) / 1e9, np.nan)

    def _measure_spread(self, hour: int) -> None:
        """Of the 5-minute rate: within the hour and from hour to hour, over the trailing day."""
        for some in self._by_some():
            self._measure_spread_of(some, hour)

    def _by_some(self) -> Iterator[slice]:
        """Some scopes at a time, so that what is between the rings and the results stays in the cache."""
        for first in range(0, self._size, _AT_ONCE):
            yield slice(first, min(first + _AT_ONCE, self._size))

    def _measure_spread_of(self, some: slice, hour: int) -> None:
        minutes = self._rings.rings[_MINUTE].rows((hour - SPREAD_H) * 60, hour * 60, some)
        # Scope by scope: the numbers whose median is taken lie side by side.
        five = minutes.reshape(SPREAD_H * 12, 5, -1).sum(axis=1).T.reshape(-1, SPREAD_H, 12) * (12 / 1e9)
        hourly = five.mean(axis=2)
        past = np.arange(hour - SPREAD_H, hour)
        known = self._tells(past, some).T
        within = np.where(known[:, :, None], np.abs(five - hourly[:, :, None]), np.nan)
        between = np.where(known, np.abs(hourly - self._expected[past % _KEPT, some].T), np.nan)
        flat = within.reshape(-1, SPREAD_H * 12)
        self._within[0, some] = np.nan_to_num(MAD_TO_SIGMA * _median(flat, at_least=6 * 12, axis=1))
        self._between[0, some] = np.nan_to_num(MAD_TO_SIGMA * _median(between, at_least=6, axis=1))

    def rate(self, time_s: float) -> Floats:
        """Expected dollars an hour at a moment, drawn straight between the middles of hours."""
        hour, part = divmod(time_s / 3600, 1)
        here = self._expected[int(hour) % _KEPT]
        neighbour = self._expected[(int(hour) + (1 if part >= 0.5 else -1)) % _KEPT]
        weight = abs(part - 0.5)
        return np.asarray(np.where(np.isnan(neighbour), here, (1 - weight) * here + weight * neighbour))

    def mean(self, start_s: int, end_s: int) -> Floats:
        """Expected mean rate over [start, end), at most the last 24 hours."""
        if end_s - start_s <= 3600:
            return self.rate((start_s + end_s) / 2)
        hours, seconds = _by_hour(start_s, end_s)
        total = (self._expected[hours % _KEPT] * seconds[:, None]).sum(axis=0)
        return np.asarray(total / (end_s - start_s))

    def spread(self) -> Floats:
        """Standard deviation of the 5-minute rate around the baseline."""
        return np.asarray(np.hypot(self._within[0], self._between[0]))

    def bucket_spread(self) -> Floats:
        """The same for a single bucket of 10 s."""
        return np.asarray(np.hypot(self._within[0] * np.sqrt(BUCKETS_IN_5_MIN), self._between[0]))

    def peak(self) -> Floats:
        """The highest hour of a normal day; NaN before there are three days of any hour."""
        return np.asarray(np.fmax.reduce(self._day, axis=0, initial=np.nan))

    def week_spread(self) -> Floats:
        """Standard deviation of this hour of the week over up to 5 weeks; NaN with fewer than 3."""
        return np.asarray(self._weeks[0])

    def kinds(self) -> Ints:
        return self._kinds

    def expected_usd(self, series: int, start_s: int, end_s: int) -> float | None:
        """Dollars one scope was expected to spend over [start, end); None without a baseline."""
        hours, seconds = _by_hour(start_s, end_s)
        recent = (self._hour - DAY_H <= hours) & (hours <= self._hour)
        rates = self._expected[hours % _KEPT, series]
        if not recent.all():
            rates[~recent] = self._lookup(hours[~recent], self._hour, series)[:, 0]
        total = float((rates * seconds).sum()) / 3600
        return None if np.isnan(total) else total

    def expected_hours_usd(self, first_hour: int, last_hour: int) -> Floats:
        """Dollars expected over whole hours to come, [first, last), by the profile as it stands."""
        asked = np.bincount(np.arange(first_hour, last_hour) % WEEK_H, minlength=WEEK_H)
        hours = np.flatnonzero(asked)
        weights = asked[hours].astype(np.float64)
        expected = np.empty(self._size)
        for some in self._by_some():
            profile = _first_known(
                self._week[hours, some], self._day[hours % DAY_H, some], self._trailing[:, some]
            )
            expected[some] = np.einsum("h,hn->n", weights, profile)
        return expected


def _median(values: Floats, at_least: int, axis: int = 0) -> Floats:
    """Medians along an axis that leave out NaN; NaN where fewer than `at_least` values are known."""
    count = values.shape[axis]
    if not count:
        return np.full(values.shape[1 - axis], np.nan)
    ordered = np.sort(values, axis=axis)  # NaN goes last
    known = (~np.isnan(values)).sum(axis=axis)
    others = np.arange(len(known))

    def at(place: Ints) -> Floats:
        return np.asarray(ordered[place, others] if axis == 0 else ordered[others, place])

    low, high = at(np.maximum((known - 1) // 2, 0)), at(np.minimum(known // 2, count - 1))
    return np.where(known >= at_least, (low + high) / 2, np.nan)


def _first_known(week: Floats, day: Floats, trailing: Floats) -> Floats:
    return np.where(np.isnan(week), np.where(np.isnan(day), trailing, day), week)


def _by_hour(start_s: int, end_s: int) -> tuple[Ints, Floats]:
    """The hours that [start, end) touches, and how many seconds of each lie in it."""
    hours = np.arange(start_s // 3600, -(-end_s // 3600))
    seconds = np.minimum(end_s, (hours + 1) * 3600) - np.maximum(start_s, hours * 3600)
    return hours, seconds.astype(np.float64)


def _padded(array: Floats, size: int) -> Floats:
    padded = np.full((array.shape[0], size), np.nan)
    padded[:, : array.shape[1]] = array
    return padded

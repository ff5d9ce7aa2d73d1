"""What a scope's burn rate normally is, and how far it normally strays.

Hour-of-week median over up to 5 weeks; where there are not yet two weeks, hour-of-day median over up
to 7 days; before three days, the median of the trailing day; before six hours, nothing. The robust
spread is 1.4826 x the median absolute deviation, which is the standard deviation for a normal
distribution (Rousseeuw and Croux, 1993).

All of it is a function of the hour and minute rings, the hour, and what people said (`Lessons`). It has no
state of its own, and is the same however it was arrived at: hour by hour, at a start, or after late money.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.burn.calendar import DAY_H, SKIPPED, WEEK_H, Calendar
from stream.burn.lessons import MEASURED_H, Lessons
from stream.burn.medians import MAD_TO_SIGMA, first_known, median
from stream.burn.rings import RingSet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_BASELINE, TRAILING_DAY, HOUR_OF_DAY, HOUR_OF_WEEK = 0, 1, 2, 3
KINDS: Final = ("none", "trailing day", "hour of day", "hour of week")

WEEKS: Final = 5  # what the ring of hours holds, also seen from a day ago
DAYS: Final = 7
# Of up to 5 weeks, 7 days, 24 hours: from how many on their median is taken for normal.
LEAST_WEEKS, LEAST_DAYS, LEAST_HOURS = 2, 3, 6
# A rate over 5 minutes is the mean of 30 buckets: if buckets are independent, one strays sqrt(30) times
# as far within its hour. If they are not, this is too wide, which errs on the side of sleep.
BUCKETS_IN_5_MIN: Final = 30
# What the 24 h ring still holds at the end of the hour, an hour ahead of what is judged; a restart then finds
# the same spread.
SPREAD_H: Final = 22
_HOUR, _MINUTE = 2, 1  # levels of the scope rings
_AT_ONCE: Final = 256  # scopes; their numbers of a day are 0.6 MB
_FEW: Final = 4  # of so many: one by one costs less than all
_KEPT: Final = 32  # hours of expectations kept: 24 back, 1 ahead, rounded up


class Baseline:
    """Columns over all scopes of one partition; NaN means "not known yet"."""

    def __init__(
        self, rings: RingSet, calendar: Calendar | None = None, learn_after_h: int = LEAST_HOURS
    ) -> None:
        self._rings = rings
        self._calendar = calendar or Calendar()
        self._learn_after_h = learn_after_h
        self._lessons = Lessons()
        self._levels: dict[int, list[tuple[int, float]]] = {}  # series: since which hour, times what was
        self._stale: set[int] = set()
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
        self._samples = np.zeros(0, np.int64)
        self.revised = 0
        """How often something else than an hour's end has changed what is expected."""
        self._resize()

    def learn(self, lessons: Lessons) -> None:
        """Go by what people said from now on, instead of what was said before."""
        self._stale |= lessons.changed(self._lessons, self._hour)
        self._lessons = lessons

    def _resize(self) -> None:
        """New scopes start unknown: NaN, and no kind of baseline."""
        size = len(self._rings)
        for name in ("_week", "_day", "_trailing", "_expected", "_weeks"):
            setattr(self, name, _padded(getattr(self, name), size, np.nan))
        for name in ("_within", "_between"):
            setattr(self, name, _padded(getattr(self, name), size, 0.0))
        self._kinds = np.concatenate([self._kinds, np.zeros(size - self._size, np.int64)])
        self._samples = np.concatenate([self._samples, np.zeros(size - self._size, np.int64)])
        self._size = size

    def advance(self, time_s: int) -> None:
        """Learn from every hour that has closed by `time_s`. Cheap within an hour."""
        hour = time_s // 3600
        if len(self._rings) != self._size:
            self._resize()
        self._stale |= self._rings.take_revised(self._hour)
        if hour != self._hour:
            self._turn(hour)
        if self._stale:
            self._work_out_anew()

    def _turn(self, hour: int) -> None:
        before, self._hour = self._hour, hour
        if before < 0 or hour - before > DAY_H:
            self._stale.clear()
            for some in _blocks(self._size):
                self._work_out(some)
            return
        self._stale |= self._lessons.unsettled(before)
        everyone = slice(0, self._size)
        for begun in range(before + 1, hour + 1):
            first, end = self._local(begun - 1), self._local(begun)
            if end > first:  # none is added where the clocks are put back, and two where forward
                coming = np.arange(first, end)
                self._week[coming % WEEK_H] = self._of_weeks(coming + WEEK_H, begun, everyone)
                self._day[coming % DAY_H] = self._of_days(coming + DAY_H, begun, everyone)
            self._begin(begun, everyone)
        for some in _blocks(self._size):
            self._measure_spread(some, hour)

    def _work_out_anew(self) -> None:
        """What late money has reached, and what people have changed their mind about."""
        stale = np.array(sorted(number for number in self._stale if number < self._size), np.int64)
        for some in _blocks(self._size):
            mine = stale[(stale >= some.start) & (stale < some.stop)]
            if len(mine) > _FEW:
                self._work_out(some)
            else:
                for number in mine.tolist():
                    self._work_out(slice(number, number + 1))
        self._stale.clear()
        self.revised += 1

    def _work_out(self, some: slice) -> None:
        """Everything about some scopes, from the rings."""
        self._measure_levels(some)
        hour, now = self._hour, self._local(self._hour)
        week, day = now + np.arange(WEEK_H), now + np.arange(DAY_H)
        self._week[week % WEEK_H, some] = self._of_weeks(week, hour, some)
        self._day[day % DAY_H, some] = self._of_days(day, hour, some)
        past = np.arange(hour - DAY_H, hour)
        self._expected[past % _KEPT, some] = self._lookup(past, hour, some)
        self._begin(hour, some)
        self._measure_spread(some, hour)

    def _measure_levels(self, some: slice) -> None:
        """How many times what was normal before a new level is, where enough hours of it are known."""
        for series in [number for number in self._levels if some.start <= number < some.stop]:
            del self._levels[series]
        for series, since in self._lessons.levels.items():
            if some.start <= series < some.stop:
                for first in since:
                    self._measure_level(slice(series, series + 1), first)

    def _measure_level(self, one: slice, since: int) -> None:
        hours = np.arange(since, min(since + MEASURED_H, self._hour))
        if not len(hours):
            return
        spent = self._hours(hours[None, :], self._hour, one)[0, :, 0]
        if (~np.isnan(spent)).sum() < self._learn_after_h:
            return
        normal = self._lookup(hours, since, one)[:, 0]
        times = median(spent[normal > 0] / normal[normal > 0], at_least=1)
        # Where nothing was normal before, only what came since tells: NaN leaves out all before.
        self._levels.setdefault(one.start, []).append((since, float(times)))

    def _begin(self, hour: int, some: slice) -> None:
        """What is normal in this hour and the next, as far as is known at its start."""
        [here, following] = self._calendar.alike(self._calendar.local(np.array([hour, hour + 1]))).tolist()
        weeks = self._past(np.array([here]), WEEK_H, WEEKS, hour, some)[:, 0]
        days = self._past(np.array([here]), DAY_H, DAYS, hour, some)[:, 0]
        last = self._last_day(np.array([hour]), hour, some)[:, 0]
        trailing = self._trailing[0, some] = median(last, LEAST_HOURS)
        week, day = self._week[here % WEEK_H, some], self._day[here % DAY_H, some]
        known = [~np.isnan(level) for level in (week, day, trailing)]
        counts = [(~np.isnan(values)).sum(axis=0) for values in (weeks, days, last)]
        self._kinds[some] = np.select(known, [HOUR_OF_WEEK, HOUR_OF_DAY, TRAILING_DAY], NO_BASELINE)
        self._samples[some] = np.select(known, counts, 0)
        self._expected[hour % _KEPT, some] = first_known(week, day, trailing)
        self._weeks[0, some] = MAD_TO_SIGMA * median(np.abs(weeks - median(weeks, 3)), 3)
        self._expected[(hour + 1) % _KEPT, some] = first_known(
            self._week[following % WEEK_H, some], self._day[following % DAY_H, some], trailing
        )

    def _of_weeks(self, local: Ints, by: int | Ints, some: slice) -> Floats:
        return median(self._past(local, WEEK_H, WEEKS, by, some), LEAST_WEEKS)

    def _of_days(self, local: Ints, by: int | Ints, some: slice) -> Floats:
        return median(self._past(local, DAY_H, DAYS, by, some), LEAST_DAYS)

    def _past(self, local: Ints, distance: int, count: int, by: int | Ints, some: slice) -> Floats:
        """What `count` hours like each of `local` cost, (count, hours, scopes), as known at `by`."""
        back = local[None, :] - distance * np.arange(1, count + 1)[:, None]
        return self._hours(
            np.where(self._calendar.holiday(back), SKIPPED, self._calendar.utc(back)), by, some
        )

    def _last_day(self, before: Ints, by: int | Ints, some: slice) -> Floats:
        """The same of the 24 hours before each of `before`."""
        return self._hours(before[None, :] - np.arange(1, DAY_H + 1)[:, None], by, some)

    def _lookup(self, hours: Ints, now: int, some: slice) -> Floats:
        """What was (or is) expected of any hours, (hours, scopes), from hours before both them and `now`."""
        local = self._calendar.alike(self._calendar.local(hours))
        ahead = np.maximum(local - self._local(now), 0)
        by = np.minimum(hours, now)
        week = self._of_weeks(local - ahead // WEEK_H * WEEK_H, by, some)
        day = self._of_days(local - ahead // DAY_H * DAY_H, by, some)
        return first_known(week, day, median(self._last_day(by, by, some), LEAST_HOURS))

    def _hours(self, hours: Ints, by: int | Ints, some: slice) -> Floats:
        """US dollars of hours (times, hours) and scopes, as they count at `by`; NaN before (and in) the hour
        in which the scope first appeared, from `by` on, and where people said that it tells nothing."""
        ring, flat = self._rings.rings[_HOUR], hours.ravel()
        known = flat[:, None] > self._rings.first_hour[None, some]
        known &= (ring.holds(flat) & (flat < np.broadcast_to(by, hours.shape).ravel()))[:, None]
        known &= self._lessons.tells(flat, some)
        usd = np.where(known, ring.at(flat, some) / 1e9, np.nan).reshape(*hours.shape, -1)
        for series, since, times in self._levels_of(some):
            usd[(hours < since) & (by >= np.int64(since)), series - some.start] *= times
        return usd

    def _levels_of(self, some: slice) -> list[tuple[int, int, float]]:
        return [
            (series, since, times)
            for series, levels in self._levels.items()
            if some.start <= series < some.stop
            for since, times in levels
        ]

    def _local(self, hour: int) -> int:
        return int(self._calendar.local(np.array([hour]))[0])

    def _measure_spread(self, some: slice, hour: int) -> None:
        """Of the 5-minute rate: within the hour and from hour to hour, over the trailing day."""
        minutes = self._rings.rings[_MINUTE].rows((hour - SPREAD_H) * 60, hour * 60, some)
        # Scope by scope: the numbers whose median is taken lie side by side.
        five = minutes.reshape(SPREAD_H * 12, 5, -1).sum(axis=1).T.reshape(-1, SPREAD_H, 12) * (12 / 1e9)
        hourly = five.mean(axis=2)
        past = np.arange(hour - SPREAD_H, hour)
        known = ((past[:, None] > self._rings.first_hour[None, some]) & self._lessons.tells(past, some)).T
        within = np.where(known[:, :, None], np.abs(five - hourly[:, :, None]), np.nan)
        between = np.where(known, np.abs(hourly - self._expected[past % _KEPT, some].T), np.nan)
        for series, since, times in self._levels_of(some):
            within[series - some.start, past < since] *= times
            between[series - some.start, past < since] *= times
        flat = within.reshape(-1, SPREAD_H * 12)
        self._within[0, some] = np.nan_to_num(MAD_TO_SIGMA * median(flat, 6 * 12, axis=1))
        self._between[0, some] = np.nan_to_num(MAD_TO_SIGMA * median(between, 6, axis=1))

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

    def samples(self) -> Ints:
        """Of how many weeks, days or hours (by the kind) this hour's baseline is the median."""
        return self._samples

    def expected_usd(self, series: int, start_s: int, end_s: int) -> float | None:
        """Dollars one scope was expected to spend over [start, end); None without a baseline."""
        hours, seconds = _by_hour(start_s, end_s)
        recent = (self._hour - DAY_H <= hours) & (hours <= self._hour)
        rates = self._expected[hours % _KEPT, series]
        if not recent.all():
            rates[~recent] = self._lookup(hours[~recent], self._hour, slice(series, series + 1))[:, 0]
        total = float((rates * seconds).sum()) / 3600
        return None if np.isnan(total) else total

    def expected_hours_usd(self, first_hour: int, last_hour: int) -> Floats:
        """Dollars expected over whole hours to come, [first, last), by the profile as it stands."""
        local = self._calendar.alike(self._calendar.local(np.arange(first_hour, last_hour)))
        asked = np.bincount(local % WEEK_H, minlength=WEEK_H)
        hours = np.flatnonzero(asked)
        weights = asked[hours].astype(np.float64)
        expected = np.empty(self._size)
        for some in _blocks(self._size):
            profile = first_known(
                self._week[hours, some], self._day[hours % DAY_H, some], self._trailing[:, some]
            )
            expected[some] = np.einsum("h,hn->n", weights, profile)
        return expected


def _by_hour(start_s: int, end_s: int) -> tuple[Ints, Floats]:
    """The hours that [start, end) touches, and how many seconds of each lie in it."""
    hours = np.arange(start_s // 3600, -(-end_s // 3600))
    seconds = np.minimum(end_s, (hours + 1) * 3600) - np.maximum(start_s, hours * 3600)
    return hours, seconds.astype(np.float64)


def _blocks(size: int) -> list[slice]:
    """Some scopes at a time, so that what is between the rings and the medians stays in the cache."""
    return [slice(first, min(first + _AT_ONCE, size)) for first in range(0, size, _AT_ONCE)]


def _padded(array: Floats, size: int, filling: float) -> Floats:
    padded = np.full((array.shape[0], size), filling)
    padded[:, : array.shape[1]] = array
    return padded

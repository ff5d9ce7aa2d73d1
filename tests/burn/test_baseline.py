"""What is normal: medians of the same hour of the week, the day, or the last day, by how much is known."""

import copy
import datetime as dt
import functools
import zoneinfo
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stream.burn.baseline import HOUR_OF_DAY, HOUR_OF_WEEK, NO_BASELINE, TRAILING_DAY, Baseline
from stream.burn.calendar import DAY_H, WEEK_H, Calendar
from stream.burn.lessons import LeftOut, Lessons
from stream.burn.restore import Restore
from stream.burn.rings import SCOPE_RINGS, RingSet
from stream.schema.spend import DRIVER, Name
from stream.schema.windows import decode_key

HOUR = 3600
START = 1_767_571_200  # Monday 2026-01-05 00:00 UTC
FIRST = START // HOUR
DOLLAR = 10**9

Rate = Callable[[int], float]  # dollars in each hour since the start


class World:
    """Scopes that spend by the hour, and a baseline that is asked as hours pass."""

    def __init__(self, *rates: Rate, first: int = FIRST, calendar: Calendar | None = None) -> None:
        self.rings = RingSet("s", SCOPE_RINGS)
        self.calendar = calendar
        self.baseline = Baseline(self.rings, calendar)
        self.hour = self.first = first
        self._state: dict[bytes, bytes | None] = {}
        for rate in rates:
            self.scope(rate)

    def scope(self, rate: Rate) -> None:
        self.rings.series(Name(f"s{len(self.rings)}", "", DRIVER))
        self._rates = [*getattr(self, "_rates", []), rate]

    def hours(self, count: int) -> "World":
        """Spend for so many hours, six times an hour, the baseline looking on."""
        for _ in range(count):
            for part in range(6):
                at_s = self.hour * HOUR + part * 600
                self.rings.advance(at_s + 600)
                for series, rate in enumerate(self._rates):
                    self.spend(series, at_s, rate(self.hour - self.first) / 6)
                self.baseline.advance(at_s + 600)
            self.hour += 1
        return self

    def spend(self, series: int, at_s: int, usd: float) -> None:
        """Evenly over the ten minutes from `at_s`."""
        buckets = at_s // 10 + np.arange(60)
        one = np.ones(60, np.int64)
        self.rings.add(series * one, 10 * one, buckets, np.full(60, round(usd * DOLLAR / 60)))

    @property
    def now_s(self) -> int:
        return self.hour * HOUR

    def rate(self, ahead_s: int = 1800) -> list[float]:
        return list(self.baseline.rate(self.now_s + ahead_s))

    def kind(self) -> int:
        return int(self.baseline.kinds()[0])

    def restarted(self, lessons: Lessons | None = None) -> Baseline:
        rings = RingSet("s", SCOPE_RINGS)
        restore = Restore(rings)
        self._state |= {row.key: row.value for row in self.rings.changes()}
        for name, value in self._state.items():
            key = decode_key(name)
            assert key is not None
            assert value is not None
            restore.load(key, value)
        restore.settle(self.rings.head_s)
        baseline = Baseline(rings, self.calendar)
        baseline.learn(lessons or Lessons())
        baseline.advance(self.now_s)
        return baseline


def steady(usd: float) -> Rate:
    return lambda hour: usd


def test_none_before_six_whole_hours() -> None:
    """The hour in which a scope first appears is no whole one."""
    world = World(steady(4)).hours(6)
    assert (world.kind(), np.isnan(world.rate()[0])) == (NO_BASELINE, True)
    assert world.baseline.expected_usd(0, world.now_s - HOUR, world.now_s) is None
    world.hours(1)
    assert world.kind() == TRAILING_DAY
    assert world.rate()[0] == pytest.approx(4)


def test_the_median_of_the_last_day_until_there_are_three_days() -> None:
    world = World(float).hours(12)
    assert world.rate()[0] == pytest.approx(np.median(range(1, 12)))
    world.hours(24)
    assert world.rate()[0] == pytest.approx(np.median(range(12, 36)))
    assert world.kind() == TRAILING_DAY


def test_the_same_hour_of_the_day_from_three_days_on() -> None:
    days = [0, 1, 10, 3]  # the median of the three whole ones that hour 5 has at the start of day 3
    world = World(lambda hour: 100.0 * (hour % DAY_H) + days[min(hour // DAY_H, 3)]).hours(3 * DAY_H + 5)
    assert world.kind() == HOUR_OF_DAY
    assert world.rate()[0] == pytest.approx(501, abs=1)


def test_the_same_hour_of_the_week_from_two_weeks_on() -> None:
    weekend = steady(1)(0)

    def rate(hour: int) -> float:
        return weekend if hour % WEEK_H >= 5 * DAY_H else 8.0 + hour // WEEK_H * 2

    world = World(rate).hours(2 * WEEK_H + 12)
    assert world.kind() == HOUR_OF_WEEK
    assert world.rate()[0] == pytest.approx((8 + 10) / 2)
    world.hours(5 * DAY_H)
    assert world.kind() == HOUR_OF_WEEK
    assert world.rate()[0] == pytest.approx(1)


def test_one_wild_hour_changes_no_median() -> None:
    calm = World(steady(4)).hours(5 * DAY_H)
    wild = World(lambda hour: 4000.0 if hour == 4 * DAY_H + 3 else 4.0).hours(5 * DAY_H)
    assert wild.rate() == calm.rate() == pytest.approx([4])


def test_between_the_middles_of_hours_it_goes_straight() -> None:
    world = World(lambda hour: float(hour % DAY_H)).hours(4 * DAY_H + 10)
    assert [world.rate(s)[0] for s in (-1800, -900, 0, 900, 1800, 2700)] == pytest.approx(
        [9, 9.25, 9.5, 9.75, 10, 10.25], abs=1e-6
    )


def test_what_is_expected_of_a_range_and_of_the_hours_to_come() -> None:
    world = World(lambda hour: float(hour % DAY_H)).hours(4 * DAY_H + 10)
    now = world.now_s
    assert world.baseline.expected_usd(0, now - 2 * HOUR, now) == pytest.approx(8 + 9)
    assert world.baseline.expected_usd(0, now - 2 * HOUR - 1800, now) == pytest.approx(3.5 + 8 + 9)
    assert world.baseline.mean(now - 2 * HOUR, now)[0] == pytest.approx(8.5)
    assert world.baseline.mean(now - DAY_H * HOUR, now)[0] == pytest.approx(11.5)
    hour = now // HOUR
    assert world.baseline.expected_hours_usd(hour, hour + DAY_H)[0] == pytest.approx(sum(range(24)))
    assert world.baseline.expected_hours_usd(hour, hour + 10 * DAY_H)[0] == pytest.approx(10 * sum(range(24)))
    # What lies further back than a day is looked up as it was expected then: from the days before it.
    assert world.baseline.expected_usd(0, now - 26 * HOUR, now - 24 * HOUR) == pytest.approx(8 + 9)


def test_the_spread_of_steady_spend_is_nothing() -> None:
    world = World(steady(4)).hours(2 * DAY_H)
    assert world.baseline.spread()[0] == pytest.approx(0, abs=1e-6)


def test_the_spread_from_hour_to_hour() -> None:
    """Hours of 3 and 5 dollars around a median of 4: each is 1 away, and 1.4826 × 1 is the spread."""
    world = World(lambda hour: 3.0 + hour % 2 * 2).hours(2 * DAY_H)
    assert world.rate()[0] == pytest.approx(4, abs=1)
    level = world.rate()[0]
    away = np.median([abs(3 - level), abs(5 - level)] * 12)
    assert world.baseline.spread()[0] == pytest.approx(1.4826 * away, rel=0.01)


def test_the_spread_within_the_hour() -> None:
    """Ten minutes of nothing and ten of 12 dollars an hour, in turn: always 6 from the mean of 6."""
    rings = RingSet("s", SCOPE_RINGS)
    rings.series(Name("s", "", DRIVER))
    baseline = Baseline(rings)
    for ten_minutes in range(2 * DAY_H * 6):
        at_s = START + ten_minutes * 600
        rings.advance(at_s + 600)
        if ten_minutes % 2:
            one = np.ones(60, np.int64)
            rings.add(0 * one, 10 * one, at_s // 10 + np.arange(60), one * (2 * DOLLAR // 60))
        baseline.advance(at_s + 600)
    assert baseline.spread()[0] == pytest.approx(1.4826 * 6, rel=0.01)
    assert baseline.bucket_spread()[0] == pytest.approx(1.4826 * 6 * 30**0.5, rel=0.01)


def test_normal_noise_has_about_its_own_deviation() -> None:
    noise = np.random.default_rng(7).normal(100, 10, 3 * DAY_H)
    world = World(lambda hour: float(noise[hour])).hours(3 * DAY_H)
    assert world.baseline.spread()[0] == pytest.approx(10, rel=0.5)


def test_a_scope_that_appears_later_has_a_later_baseline() -> None:
    world = World(steady(4)).hours(10)
    world.scope(steady(9))
    world.hours(6)
    assert np.isnan(world.rate()[1])
    world.hours(1)
    assert world.rate() == pytest.approx([4, 9])
    assert world.baseline.kinds().tolist() == [TRAILING_DAY, TRAILING_DAY]


def test_no_hour_that_is_still_open_or_yet_to_come_is_looked_at() -> None:
    one, other = World(steady(4)).hours(30), World(steady(4)).hours(30)
    other.rings.advance(other.now_s + HOUR)
    other.spend(0, other.now_s, 1e6)
    for world in (one, other):
        world.baseline.advance(world.now_s + 1200)
    assert other.rate() == one.rate()
    assert other.baseline.spread().tolist() == one.baseline.spread().tolist()


@pytest.mark.parametrize("gap_h", [3, 23, 24, 25, 40, WEEK_H + 1, 36 * DAY_H])
def test_a_gap_is_spend_of_nothing_and_breaks_nothing(gap_h: int) -> None:
    """Jumping over it gives the same as looking on all the while."""
    jumped, watched = World(steady(4)).hours(50), World(steady(4)).hours(50)
    for hour in range(1, gap_h + 1):
        watched.rings.advance(watched.now_s + hour * HOUR)
        watched.baseline.advance(watched.now_s + hour * HOUR)
    for world in (jumped, watched):
        world.hour += gap_h
        world.hours(3)
    assert jumped.rate() == pytest.approx(watched.rate(), nan_ok=True)
    assert jumped.kind() == watched.kind()


@settings(max_examples=8)
@given(st.sampled_from([7, 30, 80, 2 * WEEK_H + 5, 5 * WEEK_H + 3, 6 * WEEK_H]), st.integers(0, 2**32))
def test_a_restart_finds_the_same_numbers(hours: int, seed: int) -> None:
    noise = np.random.default_rng(seed).gamma(4, 1, (2, 6 * WEEK_H + 1))
    world = World(lambda hour: float(noise[0, hour]), lambda hour: float(noise[1, hour])).hours(hours)
    again, now = world.restarted(), world.now_s
    before = world.baseline
    for at_s in (now, now + 1800, now + HOUR):
        assert again.rate(at_s).tolist() == pytest.approx(before.rate(at_s).tolist(), nan_ok=True)
    assert again.kinds().tolist() == before.kinds().tolist()
    assert again.spread().tolist() == pytest.approx(before.spread().tolist())
    for back_s in (2 * HOUR, 6 * HOUR, 24 * HOUR):
        assert again.mean(now - back_s, now).tolist() == pytest.approx(
            before.mean(now - back_s, now).tolist(), nan_ok=True
        )
    hour = now // HOUR
    assert again.expected_hours_usd(hour, hour + 400).tolist() == pytest.approx(
        before.expected_hours_usd(hour, hour + 400).tolist(), nan_ok=True
    )


BERLIN = Calendar("Europe/Berlin")


def at(text: str) -> int:
    """The UTC hour of a time in Berlin."""
    return (
        int(dt.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).timestamp())
        // 3600
    )


def by_the_clock(first: int) -> Rate:
    """A job from 9 to 10 on workdays in Berlin: $100; else $4."""

    def rate(hour: int) -> float:
        local = int(BERLIN.local(np.array([first + hour]))[0])
        return 100.0 if local % DAY_H == 9 and (local // DAY_H + 3) % 7 < 5 else 4.0

    return rate


@pytest.mark.parametrize(
    ("change", "weeks"), [("2026-03-29 00:00", 2), ("2026-10-25 00:00", 2), ("2026-03-29 00:00", 1)]
)
def test_clocks_that_change_move_no_job(change: str, weeks: int) -> None:
    """By UTC the job would be an hour off for weeks: $100 where $4 is normal."""
    first = at(change) - weeks * WEEK_H - 5 * DAY_H
    world = World(by_the_clock(first), first=first, calendar=BERLIN)
    monday = dt.datetime.fromisoformat(change) + dt.timedelta(days=1, hours=9)
    monday_9 = at(str(monday))
    world.hours(monday_9 - first)
    expected = {
        hour: world.baseline.expected_hours_usd(hour, hour + 1)[0]
        for hour in (monday_9 - 1, monday_9, monday_9 + 1)
    }
    assert list(expected.values()) == pytest.approx([4, 100, 4])
    assert world.baseline.expected_usd(0, world.now_s, world.now_s + HOUR) == pytest.approx(100)
    other = world.restarted()
    assert other.expected_hours_usd(monday_9, monday_9 + WEEK_H) == pytest.approx(
        world.baseline.expected_hours_usd(monday_9, monday_9 + WEEK_H)
    )


def test_a_holiday_is_like_a_sunday_and_teaches_its_weekday_nothing() -> None:
    thursday = at("2026-12-24 00:00")
    calendar = Calendar("Europe/Berlin", lambda year: [dt.date(year, 12, 17), dt.date(year, 12, 24)])
    first = thursday - 3 * WEEK_H - DAY_H

    def rate(hour: int) -> float:
        local = int(calendar.local(np.array([first + hour]))[0])
        weekend = (local // DAY_H + 3) % 7 >= 5 or calendar.holiday(np.array([local])).all()
        return 1.0 if weekend else 9.0

    world = World(rate, first=first, calendar=calendar).hours(thursday + 12 - first)
    assert world.kind() == HOUR_OF_WEEK
    assert world.rate()[0] == pytest.approx(1)
    assert world.baseline.expected_hours_usd(thursday, thursday + 2 * DAY_H)[0] == pytest.approx(
        24 * 1 + 24 * 9
    )
    world.hours(12 + 12)  # Friday noon is plain
    assert world.rate()[0] == pytest.approx(9)
    world.hours(6 * DAY_H)  # and so is Thursday noon: of three Thursdays that are known, two were free
    assert world.baseline.samples().tolist() == [2]
    assert world.rate()[0] == pytest.approx(9)


def columns(baseline: Baseline) -> list[bytes]:
    """All that a baseline says, to the bit."""
    now = baseline._hour
    told = [
        *(baseline.rate(now * HOUR + part) for part in (0, 900, 1800, 3599)),
        *(baseline.mean(now * HOUR - back, now * HOUR) for back in (300, 7200, 86_400)),
        baseline.spread(), baseline.bucket_spread(), baseline.peak(), baseline.week_spread(),
        baseline.kinds(), baseline.samples(), baseline.expected_hours_usd(now, now + 31 * DAY_H),
    ]  # fmt: skip
    return [column.tobytes() for column in told]


def test_late_money_counts_at_once_and_a_restart_finds_the_same() -> None:
    world = World(lambda hour: 4.0 + hour % 3, steady(2)).hours(8 * DAY_H)
    before = columns(world.baseline)
    for back_h in (1, 5, 24, 25, 7 * DAY_H):
        world.spend(0, world.now_s - back_h * HOUR, 50.0)
    world.baseline.advance(world.now_s)
    after = columns(world.baseline)
    assert after != before
    assert after == columns(world.restarted())


@functools.cache
def nine_days() -> World:
    return World(lambda hour: 4.0 + hour % 5, steady(2), lambda hour: float(hour % DAY_H)).hours(9 * DAY_H)


hours_ago = st.integers(1, 9 * DAY_H)
events = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["late", "new", "real", "level", "unsay", "hour"]),
        hours_ago,
        st.integers(1, 60),
    ),
    max_size=12,
)


@settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(events)
def test_however_it_came_about_it_is_the_same_to_the_bit(said: list[tuple[int, str, int, int]]) -> None:
    """Late money, new scopes, what people say and take back, hours that pass: a restart finds all of it."""
    world = copy.deepcopy(nine_days())
    left_out: dict[bytes, LeftOut] = {}
    levels: dict[int, tuple[int, ...]] = {}
    for number, (series, what, back_h, size) in enumerate(said):
        hour = world.hour - back_h
        if what == "late":
            world.spend(series, hour * HOUR, float(size))
        elif what == "new":
            world.scope(steady(size))
        elif what == "real":
            left_out[b"%d" % number] = LeftOut(np.array([series]), np.arange(hour, hour + size))
        elif what == "level":
            levels[series] = tuple(sorted({*levels.get(series, ()), hour}))
        elif what == "unsay":
            left_out, levels = {}, {}
        else:
            world.hours(size % 9)
        world.baseline.learn(Lessons(dict(left_out), dict(levels)))
        world.baseline.advance(world.now_s)
    assert columns(world.baseline) == columns(world.restarted(Lessons(left_out, levels)))

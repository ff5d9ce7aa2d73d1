"""Quantities say what a plain dictionary says, after gaps, late rows and restarts; and views show them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from detectors.contract import DAYS, HOURS, MINUTES
from stream.burn.drivers import DriverColumns
from stream.burn.quantities import HOUR_SLOTS, MINUTE_SLOTS, Quantities
from stream.burn.windows import Windows
from stream.schema.spend import CHILD, DRIVER, IDLE, NOTE, Name
from stream.schema.windows import CHUNK, decode_key
from tests.burn.rig import NANO, START, WEB, rows

# Another chunk than the others': what they hold must not mix.
FILLERS = [Name(f"filler/{number}", "pod_hours", DRIVER) for number in range(CHUNK)]


class Model(RuleBasedStateMachine):
    """`added` holds everything, by (series, bucket of 10 s); whole numbers, so that sums are exact."""

    @initialize()
    def start(self) -> None:
        self.added: Counter[tuple[int, int]] = Counter()
        self.hourly: Counter[tuple[int, int]] = Counter()
        self.state: dict[bytes, bytes] = {}
        self.quantities = Quantities()
        self.head_s = START
        for name in (Name("a", "pod_hours", DRIVER), *FILLERS, Name("z", "pod_hours", DRIVER)):
            self.quantities.append(name)
        self.quantities.advance(self.head_s)

    @rule(gap_s=st.sampled_from([10, 60, 600, 3600, 2 * 3600, 3 * 3600, 30 * 3600]))
    def advance(self, gap_s: int) -> None:
        self.head_s += gap_s
        self.quantities.advance(self.head_s)

    @rule(
        series=st.sampled_from([0, CHUNK + 1]),
        age_s=st.sampled_from([10, 50, 600, 3500, 3700, 7100, 7300, 20_000, 100_000]),
        quantity=st.integers(1, 9),
    )
    def add(self, series: int, age_s: int, quantity: int) -> None:
        width_s = 10 if age_s < 3600 else 60 if age_s < 86_400 else 3600
        bucket = (self.head_s - age_s) // width_s
        one = np.ones(1, np.int64)
        self.quantities.add(series * one, width_s * one, bucket * one, quantity * np.ones(1))
        start_s = bucket * width_s
        if width_s <= 60:
            self.added[series, start_s // 60] += quantity
        self.hourly[series, start_s // 3600] += quantity

    @rule()
    def restart(self) -> None:
        self.state |= {row.key: row.value for row in self.quantities.changes() if row.value is not None}
        before = self.quantities
        self.quantities = Quantities()
        restoring = self.quantities.restore()
        for encoded, value in self.state.items():
            key = decode_key(encoded)
            assert key is not None
            restoring.load(key, value)
        restoring.settle(self.head_s)
        assert self.quantities.names == before.names
        known = len(before.names)
        assert self.quantities.first_hour[:known].tolist() == before.first_hour[:known].tolist()

    @invariant()
    def says_what_was_added(self) -> None:
        now = (self.head_s - 1) // 60
        minutes = self.quantities.minutes((now + 1) * 60, MINUTE_SLOTS)
        hour = self.head_s // 3600
        hours = self.quantities.hours(hour, HOUR_SLOTS - 1)
        for series in (0, CHUNK + 1):
            assert minutes[:, series].tolist() == [
                self.added[series, minute] for minute in range(now - MINUTE_SLOTS + 1, now + 1)
            ]
            assert hours[:, series].tolist() == [
                self.hourly[series, past] for past in range(hour - HOUR_SLOTS + 1, hour)
            ]
        assert not minutes[:, 1 : CHUNK + 1].any()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def filled(hours: int = 3) -> Windows:
    """A web service whose every 10 s take 0.5 pod-hours for $1 and 2 GB of egress for $3."""
    windows = Windows(10)
    pods, egress = Name(WEB, "pod_hours", DRIVER), Name(WEB, "egress_bytes", DRIVER)
    billing, child, note = (
        Name("billing=aws/1/s", "pod_hours", DRIVER),
        Name("total", WEB, CHILD),
        (Name(WEB, IDLE, NOTE)),
    )
    for hour in range(hours):
        start_s = START + hour * 3600
        many = [
            (name, 10, bucket, usd * NANO)
            for name, usd in ((pods, 1), (egress, 3), (billing, 1), (child, 4), (note, 2))
            for bucket in range(start_s // 10, start_s // 10 + 360)
        ]
        made = rows(*many)
        amounts = {"pod_hours": 0.5, "egress_bytes": 2e9}
        made.quantity = np.array([amounts.get(name.component, 7.0) for name in made.names])[made.key]
        windows.add(made)
    return windows


def test_a_view_shows_what_each_driver_used_and_cost() -> None:
    windows = filled()
    drivers = DriverColumns(windows).at(START + 3 * 3600, days=True)
    assert [drivers.names[number] for number in drivers.driver] == ["pod_hours", "egress_bytes"]
    assert [windows.scope_names[number] for number in drivers.scope] == [WEB, WEB]
    assert drivers.minutes.shape == (2, MINUTES)
    assert drivers.minutes.tolist() == [[3.0] * MINUTES, [pytest.approx(12e9, rel=1e-5)] * MINUTES]
    # The first hour is only a part of one, as far as anybody knows.
    assert drivers.hours.shape == drivers.hours_usd.shape == (2, HOURS)
    assert np.isnan(drivers.hours[:, :-2]).all()
    assert drivers.hours[:, -2:].tolist() == [[180, 180], [pytest.approx(720e9, rel=1e-5)] * 2]
    assert drivers.hours_usd[:, -2:].tolist() == [[360, 360], [1080, 1080]]
    assert {w: rate.tolist() for w, rate in drivers.burn_usd_per_hour.items()} == {
        300: pytest.approx([360, 1080]), 3600: pytest.approx([360, 1080]),
    }  # fmt: skip


@pytest.mark.parametrize("rows", [slice(0, 1), slice(1, 9), slice(9, 12), [1, 0], [], [False, True]], ids=str)
def test_some_rows_are_those_of_the_whole(rows: slice | list[int]) -> None:
    columns = DriverColumns(filled(hours=194))
    chosen = rows if isinstance(rows, slice) else np.array(rows, None if rows else np.int64)
    whole, part = (columns.at(START + 194 * 3600, days=True) for _ in range(2))
    part = part.some(chosen)
    for name in ("scope", "driver", "minutes", "hours", "hours_usd", "days_usd", "same_hour_usd"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[chosen], name)
        np.testing.assert_array_equal(getattr(part.some(slice(1, 2)), name), getattr(part, name)[1:2], name)
    for window_s, rate in whole.burn_usd_per_hour.items():
        np.testing.assert_array_equal(part.burn_usd_per_hour[window_s], rate[chosen])


def test_whole_days_are_shown_when_an_hour_turns() -> None:
    windows = filled(hours=194)
    end_s = START + 194 * 3600
    drivers = DriverColumns(windows).at(end_s, days=True)
    assert drivers.days_usd.tolist() == [[23 * 360] * DAYS, [23 * 1080] * DAYS]
    assert drivers.same_hour_usd.tolist() == [[360] * DAYS, [1080] * DAYS]
    # A dearer hour is in the day that it lies in, and only the newest hour of a day is looked at alone.
    egress = windows.components.names.index(Name(WEB, "egress_bytes", DRIVER))
    for hours_ago, usd in ((1, 10), (24, 100), (25, 1000)):
        bucket = (end_s - hours_ago * 3600) // 3600
        windows.components.add(*(np.array([n]) for n in (egress, 3600, bucket, usd * NANO)))
    later = DriverColumns(windows).at(end_s + 300, days=True)
    assert (later.days_usd[1] - drivers.days_usd[1]).tolist() == [0, 0, 0, 0, 0, 0, 1000, 10]
    assert (later.same_hour_usd[1] - drivers.same_hour_usd[1]).tolist() == [0, 0, 0, 0, 0, 0, 1000, 10]
    between = DriverColumns(windows).at(end_s + 300, days=False)
    assert np.isnan(between.days_usd).all() and between.days_usd.shape == (2, DAYS)
    # Once the ring has moved on by two hours the first day is held no more.
    windows.advance(end_s + 3700)
    assert np.isnan(DriverColumns(windows).at(end_s, days=True).days_usd[:, 0]).all()


def test_days_before_a_driver_was_known_are_not() -> None:
    drivers = DriverColumns(filled(hours=50)).at(START + 50 * 3600, days=True)
    assert np.isfinite(drivers.days_usd).tolist() == [[False] * 6 + [True] * 2] * 2


def test_a_restart_shows_the_same() -> None:
    windows = filled(hours=194)
    again = Windows(10)
    restoring = again.restore()
    for row in windows.changes():
        key = decode_key(row.key)
        assert key is not None
        assert row.value is not None
        restoring.load(key, row.value)
    restoring.settle(windows.head_s)
    one, other = (DriverColumns(each).at(START + 194 * 3600, days=True) for each in (windows, again))
    assert one.names == other.names
    for name in ("scope", "driver", "minutes", "hours", "hours_usd", "days_usd", "same_hour_usd"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
    assert again.notes == windows.notes == {IDLE: {windows.scope_names.index(WEB): 4}}

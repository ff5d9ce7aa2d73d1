"""Calendar months in UTC, the projection and the time at which a budget runs out, worked out by hand."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.burn.month import Month, Projection, exhaustion_s, project

NAN = float("nan")


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text + "+00:00").timestamp())


@pytest.mark.parametrize(
    ("now", "start", "end", "days"),
    [
        ("2026-01-01T00:00:00", "2026-01-01", "2026-02-01", 31),
        ("2026-01-31T23:59:59", "2026-01-01", "2026-02-01", 31),
        ("2026-02-01T00:00:00", "2026-02-01", "2026-03-01", 28),
        ("2024-02-29T12:00:00", "2024-02-01", "2024-03-01", 29),
        ("2000-02-29T12:00:00", "2000-02-01", "2000-03-01", 29),
        ("2100-02-28T12:00:00", "2100-02-01", "2100-03-01", 28),
        ("2026-11-30T23:59:59", "2026-11-01", "2026-12-01", 30),
        ("2026-12-01T00:00:00", "2026-12-01", "2027-01-01", 31),
        ("2026-12-31T23:59:59", "2026-12-01", "2027-01-01", 31),
    ],
)
def test_months(now: str, start: str, end: str, days: int) -> None:
    month = Month.around(at(now))
    assert (month.start_s, month.end_s) == (at(start), at(end))
    assert month.end_s - month.start_s == days * 86_400


@given(st.integers(0, 4_102_444_800))
def test_every_moment_is_in_its_month_and_months_join_up(time_s: int) -> None:
    month = Month.around(time_s)
    assert month.start_s <= time_s < month.end_s
    assert Month.around(month.end_s).start_s == month.end_s
    assert Month.around(month.start_s) == Month.around(month.end_s - 1) == month


def one(
    *, spent: float = 100, remaining: float = 200, hours: float = 100, burn: float = 2, baseline: float = 2,
    spread: float = 0.5,
) -> Projection:  # fmt: skip
    columns = [np.array([value]) for value in (burn, baseline, spread)]
    return project(np.array([spent]), np.array([remaining]), hours, *columns)


def test_as_normal_it_is_what_is_spent_and_what_the_baseline_expects() -> None:
    found = one()
    assert found.usd == pytest.approx(100 + 200)
    assert found.day_usd == pytest.approx(300)
    assert found.rate_usd_per_hour == pytest.approx(200 / 100)


def test_an_excess_within_three_deviations_is_noise() -> None:
    assert one(burn=3.5).usd == one(burn=0.5).usd == pytest.approx(300)


def test_an_excess_beyond_three_deviations_goes_on() -> None:
    found = one(burn=4)  # 2 dollars an hour more, for 100 hours; of the next day only, 24 hours
    assert found.usd == pytest.approx(100 + 200 + 2 * 100)
    assert found.day_usd == pytest.approx(100 + 200 + 2 * 24)
    assert found.rate_usd_per_hour == pytest.approx(4)


def test_a_saving_goes_on_too_but_nothing_flows_back() -> None:
    assert one(baseline=4, remaining=400, burn=2).usd == pytest.approx(100 + 400 - 2 * 100)
    assert one(burn=-50).usd == pytest.approx(100)


def test_a_day_is_no_longer_than_what_is_left_of_the_month() -> None:
    found = one(burn=4, hours=10, remaining=20)
    assert found.day_usd == found.usd == pytest.approx(100 + 20 + 2 * 10)


def test_without_a_baseline_the_last_hour_is_all_there_is() -> None:
    found = one(baseline=NAN, remaining=NAN, spread=NAN, burn=3)
    assert found.usd == found.day_usd == pytest.approx(100 + 3 * 100)
    assert np.isnan(found.low_usd).all() and np.isnan(found.high_usd).all()


def test_the_interval() -> None:
    """Four days of 24 h with a deviation of 24 × 0.5 each: 1.96 × 12 × sqrt(4)."""
    found = one(hours=96, spent=1000, remaining=192)
    assert found.high_usd - found.usd == pytest.approx(1.96 * 12 * 2)
    assert found.usd - found.low_usd == pytest.approx(1.96 * 12 * 2)
    assert one(spent=100, remaining=0, hours=96).low_usd == pytest.approx(100)  # what is spent is spent


def test_scopes_are_columns() -> None:
    burn = np.array([2.0, 4.0, NAN])
    baseline = np.array([2.0, 2.0, NAN])
    spent, rest = np.full(3, 100.0), np.array([200.0, 200.0, NAN])
    usd = project(spent, rest, 100, burn, baseline, np.array([0.5, 0.5, NAN])).usd
    assert usd[:2].tolist() == [300, 500]
    assert np.isnan(usd[2])


def test_when_a_budget_runs_out() -> None:
    now, end = at("2026-01-10T00:00:00"), at("2026-02-01")
    assert exhaustion_s(now, 100, 40, 10, end) == now + 6 * 3600
    assert exhaustion_s(now, 100, 100, 10, end) == now
    assert exhaustion_s(now, 100, 140, 10, end) == now
    assert exhaustion_s(now, 100, 40, 0, end) is None
    assert exhaustion_s(now, 100, 40, -3, end) is None
    assert exhaustion_s(now, 100, 40, NAN, end) is None
    hours_left = (end - now) / 3600
    assert exhaustion_s(now, 100, 0, 100 / hours_left, end) is None  # just as long as the month
    assert exhaustion_s(now, 100, 0, 100 / (hours_left - 1), end) == pytest.approx(end - 3600, abs=1)

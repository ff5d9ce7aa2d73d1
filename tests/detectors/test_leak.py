"""`leak`: a driver that grows while the rest of its scope does not opens a ticket; traffic does not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.contract import NONE, TICKET, Scores, View
from detectors.leak import Leak, LeakParams
from detectors.views import START_S, Event, synthetic_views

DAY_S = 86_400
BEGIN = 7200


def watch(*events: Event, days: float = 3, **world: Any) -> list[tuple[View, Scores]]:
    detector = Leak(LeakParams())
    happens: dict[str, Any] = {
        "scopes": 2,
        "level_usd_per_hour": (2, 40),
        "history_s": 9 * DAY_S,
        "sample_s": 60,
    } | world
    views = synthetic_views(duration_s=int(days * DAY_S), every_s=3600, events=events, **happens)
    return [(view, detector.observe(view)) for view in views]


def tickets(told: list[tuple[View, Scores]], scope: int = 0) -> list[float]:
    """Hours from the beginning of every look with a ticket."""
    return [
        (view.time_s - START_S - BEGIN) / 3600 for view, scores in told if scores.severity[scope] == TICKET
    ]


def copied_out(factor: float, end_s: int = 30 * DAY_S, **more: Any) -> Event:
    return Event(BEGIN, end_s, factor=factor, driver="egress_bytes", scopes=(0,), **more)


def test_a_driver_that_grows_alone_is_told_within_a_day_and_of_no_other_scope() -> None:
    told = watch(copied_out(1.8))
    # 0.8 of so many hours of 23 make a half, give or take what the season does to an hour.
    assert 10 <= tickets(told)[0] <= 20
    assert not tickets(told, 1)
    view, scores = next(pair for pair in told if pair[1].severity[0] == TICKET)
    assert abs(int(scores.onset_s[0]) - START_S - BEGIN) <= 6 * 3600
    reason = Leak(LeakParams()).reason(view, scores, 0)
    assert reason.startswith("egress_bytes alone has grown: $") and reason.endswith(" in 30 days.")
    assert tickets(told)[-1] == 70  # it stays so long as it costs more than the third dearest day before


def test_a_slow_ramp_is_told() -> None:
    # Doubles every two days: 1.41 times what it was, each day.
    ramp = Event(BEGIN, 30 * DAY_S, doubling_s=2 * DAY_S, driver="egress_bytes", scopes=(0,))
    assert tickets(watch(ramp))


def test_what_lifts_all_that_a_scope_uses_is_traffic() -> None:
    assert not tickets(watch(Event(BEGIN, 30 * DAY_S, factor=1.9)))


def test_three_times_of_everything_is_told_whatever_it_is() -> None:
    assert tickets(watch(Event(BEGIN, 30 * DAY_S, factor=3.5)))


def test_it_ends_with_its_cause() -> None:
    hours = tickets(watch(copied_out(4, end_s=BEGIN + 20 * 3600)))
    assert hours and max(hours) <= 21


def test_what_stays_becomes_usual() -> None:
    assert not [hour for hour in tickets(watch(copied_out(1.8), days=9)) if hour > 8 * 24]


def test_work_of_one_day_a_week_is_usual() -> None:
    weekly = [
        Event(day * DAY_S, (day + 1) * DAY_S, factor=3, driver="egress_bytes", scopes=(0,))
        for day in (-6, 1, 8)
    ]
    assert not [hour for hour in tickets(watch(*weekly, days=3, history_s=10 * DAY_S)) if hour > 0]


@pytest.mark.parametrize(("usd_per_hour", "told"), [(0.12, False), (0.30, True)])
def test_less_than_a_hundred_dollars_a_month_is_not_worth_a_look(usd_per_hour: float, told: bool) -> None:
    more = Event(BEGIN, 30 * DAY_S, add_usd_per_hour=usd_per_hour, driver="egress_bytes")
    assert bool(tickets(watch(more, level_usd_per_hour=(0.5, 0.5), scopes=1))) == told


def test_no_opinion_before_eight_days_nor_between_hours() -> None:
    young = watch(copied_out(4), history_s=5 * DAY_S, days=2)
    assert all(np.isnan(scores.score).all() for _, scores in young)
    *_, view = synthetic_views(scopes=1, duration_s=120, every_s=60, history_s=9 * DAY_S)
    assert np.isnan(Leak(LeakParams()).observe(view).score).all()


def test_a_driver_without_others_is_judged_alone() -> None:
    view, scores = watch(copied_out(3))[24]
    rows = view.drivers.named(["egress_bytes"])
    alone = Leak(LeakParams()).observe(replace(view, drivers=view.drivers.some(rows)))
    assert alone.severity.tolist() == scores.severity.tolist() == [TICKET, NONE]
    assert np.isfinite(alone.score).all()

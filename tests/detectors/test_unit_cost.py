"""`unit-cost`: the same quantity at another price opens a ticket; more of it at the same price does not."""

from typing import Any

import numpy as np
import pytest

from detectors.contract import TICKET, Scores, View
from detectors.unit_cost import UnitCost, UnitCostParams
from detectors.views import START_S, Event, synthetic_views

START = 7200
END = START + 20 * 3600


def watch(*events: Event, hours: int = 5, **world: Any) -> list[tuple[View, Scores]]:
    detector = UnitCost(UnitCostParams())
    views = synthetic_views(
        scopes=2, level_usd_per_hour=(20, 40), duration_s=hours * 3600, every_s=60, events=events, **world
    )
    return [(view, detector.observe(view)) for view in views]


def tickets(told: list[tuple[View, Scores]], scope: int = 0) -> list[int]:
    """Seconds from START of every minute with a ticket."""
    return [view.time_s - START_S - START for view, scores in told if scores.severity[scope] == TICKET]


@pytest.mark.parametrize("late", [{}, {"sample_s": 60, "late_s": 60}])
def test_a_step_in_price_opens_a_ticket_within_the_hour(late: dict[str, int]) -> None:
    told = watch(Event(START, END, price=1.6, driver="egress_bytes", scopes=(1,)), **late)
    assert 0 < tickets(told, 1)[0] <= 3600
    assert not tickets(told, 0)
    view, scores = next(pair for pair in told if pair[1].severity[1] == TICKET)
    assert abs(int(scores.onset_s[1]) - START_S - START) <= 600
    reason = UnitCost(UnitCostParams()).reason(view, scores, 1)
    assert "per 1,000 egress_bytes over the last hour, where" in reason
    assert "$9e-08" in reason  # $0.09 a GB


def test_more_of_the_same_is_no_dearer() -> None:
    assert not tickets(watch(Event(START, END, factor=20)))


def test_it_ends_when_the_price_is_back() -> None:
    told = watch(Event(START, START + 3600, price=3))
    assert tickets(told)
    assert max(tickets(told)) <= 3600 + 300


def test_the_new_price_is_normal_half_a_day_later() -> None:
    told = tickets(watch(Event(START, END, price=2, driver="pod_hours"), hours=16))
    assert 11 * 3600 <= max(told) <= 13 * 3600


def test_the_onset_of_a_step_hours_ago_is_its_hour() -> None:
    told = watch(Event(START, END, price=2, driver="pod_hours"))
    view, scores = told[-1]
    assert view.time_s - START_S - START == 3 * 3600
    assert int(scores.onset_s[0]) - START_S - START == 0


def test_no_opinion_before_six_hours_and_of_what_is_not_used() -> None:
    young = watch(Event(START, END, price=3), hours=3, history_s=3600)
    assert all(np.isnan(scores.score).all() for _, scores in young)
    asleep = watch(Event(START, END, factor=0), hours=5)
    assert np.isnan(asleep[-1][1].score).all()


def test_cheap_things_may_get_dearer() -> None:
    detector = UnitCost(UnitCostParams())
    cheap = synthetic_views(
        scopes=1, level_usd_per_hour=(0.5, 0.5), duration_s=4 * 3600, every_s=60,
        events=[Event(START, END, price=2)],
    )  # fmt: skip
    assert not any(detector.observe(view).severity.any() for view in cheap)


def test_fewer_and_dearer_machines_for_the_same_money_do_not() -> None:
    larger = Event(START, END, factor=0.5, price=2)
    assert not tickets(watch(larger))

"""`change-point`: a lasting step opens a ticket, a spike or a season does not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.change_point import ChangePoint, ChangePointParams
from detectors.contract import TICKET, Scores, View
from detectors.views import START_S, Event, synthetic_views

START = 7200
DAY = 86_400


def watch(*events: Event, hours: int = 24, **world: Any) -> list[tuple[View, Scores]]:
    detector = ChangePoint(ChangePointParams())
    views = synthetic_views(
        scopes=2, level_usd_per_hour=(20, 20), duration_s=hours * 3600, every_s=300, events=events, **world
    )
    return [(view, detector.observe(view)) for view in views]


def tickets(told: list[tuple[View, Scores]], scope: int = 0) -> list[float]:
    """Hours from START of every look with a ticket."""
    return [
        (view.time_s - START_S - START) / 3600 for view, scores in told if scores.severity[scope] == TICKET
    ]


@pytest.mark.parametrize(("factor", "within_h"), [(1.4, 4), (1.6, 2.5), (3, 1.5)])
def test_a_lasting_step_opens_a_ticket_the_sooner_the_higher(factor: float, within_h: float) -> None:
    told = watch(Event(START, DAY, factor=factor, scopes=(0,)))
    assert 1 < tickets(told)[0] <= within_h
    assert not tickets(told, 1)
    _, scores = next(pair for pair in told if pair[1].severity[0] == TICKET)
    assert abs(int(scores.onset_s[0]) - START_S - START) <= 600


def test_ten_percent_and_a_spike_of_half_an_hour_do_not() -> None:
    assert not tickets(watch(Event(START, DAY, factor=1.1)))
    assert not tickets(watch(Event(START, START + 1800, factor=100)))


def test_spend_that_falls_away_does_not() -> None:
    assert not tickets(watch(Event(START, DAY, factor=0)))


def test_it_ends_within_an_hour_of_its_cause() -> None:
    told = tickets(watch(Event(START, START + 6 * 3600, factor=2)))
    assert 6 <= max(told) <= 7


def test_no_opinion_before_the_hour_of_the_day_is_known() -> None:
    assert all(
        np.isnan(scores.score).all() for _, scores in watch(Event(START, DAY, factor=9), baseline="day")
    )


def test_a_scope_whose_baseline_comes_and_goes_starts_from_nothing() -> None:
    detector = ChangePoint(ChangePointParams())
    for view in synthetic_views(scopes=1, duration_s=7200, every_s=300, events=[Event(0, 7200, factor=9)]):
        unknown = replace(
            view, expected_usd_per_hour={w: rate * np.nan for w, rate in view.burn_usd_per_hour.items()}
        )
        assert np.isnan(detector.observe(unknown).score).all()


def test_the_reason_tells_the_month() -> None:
    view, scores = next(pair for pair in watch(Event(START, DAY, factor=2)) if pair[1].severity[0] == TICKET)
    reason = ChangePoint(ChangePointParams()).reason(view, scores, 0)
    assert reason.startswith("Has spent more than is normal for 1.")
    assert "in 30 days." in reason

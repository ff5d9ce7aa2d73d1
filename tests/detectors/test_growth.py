"""`growth`: given how many pods run by the minute, expect a page or none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.contract import NONE, PAGE, Scores, View
from detectors.growth import Growth, GrowthParams
from detectors.views import START_S, Event, pick, synthetic_views

START = 3600


def watch(*events: Event, scopes: int = 3, minutes: int = 180, **world: Any) -> list[tuple[View, Scores]]:
    detector = Growth(GrowthParams())
    views = synthetic_views(
        scopes=scopes, level_usd_per_hour=(4, 40), duration_s=minutes * 60, every_s=60, events=events, **world
    )
    return [(view, detector.observe(view)) for view in views]


def first_page(told: list[tuple[View, Scores]], scope: int = 0) -> int | None:
    """Seconds from the start of the growth to its page."""
    paged = (view.time_s - START_S - START for view, scores in told if scores.severity[scope] == PAGE)
    return next(paged, None)


@pytest.mark.parametrize(
    ("doubling_s", "within_s"), [(20, 300), (60, 420), (120, 480), (300, 900), (540, 2400)]
)
def test_a_doubling_time_under_10_minutes_pages(doubling_s: int, within_s: int) -> None:
    growth = Event(START, START + 10 * doubling_s, doubling_s=doubling_s)
    for late in ({}, {"sample_s": 60, "late_s": 60}):
        paged = first_page(watch(growth, **late))
        assert paged is not None
        assert 0 < paged <= within_s + 120


def test_a_doubling_time_of_half_an_hour_is_left_to_others() -> None:
    assert first_page(watch(Event(START, START + 7200, doubling_s=1800))) is None


def test_one_step_is_no_growth_however_high() -> None:
    assert first_page(watch(Event(START, 2 * START, factor=50))) is None


def test_growth_of_one_driver_is_seen_where_it_matters() -> None:
    told = watch(Event(START, START + 1200, doubling_s=120, driver="pod_hours", scopes=(1,)))
    assert first_page(told, 1) is not None
    assert first_page(told, 0) is None
    view, scores = next(pair for pair in told if pair[1].severity[1] == PAGE)
    reason = Growth(GrowthParams()).reason(view, scores, 1)
    assert reason.startswith("pod_hours grew from ")
    assert "doubling every" in reason
    assert view.time_s - 600 <= scores.onset_s[1] <= view.time_s
    assert abs(int(scores.onset_s[1]) - START_S - START) <= 300


def test_a_handful_of_cents_never_pages() -> None:
    cheap = synthetic_views(
        scopes=1, level_usd_per_hour=(0.01, 0.01), duration_s=7200, every_s=60,
        events=[Event(START, START + 600, doubling_s=120)],
    )  # fmt: skip
    detector = Growth(GrowthParams())
    assert not any(detector.observe(view).severity.any() for view in cheap)


def test_what_the_baseline_expects_at_this_hour_does_not_page() -> None:
    told = watch(Event(START, START + 1200, doubling_s=120))
    view, _ = next(pair for pair in told if pair[1].severity[0] == PAGE)
    planned = replace(view, expected_usd_per_hour=dict(view.burn_usd_per_hour))
    assert Growth(GrowthParams()).observe(planned).severity[0] == NONE
    unknown = {window_s: np.full(3, np.nan) for window_s in view.burn_usd_per_hour}
    assert Growth(GrowthParams()).observe(replace(view, expected_usd_per_hour=unknown)).severity[0] == PAGE


def test_no_opinion_of_a_driver_in_its_first_hour() -> None:
    young = watch(Event(0, 1800, doubling_s=120), minutes=30, history_s=600)
    assert all(np.isnan(scores.score).all() for _, scores in young)


def test_without_drivers_there_is_no_opinion() -> None:
    *_, view = synthetic_views(duration_s=70, every_s=10)
    assert np.isnan(Growth(GrowthParams()).observe(pick(view, [0, 1])).score).all()

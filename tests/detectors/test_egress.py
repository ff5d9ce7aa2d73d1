"""`egress`: a jump of bytes out pages and says that it may be theft; copies that are ordinary do not."""

from typing import Any

import numpy as np
import pytest

from detectors.contract import PAGE, Scores, View
from detectors.egress import Egress, EgressParams
from detectors.views import START_S, Event, synthetic_views

START = 7200
DAY = 86_400


def watch(*events: Event, hours: float = 4, level: float = 20, **world: Any) -> list[tuple[View, Scores]]:
    detector = Egress(EgressParams())
    views = synthetic_views(
        scopes=2, level_usd_per_hour=(level, level), duration_s=int(hours * 3600), every_s=60, events=events,
        **world,
    )  # fmt: skip
    return [(view, detector.observe(view)) for view in views]


def pages(told: list[tuple[View, Scores]], scope: int = 0) -> list[int]:
    """Seconds from START of every minute with a page."""
    return [view.time_s - START_S - START for view, scores in told if scores.severity[scope] == PAGE]


def jump(factor: float, start: int = START, length: int = 7200) -> Event:
    return Event(start, start + length, factor=factor, driver="egress_bytes", scopes=(0,))


@pytest.mark.parametrize("late", [{}, {"sample_s": 60, "late_s": 60}])
def test_ten_times_the_bytes_page_within_minutes(late: dict[str, int]) -> None:
    told = watch(jump(10), **late)
    assert 0 < pages(told)[0] <= 420
    assert not pages(told, 1)
    view, scores = next(pair for pair in told if pair[1].severity[0] == PAGE)
    assert abs(int(scores.onset_s[0]) - START_S - START) <= 120
    reason = Egress(EgressParams()).reason(view, scores, 0)
    assert "B an hour of egress_bytes over 5 min" in reason
    assert "Security: data may be leaving" in reason


def test_a_theft_of_an_hour_stands_while_it_lasts() -> None:
    told = pages(watch(jump(10, length=3600)))
    assert set(range(300, 3600, 60)) <= set(told)
    assert max(told) <= 3600 + 420


def test_twice_the_traffic_is_a_good_day() -> None:
    assert not pages(watch(jump(2)))


def test_more_pods_are_none_of_its_business() -> None:
    assert not pages(watch(Event(START, 2 * START, factor=50, driver="pod_hours")))


def test_a_nightly_copy_is_known_from_the_second_night_on() -> None:
    nightly = [jump(10, START + night * DAY, 1800) for night in range(3)]
    told = pages(watch(*nightly, hours=54))
    assert {seconds // DAY for seconds in told} == {0}


def test_a_copy_every_hour_is_known() -> None:
    hourly = [jump(10, start, 300) for start in range(0, 6 * 3600, 3600)]
    assert not [seconds for seconds in pages(watch(*hourly, hours=6)) if seconds > 3600]


def test_10_gigabytes_an_hour_are_below_the_floor() -> None:
    # $0.01/h × 30 % are 33 MB an hour; times 150 and 1.4 by season that is 7 GB.
    assert not pages(watch(jump(150), level=0.01))
    assert pages(watch(jump(1000), level=0.01))


def test_no_opinion_of_the_first_hours() -> None:
    assert all(np.isnan(scores.score).all() for _, scores in watch(jump(10), history_s=3600))

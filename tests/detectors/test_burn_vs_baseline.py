"""`burn-vs-baseline`: 3 times normal over 5 min and 1 h pages, twice over 1 h and 6 h opens a ticket."""

from typing import Any

import numpy as np
import pytest

from detectors.burn_vs_baseline import BurnVsBaseline, BurnVsBaselineParams
from detectors.contract import NONE, PAGE, TICKET, View
from detectors.views import START_S, Event, synthetic_views
from tests.detectors.steady import steady


def judge(view: View, **params: float) -> tuple[float, int, str]:
    scores = BurnVsBaseline(BurnVsBaselineParams.model_validate(params)).observe(view)
    return float(scores.score[0]), int(scores.severity[0]), scores.tiers[scores.tier[0]]


@pytest.mark.parametrize(
    ("burn", "expected"),
    [
        ({300: 30.00001, 3600: 30.00001, 21600: 10.0}, (1.0, PAGE, "fast")),
        ({300: 60.0, 3600: 33.0, 21600: 10.0}, (1.1, PAGE, "fast")),  # 33 / (3 × 10)
        ({300: 29.9, 3600: 60.0, 21600: 10.0}, (29.9 / 30, NONE, "fast")),  # it goes down again
        ({300: 90.0, 3600: 29.9, 21600: 10.0}, (29.9 / 30, NONE, "fast")),  # not long enough
        ({300: 10.0, 3600: 25.0, 21600: 20.00001}, (1.0, TICKET, "slow")),
        ({300: 10.0, 3600: 19.9, 21600: 90.0}, (19.9 / 20, NONE, "slow")),
        ({300: 31.0, 3600: 31.0, 21600: 31.0}, (31 / 30, PAGE, "fast")),  # the page outranks 31 / 20
        ({300: 10.0, 3600: 10.0, 21600: 10.0}, (0.5, NONE, "slow")),
        ({300: 0.0, 3600: 0.0, 21600: 0.0}, (0.0, NONE, "fast")),
        ({300: -9.0, 3600: -9.0, 21600: -9.0}, (0.0, NONE, "fast")),
    ],
)
def test_both_windows_must_be_over(burn: dict[int, float], expected: tuple[float, int, str]) -> None:
    # A day that holds these six hours and is else as it should be: no work of it was missing before.
    score, severity, tier = judge(steady(burn=burn | {86_400: (18 * 10.0 + 6 * burn[21600]) / 24}))
    assert score == pytest.approx(expected[0])
    assert (severity, tier) == expected[1:]


def test_each_window_is_compared_with_its_own_expectation() -> None:
    # A nightly batch: $100/h, as in all nights before.
    batch = {300: 100.0, 3600: 90.0, 21600: 40.0}
    assert judge(steady(burn=batch, expected=batch))[1] == NONE
    assert judge(steady(burn=batch | {86_400: 17.5}))[1] == PAGE


def test_40_cents_an_hour_never_fire_however_many_times_normal() -> None:
    assert judge(steady(burn=0.41, expected=0.01))[0] == pytest.approx(0.41 / 1.01)
    assert judge(steady(burn=0.40, expected=0.0))[1] == NONE
    assert judge(steady(burn=1.0, expected=0.0))[1] == PAGE


def test_no_opinion_without_baseline_or_while_younger_than_the_window() -> None:
    assert np.isnan(judge(steady(expected=np.nan))[0])
    assert np.isnan(judge(steady(burn={3600: np.nan, 21600: np.nan, 86400: np.nan}))[0])


def test_a_page_needs_no_six_hours_of_history() -> None:
    assert judge(steady(burn={300: 60.0, 3600: 60.0, 21600: np.nan}))[1] == PAGE


def test_the_factors_are_settings() -> None:
    assert judge(steady(burn=30.0), page_ratio=5, ticket_ratio=4)[1] == NONE


def first_fires(factor: float) -> dict[int, tuple[int, int]]:
    """Severity -> minutes from the jump to it, and to the onset told then."""
    detector = BurnVsBaseline(BurnVsBaselineParams())
    seen: dict[int, tuple[int, int]] = {}
    world: dict[str, Any] = {"scopes": 1, "season": 0.3, "noise": 0.1}
    jump = Event(3600, 9 * 3600, factor=factor)
    for view in synthetic_views(duration_s=9 * 3600, every_s=60, events=[jump], **world):
        scores = detector.observe(view)
        minutes = [round((t - START_S - 3600) / 60) for t in (view.time_s, int(scores.onset_s[0]))]
        seen.setdefault(int(scores.severity[0]), (minutes[0], minutes[1]))
    return seen


def test_a_20x_jump_pages_when_the_hour_is_over_3x() -> None:
    # 60 × (3 - 1) / (20 - 1) = 6.3 minutes.
    paged, onset = first_fires(20)[PAGE]
    assert paged in (6, 7)
    assert onset in (-1, 0, 1)


def test_a_jump_to_2_5x_is_a_ticket_and_no_page() -> None:
    # 6 × (2 - 1) / (2.5 - 1) = 4 hours, a little more while the season falls.
    seen = first_fires(2.5)
    assert PAGE not in seen
    assert seen[TICKET][0] == pytest.approx(240, abs=10)


def test_the_reason_tells_both_windows() -> None:
    view = steady(burn={300: 60.0, 3600: 33.0})
    detector = BurnVsBaseline(BurnVsBaselineParams())
    assert detector.reason(view, detector.observe(view), 0) == (
        "Spends $60.00/h and $33.00/h over 5 min and 1 h, where $10.00/h and $10.00/h is normal;"
        " the limit is 3 times normal in both, and at least $1.00/h more."
    )

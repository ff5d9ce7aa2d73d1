"""Scopes and drivers are judged some at a time; how many at a time must not show."""

import pytest

from detectors import registry, scoring
from detectors.checks import EVENTS
from detectors.contract import NONE, Detector, Scores, due
from detectors.views import synthetic_views


def _judged(detector: Detector) -> list[Scores]:
    views = synthetic_views(scopes=7, duration_s=7200, events=EVENTS)
    return [detector.observe(view) for view in views if due(detector, view.time_s - 10, view.time_s)]


@pytest.mark.parametrize("name", ["step", "growth", "egress", "unit-cost"])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_detector_judges_the_same_in_whatever_blocks(
    name: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _judged(registry.build(name, {}))
    assert any((scores.severity != NONE).any() for scores in whole), "nothing was found in the first place"
    monkeypatch.setattr(scoring, "ROWS_AT_ONCE", rows)
    parts = _judged(registry.build(name, {}))
    for one, two in zip(whole, parts, strict=True):
        for column in ("score", "severity", "tier", "window_s", "onset_s"):
            assert getattr(two, column).tobytes() == getattr(one, column).tobytes(), column

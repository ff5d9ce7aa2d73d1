"""Ordinary days: nobody is woken, and no ticket is opened."""

from typing import Any

import pytest

from detectors.contract import NONE, due
from detectors.registry import all_names, build
from detectors.views import Event, synthetic_views

DAY_S = 86_400
DETECTORS = all_names()

# Season ±40 %, noise of 20 %; then what data may look like in the field.
WORLDS: dict[str, dict[str, Any]] = {
    "10 s samples": {},
    "60 s samples a minute late": {"sample_s": 60, "late_s": 60},
    "season not yet learnt": {"baseline": "day", "sample_s": 60},
    "noise of 50 %": {"noise": 0.5, "sample_s": 60},
}


def spoken(**world: Any) -> dict[str, int]:
    """How often each detector said anything."""
    built = [build(name, {}) for name in DETECTORS]
    count = dict.fromkeys(DETECTORS, 0)
    last_s = -1
    for view in synthetic_views(**world):
        for detector in (each for each in built if due(each, last_s, view.time_s)):
            count[detector.name] += int((detector.observe(view).severity != NONE).sum())
        last_s = view.time_s
    return count


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_14_ordinary_days_of_50_scopes_are_silent(world: dict[str, Any]) -> None:
    # Every 5 minutes, the most that may be skipped; the next test looks at every bucket.
    assert not any(spoken(seed=11, scopes=50, duration_s=14 * DAY_S, every_s=300, **world).values())


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_6_hours_of_200_scopes_are_silent_at_every_single_bucket(world: dict[str, Any]) -> None:
    # The phases of the scopes are spread over the day, so that all hours are in it.
    assert not any(spoken(seed=12, scopes=200, duration_s=6 * 3600, every_s=10, **world).values())


def test_40_cents_an_hour_never_fire() -> None:
    cheap: dict[str, Any] = {"level_usd_per_hour": (0.01, 0.04), "budget_ratio": None}
    jump = Event(3600, 2 * DAY_S, add_usd_per_hour=0.40)
    assert not any(spoken(scopes=5, duration_s=2 * DAY_S, every_s=60, events=[jump], **cheap).values())


def test_scaling_to_zero_never_fires() -> None:
    asleep = Event(3600, 9 * 3600, factor=0)
    assert not any(spoken(scopes=5, duration_s=12 * 3600, every_s=30, events=[asleep]).values())


def test_a_runaway_in_the_same_world_is_not_silent() -> None:
    # What keeps the tests above honest.
    runaway = Event(3600, 2 * DAY_S, factor=20)
    growing = Event(3600, 6000, doubling_s=180, driver="pod_hours")
    dearer = Event(3 * 3600, 2 * DAY_S, price=4)
    happens = {"events": [growing, runaway, dearer], "sample_s": 60, "late_s": 60, "history_s": 9 * DAY_S}
    count = spoken(scopes=5, duration_s=2 * DAY_S, every_s=240, **happens)
    # What is not about size has tests of its own.
    silent = {name for name, times in count.items() if not times}
    assert silent == {"policy", "ratio"}, count

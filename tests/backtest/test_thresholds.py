"""Which settings are tried, and that the loosest detector hides no trial."""

import numpy as np
import pytest

from detectors import registry
from detectors.contract import NONE
from detectors.views import Event, synthetic_views
from stream.backtest.thresholds import SCALES, loosest, settings, trials

EVENTS = [
    Event(start_s=3600, end_s=5400, factor=1.7),
    Event(start_s=7200, end_s=9000, factor=3),
    Event(start_s=10_800, end_s=12_600, doubling_s=120, driver="pod_hours"),
    Event(start_s=13_000, end_s=16_000, price=3.0, driver="pod_hours"),
]


def test_every_number_with_a_fraction_is_a_threshold_but_for_what_is_none() -> None:
    tried = {
        name: [one.name for one in settings(name, registry.find(name).params_type())]
        for name in registry.all_names()
    }
    assert tried["step"] == ["floor_usd_per_hour", "sigmas", "ratio"]
    assert tried["egress"] == ["floor_usd_per_hour", "ratio"]
    assert all(tried.values())


def test_values_that_a_detector_does_not_take_are_left_out() -> None:
    params = registry.find("growth").params_type()
    doubling = next(one for one in settings("growth", params) if one.name == "doubling_min")
    assert [trial.value for trial in trials(doubling, params, (0.1, 0.5, 2.0, 5.0))] == [20.0, 5.0]


@pytest.mark.parametrize("name", [kind.name for kind in registry.BUILT_IN])
def test_the_loosest_speaks_wherever_a_trial_does_and_each_looser_one_too(name: str) -> None:
    """So where a looser one is silent, the next need not be asked."""
    params = registry.find(name).params_type()
    tried = [list(trials(setting, params, SCALES)) for setting in settings(name, params)]
    first = loosest(name, params, [trial for each in tried for trial in each])
    if first is None:
        assert name == "change-point"  # it learns, so it looks each time
        return
    present = registry.find(name)(params)
    views = list(
        synthetic_views(
            scopes=4,
            level_usd_per_hour=(3, 60),
            duration_s=16_000,
            every_s=60,
            events=EVENTS,
            last_forbidden=True,
            budget_ratio=0.5,
        )
    )
    spoke = 0
    for view in views:
        said = first.observe(view).severity != NONE
        spoke += int(said.sum())
        for each in tried:
            in_order = [trial.detector for trial in each if trial.looser]
            in_order += [present, *(trial.detector for trial in each if not trial.looser)]
            before = said
            for detector in in_order:
                says = detector.observe(view).severity != NONE
                assert not np.any(says & ~before), detector
                before = says
    assert spoke or name in ("leak", "ratio", "unit-cost")  # they compare whole days

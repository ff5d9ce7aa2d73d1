"""The estate of a game day: the same for a seed, and true to what the meter makes of its messages."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from stream.config import Config
from stream.demo.season import HOUR_MS
from stream.gameday.scenarios import SCENARIOS, load_test_left_on, runaway_autoscaler, wrong_unit
from stream.gameday.world import MONDAY_MS, Case, World
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node

WORLD = World(1, 40)


def metered(case: Case | None, start_ms: int, end_ms: int, folder: Path) -> dict[str, float]:
    """Dollars by service, as the meter prices what the sources send."""
    node = Node(Config(), Database(folder / "spend.db"))
    messages = list(WORLD.estate(case).messages(start_ms, end_ms, 60))
    node.usage([each.value for each in messages], [each.arrival_ms for each in messages])
    node.commit(end_ms)
    found = {one.scope: one.total_nusd / 1e9 for one in node.burn.figures()}
    node.database.close()
    return found


@pytest.mark.parametrize("scenario", [None, runaway_autoscaler, wrong_unit])
def test_the_truth_is_what_the_meter_finds(scenario, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    case = scenario(WORLD) if scenario else None
    start_ms = case.begin_ms // 60_000 * 60_000 if case else MONDAY_MS
    end_ms = start_ms + 10 * 60_000
    truth = WORLD.usd_by_service(case, start_ms, end_ms, 60).sum(axis=0)
    found = metered(case, start_ms, end_ms, tmp_path)
    for service, usd in zip(WORLD.services, truth.tolist(), strict=True):
        assert found[f"service={service.namespace}/{service.name}"] == pytest.approx(usd, rel=1e-6)


def test_it_is_the_same_for_a_seed_in_any_steps() -> None:
    again = World(1, 40)
    whole = WORLD.usd_by_service(None, MONDAY_MS, MONDAY_MS + HOUR_MS, 60)
    half = again.usd_by_service(None, MONDAY_MS + HOUR_MS // 2, MONDAY_MS + HOUR_MS, 60)
    assert np.array_equal(whole[30:], half)
    assert not np.array_equal(whole, World(2, 40).usd_by_service(None, MONDAY_MS, MONDAY_MS + HOUR_MS, 60))


@pytest.mark.parametrize("seed", range(1, 9))
def test_every_scenario_can_be_played_on_any_estate(seed: int) -> None:
    world = World(seed, 40)
    for scenario in SCENARIOS:
        case = scenario(world)
        assert MONDAY_MS < case.begin_ms <= case.until_ms <= case.play_ms, scenario.__name__
        assert case.services, scenario.__name__
        for effect in case.effects:
            assert len(effect.columns), scenario.__name__
        if case.deploy is not None:
            assert 0 <= case.begin_ms // 1000 - case.deploy.time_s <= 300


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS], ids=lambda each: each.__name__)
def test_every_scenario_changes_what_it_says_and_nothing_before_it(scenario) -> None:  # type: ignore[no-untyped-def]
    case = scenario(WORLD)
    before = slice(None, 0 if scenario is load_test_left_on else 10)
    start_ms = case.begin_ms - 10 * 60_000
    changed = WORLD.usd_by_service(case, start_ms, case.play_ms, 60)
    calm = WORLD.usd_by_service(None, start_ms, case.play_ms, 60)
    assert np.array_equal(changed[before], calm[before])
    differ = defaultdict(bool, enumerate((changed != calm).any(axis=0).tolist()))
    at_fault = {WORLD.services.index(service) for service in case.services}
    assert {number for number, does in differ.items() if does} <= at_fault
    assert any(differ.values()) or case.silent or case.repeated

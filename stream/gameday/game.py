"""A whole game: every scenario on every seed, and a quiet month; each job is a process of its own."""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from stream.gameday import rivals, score
from stream.gameday.play import played
from stream.gameday.scenarios import SCENARIOS
from stream.gameday.score import Outcome, Truth
from stream.gameday.world import DAY_MS, MONDAY_MS, Case, World

BURNLINE: Final = "burnline"
SERVICES: Final = 60
QUIET_SERVICES: Final = 200
QUIET: Final = "quiet month"
# A page is due within seconds: the truth is looked at in the same steps as burnline is fed.
_COARSE_S: Final = 60


class Game(msgspec.Struct):
    """What is to be played."""

    seeds: list[int]
    scenarios: list[str]
    services: int = SERVICES
    quiet_services: int = QUIET_SERVICES
    quiet_days: int = 30


def play(game: Game, told: Callable[[str, int, int], None]) -> list[Outcome]:
    """All outcomes, in order of seed, scenario and monitor. `told` hears of each job that is done, how many
    are, and of how many."""
    outcomes: list[Outcome] = []
    jobs = [(name, seed) for seed in game.seeds for name in game.scenarios]
    if game.quiet_days:
        jobs = [(QUIET, seed) for seed in game.seeds] + jobs  # the longest first
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        pending = {pool.submit(_play, game, name, seed): (name, seed) for name, seed in jobs}
        for done, job in enumerate(as_completed(pending), 1):
            name, seed = pending[job]
            outcomes += job.result()
            told(f"{name.replace('_', ' ')}, seed {seed}", done, len(jobs))
    order = [QUIET, *names()]
    return sorted(outcomes, key=lambda one: (one.seed, order.index(one.scenario)))


def names() -> list[str]:
    return [scenario.__name__ for scenario in SCENARIOS]


def _memory() -> str | None:
    """A commit waits for the disk, and here nothing need survive."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _play(game: Game, name: str, seed: int) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="burnline-gameday-", dir=_memory()) as folder:
        database = Path(folder) / "game.db"
        if name == QUIET:
            return _quiet(seed, game.quiet_services, game.quiet_days, database)
        world = World(seed, game.services)
        case = next(each for each in SCENARIOS if each.__name__ == name)(world)
        said = score.calls(played(world, case, database))
        return list(_outcomes(seed, name, world, case, said))


def _outcomes(seed: int, name: str, world: World, case: Case, said: list[score.Call]) -> Iterator[Outcome]:
    numbers = [world.services.index(service) for service in case.services]
    truth = _truth(world, case, case.step_s, case.play_ms)
    yield score.outcome(seed, name, BURNLINE, case, said, truth, numbers)
    patient = _truth(world, case, _COARSE_S, case.play_ms + rivals.PATIENCE_MS)
    rates = rivals.watched(world, case)
    for rival in rivals.RIVALS:
        found = rivals.calls(rival, world, rates)
        yield score.outcome(seed, name, rival.name, case, found, patient, numbers)


def _truth(world: World, case: Case, step_s: int, end_ms: int) -> Truth:
    end_ms = case.begin_ms + (end_ms - case.begin_ms) // (step_s * 1000) * step_s * 1000
    burn, normal = (
        world.usd_by_service(which, case.begin_ms, end_ms, step_s) * (3600 / step_s) for which in (case, None)
    )
    return Truth(step_s, burn, normal)


def _quiet(seed: int, services: int, days: int, database: Path) -> list[Outcome]:
    """A month in which nothing happens that anybody wants to hear of."""
    world = World(seed, services)
    case = Case("nothing", MONDAY_MS, MONDAY_MS, MONDAY_MS + days * DAY_MS, step_s=_COARSE_S)
    said = score.calls(played(world, case, database))
    empty = Truth(_COARSE_S, np.zeros((0, services)), np.zeros((0, services)))
    found = [score.outcome(seed, QUIET, BURNLINE, case, said, empty, [])]
    start_s = MONDAY_MS // 1000
    rates = rivals.watched(world, case)
    for rival in rivals.RIVALS:
        calls = [
            call
            for call in rivals.calls(rival, world, rates)
            if start_s <= call.time_s <= start_s + days * 86_400
        ]
        found.append(score.outcome(seed, QUIET, rival.name, case, calls, empty, []))
    return found

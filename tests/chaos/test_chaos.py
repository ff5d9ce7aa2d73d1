"""The short version of `make chaos`: one storm, and every planted bug."""

import asyncio
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.chaos import storm, trial
from tests.chaos.bugs import BUGS
from tests.chaos.cluster import Broker
from tests.chaos.plan import BURST
from tests.chaos.report import caught
from tests.chaos.storm import Weather
from tests.chaos.trial import Harm, Trial

# Each is three processes that mostly wait for a session to time out.
SIDE_BY_SIDE = 4


async def test_after_a_storm_every_row_is_what_the_input_says(broker: Broker, tmp_path: Path) -> None:
    weather = Weather(seed=7, ticks=70, kills=5, zombies=2, joins=1, network=2, bounces=(1,), burst=BURST)
    async with broker.proxy:
        done = await storm.run(weather, tmp_path, broker)
    assert not done.verdict.wrong, done.verdict.explain()
    assert done.harm == {"kill": 5, "zombie": 2, "join": 1, "network": 2, "bounce": 1}
    compared = done.verdict.compared
    assert min(compared[check] for check in ("counters", "watermark", "restarts", "alerts")) >= 2
    assert compared["dead letters"] > BURST and compared["windows"] > 10_000


def test_every_bug_finds_the_code_that_it_replaces() -> None:
    """Else a bug that can't be planted after a change elsewhere shows only as a process that never starts."""
    try:
        for bug in BUGS.values():
            bug.plant()
    finally:
        patch.stopall()


@pytest.mark.timeout(600)  # a dozen small pipelines
async def test_every_planted_bug_is_noticed_by_the_check_that_is_meant_for_it(
    broker: Broker, tmp_path: Path
) -> None:
    gate = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(harm: Harm) -> Trial:
        async with gate:
            return await trial.run(harm, tmp_path, broker)

    async with broker.proxy:
        # Without a bug the same harm leaves no trace.
        clean = Harm(crash_at="meter.after-state")
        sound, *trials = await asyncio.gather(*map(one, [clean, *map(trial.planted, BUGS)]))
    assert not sound.verdict.wrong, sound.verdict.explain()
    assert {done.harm.bug: done.caught_by for done in trials if not caught(done)} == {}

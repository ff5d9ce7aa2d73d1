"""How long it takes others to go on, at the default settings. Printed, never asserted: machines differ."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from tests.chaos.cluster import Broker, Pipeline
from tests.chaos.feed import Feeder, Progress
from tests.chaos.fleet import Fleet, Slot
from tests.chaos.plan import TICK_S, Plan

# As in burnline.yaml without a word about them.
DEFAULTS: Final = {"session_timeout_s": 6, "commit_every_s": 1.0}
_TICKS: Final = 300
_PACE_S: Final = 0.5
_LIMIT_S: Final = 120
_STEADY_S: Final = 5.0  # before each harm


@dataclass
class Times:
    """Seconds of each repetition, by what was measured."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        self.seconds.setdefault(what, []).append(round(seconds, 2))

    def rows(self) -> list[tuple[str, str]]:
        return [
            (what, f"{median(each):.1f} s ({min(each):.1f} to {max(each):.1f}, {len(each)} times)")
            for what, each in self.seconds.items()
        ]


async def run(directory: Path, broker: Broker, rounds: int, tell: Callable[[str], None]) -> Times:
    """Two meters and two workers under steady spend; one is killed, stopped, or all are started again."""
    times = Times()
    base_s = int(time.time()) // TICK_S * TICK_S - (_TICKS + 1) * TICK_S
    plan = Plan(1, base_s, _TICKS, partitions=2)
    async with (
        Pipeline(directory, broker.outer, broker.direct, plan.partitions, DEFAULTS) as pipeline,
        Progress(pipeline.config) as progress,
        Fleet(pipeline, 2, 2) as fleet,
    ):
        feeder = Feeder(pipeline, plan, progress)
        await feeder.history()
        feeding = asyncio.create_task(feeder.feed(_TICKS, _PACE_S))
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}")
            for command in ("meter", "worker"):
                await _one(times, fleet, progress, command, clean=False)
                await _one(times, fleet, progress, command, clean=True)
            await _all(times, fleet, progress)
        feeding.cancel()
        await asyncio.wait([feeding])
        await feeder.close()
    return times


async def _one(times: Times, fleet: Fleet, progress: Progress, command: str, *, clean: bool) -> None:
    """One of two goes, and the other takes over."""
    await asyncio.sleep(_STEADY_S)
    slot = fleet.of(command)[0]
    fleet.slots.remove(slot)
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    if clean:
        slot.process.ask()
        status = await slot.process.wait()
        assert status == 0, f"{command} ended with {status} on SIGTERM"
        times.add(f"{command}: clean stop on SIGTERM", time.monotonic() - began_s)
    else:
        slot.process.kill()
    await _fresh(progress, began_ms)
    how = "a clean stop" if clean else "kill -9"
    times.add(f"{command}: take-over after {how}", time.monotonic() - began_s)
    fleet.slots.append(Slot(command, fleet.start(command)))
    await asyncio.sleep(_STEADY_S)


async def _all(times: Times, fleet: Fleet, progress: Progress) -> None:
    """All stop cleanly and are started again at once."""
    slots, fleet.slots = fleet.slots, []
    for slot in slots:
        slot.process.ask()
    for slot in slots:
        await slot.process.wait()
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    fleet.slots = [Slot(slot.command, fleet.start(slot.command)) for slot in slots]
    await _fresh(progress, began_ms)
    times.add("restart of everything, from start to commits of all partitions", time.monotonic() - began_s)


async def _fresh(progress: Progress, since_ms: int) -> None:
    """Returns when every burn partition has committed what every meter partition sent since then."""
    async with asyncio.timeout(_LIMIT_S):
        while not all(
            source.sent_ms > since_ms
            for clock in progress.clocks.values()
            for source in clock.sources.values()
        ):
            await asyncio.sleep(0.02)

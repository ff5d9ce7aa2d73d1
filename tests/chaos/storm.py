"""One pipeline, two or three of each process, and everything at once for as long as the plan lasts."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stream.shell.kafka.runner import FAILED
from tests.chaos.cluster import SESSION_S, Broker, Pipeline
from tests.chaos.conclude import conclude
from tests.chaos.feed import Feeder, Progress
from tests.chaos.fleet import Fleet, Slot
from tests.chaos.plan import BURST_TICK, RUNAWAYS, TICK_S, Plan
from tests.chaos.verdict import Verdict

_SETTLE_S: Final = 120
NO_BROKER: Final = 2  # the exit status of whoever a person must help
_JOINED_S: Final = 4.0
_CALM_TICKS: Final = BURST_TICK + 5  # the burst is worked through before anything is harmed
# From the end of a runaway until its alert is resolved: 80 s that the score outlasts it, 60 s held clear.
_ALERT_TICKS: Final = 20
# Longer than a minute of silence, after which alerts leave a partition out of their clock.
LONG_S: Final = 70


@dataclass(frozen=True)
class Weather:
    """How much harm a storm does. `bounces` are how long the broker is away each time, in seconds."""

    seed: int
    ticks: int
    kills: int
    zombies: int
    joins: int
    network: int
    bounces: tuple[float, ...] = ()
    partitions: int = 2
    burst: int = 0
    pace_s: float = 0.1


@dataclass
class Storm:
    """What happened and what was left. `fenced` zombies ended by themselves, as they must; the others had
    nothing to write, and joined again."""

    weather: Weather
    verdict: Verdict = field(default_factory=Verdict)
    harm: Counter[str] = field(default_factory=Counter)
    rebalances: int = 0
    fenced: int = 0
    owned: Counter[str] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    seconds: float = 0.0


async def run(weather: Weather, directory: Path, broker: Broker) -> Storm:
    storm, started_s = Storm(weather), time.monotonic()
    base_s = int(time.time()) // TICK_S * TICK_S - (weather.ticks + 1) * TICK_S
    plan = Plan(weather.seed, base_s, weather.ticks, weather.partitions, burst=weather.burst)
    async with (
        Pipeline(directory, broker.outer, broker.direct, weather.partitions) as pipeline,
        Progress(pipeline.config) as progress,
        Fleet(pipeline, 2, 2) as fleet,
    ):
        feeder = Feeder(pipeline, plan, progress)
        await feeder.history()
        await feeder.feed(_CALM_TICKS)
        storm.verdict.add("restarts", 4, fleet.ends.unasked)
        harm = _Harm(storm, fleet, broker, feeder)
        feeding = asyncio.create_task(feeder.feed(weather.ticks, weather.pace_s))
        await harm.rage()
        await feeding
        await feeder.close()
        storm.accepted = await conclude(pipeline, progress, storm.verdict, _SETTLE_S)
        storm.rebalances = broker.rebalances(pipeline.config.kafka.group)
        storm.owned, storm.ends = pipeline.owned(), fleet.ends.by_status
    storm.seconds = time.monotonic() - started_s
    return storm


class _Harm:
    """Strikes in an order and at ticks that the seed decides; zombies and guests overlap with the rest."""

    def __init__(self, storm: Storm, fleet: Fleet, broker: Broker, feeder: Feeder) -> None:
        self._storm = storm
        self._fleet = fleet
        self._broker = broker
        self._feeder = feeder
        self._chance = random.Random(storm.weather.seed)
        self._behind: set[asyncio.Task[None]] = set()

    async def rage(self) -> None:
        weather = self._storm.weather
        kinds = ["kill"] * weather.kills + ["zombie"] * weather.zombies
        kinds += ["join"] * weather.joins + ["network"] * weather.network
        self._chance.shuffle(kinds)
        last = weather.ticks - 4
        schedule = [(self._chance.randrange(_CALM_TICKS, last), kind) for kind in kinds]
        schedule += [(self._quiet_tick(down_s), f"bounce {down_s}") for down_s in weather.bounces]
        for tick, kind in sorted(schedule):
            while self._feeder.tick < tick:
                await asyncio.sleep(0.02)
            await asyncio.sleep(self._chance.random() * 0.5)
            await self._strike(*kind.split())
        await asyncio.gather(*self._behind)

    def _quiet_tick(self, down_s: float) -> int:
        """For a long absence one at which no alert changes, since that outcome depends on its length."""
        ticks = range(_CALM_TICKS, self._storm.weather.ticks - 20)
        if down_s < LONG_S / 2:
            return self._chance.choice(ticks)
        loud = [range(first - 5, last + _ALERT_TICKS) for _, first, last in RUNAWAYS]
        return self._chance.choice([tick for tick in ticks if not any(tick in each for each in loud)])

    async def _strike(self, kind: str, how: str = "") -> None:
        match kind:
            case "kill":
                slot = await self._victim()
                slot.harmed = True
                slot.process.kill()
            case "zombie":
                slot = await self._victim()
                slot.harmed = True
                self._later(self._zombie(slot))
            case "join":
                self._later(self._guest(self._chance.choice(["meter", "worker"])))
            case "network":
                self._later(self._network())
            case "bounce":
                await self._broker.bounce(float(how))
        self._storm.harm[kind] += 1

    def _later(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._behind.add(task)

    async def _victim(self) -> Slot:
        """One that runs and owns something; the supervisor may first have to start it."""
        command = self._chance.choice(["meter", "worker"])
        while not (alive := self._fleet.of(command)):
            await asyncio.sleep(0.05)
        return self._chance.choice(alive)

    async def _zombie(self, slot: Slot) -> None:
        """Stopped for longer than its session, while others go on; then woken with all that it had."""
        zombie = slot.process
        zombie.freeze()
        await asyncio.sleep(SESSION_S + self._chance.uniform(1.0, 2.5))
        zombie.resume()
        for _ in range(100):
            if zombie.status is not None:
                break
            await asyncio.sleep(0.05)
        if zombie.status == FAILED:
            self._storm.fenced += 1
        elif zombie.status is None:
            slot.harmed = False
        elif zombie.status != NO_BROKER:  # it may be away just then
            self._storm.verdict.add("zombies", 0, [f"{zombie.log.name} ended with {zombie.status}"])

    async def _guest(self, command: str) -> None:
        """Another process joins for a while, and leaves as asked."""
        guest = self._fleet.start(command)
        await asyncio.sleep(self._chance.uniform(1.0, _JOINED_S))
        guest.ask()
        status = await guest.wait()
        self._storm.ends[status] += 1

    async def _network(self) -> None:
        proxy = self._broker.proxy
        match self._chance.randrange(3):
            case 0:
                proxy.cut()
            case 1:
                await proxy.slow(self._chance.uniform(0.05, 0.3), 2.0)
            case 2:
                await proxy.swallow(self._chance.uniform(0.5, 3.0))

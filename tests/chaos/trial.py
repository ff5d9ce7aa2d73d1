"""One small pipeline, one harm at a known point, one verdict: for every crash point and every planted bug."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream.shell.kafka import crash
from stream.shell.kafka.runner import FAILED
from tests.chaos.bugs import BUGS
from tests.chaos.cluster import Broker, Pipeline
from tests.chaos.conclude import conclude
from tests.chaos.feed import Feeder, Progress
from tests.chaos.fleet import Fleet, Slot
from tests.chaos.plan import TICK_S, Plan
from tests.chaos.proxy import KINDS, Trap
from tests.chaos.verdict import Verdict

FIRST, WHOLE = 24, 46  # ticks: the runaway of the first part fires in it and is resolved after it
_SETTLE_S: Final = 120
_STALLED_S: Final = 40  # with a planted bug, which may have stopped time for good
_HARM_LIMIT_S: Final = 40
COMMANDS: Final = {"meter": "meter", "burn": "worker", "alerts": "worker", "notify": "worker"}
POINTS: Final = (
    *(f"{stage}.{point}" for stage in ("meter", "burn", "alerts")
      for point in (*crash.OWN, *crash.COMMIT, *crash.REVOKE)),
    *(f"notify.{point}" for point in crash.NOTIFY),
)  # fmt: skip
FREEZES: Final = tuple(f"{stage}.{point}" for stage in ("meter", "burn") for point in crash.COMMIT[:-1])


@dataclass(frozen=True)
class Harm:
    """What happens in the middle of a trial; exactly one is set, or none (kill -9 of everything).

    `trap` is a request of Kafka's protocol, in `KINDS`, that a stage dies in: of it (`forward`) only the
    answer is lost, or it is lost as well.
    """

    crash_at: str = ""
    freeze_at: str = ""
    trap: tuple[str, str, bool] | None = None
    bug: str = ""

    def __str__(self) -> str:
        if self.trap:
            stage, kind, forward = self.trap
            return f"{stage} dies {'waiting for the answer to' if forward else 'sending'} {kind}"
        what = f"crash at {self.crash_at}" if self.crash_at else ""
        what = f"frozen at {self.freeze_at}" if self.freeze_at else what or "kill -9"
        return f"{self.bug}: {what}" if self.bug else what


TRAPS: Final = tuple(
    Harm(trap=(stage, kind, forward))
    for stage in ("meter", "burn", "alerts")
    for kind in KINDS
    for forward in (False, True)
)


@dataclass
class Trial:
    harm: Harm
    verdict: Verdict
    seconds: float

    @property
    def caught_by(self) -> list[str]:
        return sorted(self.verdict.wrong)


def planted(name: str) -> Harm:
    bug = BUGS[name]
    return Harm(crash_at=bug.crash_at, freeze_at=bug.freeze_at, bug=name)


async def run(harm: Harm, directory: Path, broker: Broker, seed: int = 1) -> Trial:
    """Play the harm and judge what is left."""
    started_s = time.monotonic()
    base_s = int(time.time()) // TICK_S * TICK_S - (WHOLE + 1) * TICK_S
    plan = Plan(seed, base_s, WHOLE, partitions=2)
    async with (
        Pipeline(directory, broker.outer, broker.direct, plan.partitions) as pipeline,
        Progress(pipeline.config) as progress,
        Fleet(pipeline, 1, 1, harm.bug) as fleet,
    ):
        feeder = Feeder(pipeline, plan, progress)
        async with asyncio.timeout(_SETTLE_S):  # else nothing works at all: see the logs
            await feeder.history()
            await feeder.feed(FIRST)
        feeding = asyncio.create_task(feeder.feed(WHOLE, pace_s=0.05))
        try:
            async with asyncio.timeout(_HARM_LIMIT_S):
                problem = await _strike(harm, fleet, pipeline, progress, broker)
        except TimeoutError:
            problem = f"the harm did not come in {_HARM_LIMIT_S} s"
        verdict = Verdict()
        verdict.add("harm", 1, [problem] if problem else [])
        settle_s = _STALLED_S if harm.bug else _SETTLE_S
        try:
            async with asyncio.timeout(settle_s):
                await feeding
        except TimeoutError:
            verdict.add("settled", 1, [f"time stood still for {settle_s} s"])
            settle_s = 5  # what has not come by now will not come
        await feeder.close()
        await conclude(pipeline, progress, verdict, settle_s)
        return Trial(harm, verdict, time.monotonic() - started_s)


async def _strike(harm: Harm, fleet: Fleet, pipeline: Pipeline, progress: Progress, broker: Broker) -> str:
    """Do the harm and wait until it has happened; returns what was wrong with it."""
    if harm.trap is not None:
        return await _spring(harm.trap, fleet, pipeline, broker)
    point = harm.crash_at or harm.freeze_at
    if not point:
        for slot in fleet.slots:
            slot.harmed = True
            slot.process.kill()
        return ""
    [slot] = fleet.of(COMMANDS[point.partition(".")[0]])
    if await fleet.replace(slot, crash_at=harm.crash_at, freeze_at=harm.freeze_at):
        return "the process before it did not end cleanly"
    victim = slot.process
    if harm.freeze_at:
        return await _thaw(slot, fleet, progress)
    if point.endswith("revoke"):
        while pipeline.owned_by(victim) == 0:
            await asyncio.sleep(0.1)
        # Another joins, so that it must give up what it has.
        fleet.slots.append(Slot(slot.command, fleet.start(slot.command)))
    status = await victim.wait()
    return "" if status == crash.STATUS else f"ended with {status} instead of dying at {point}"


async def _thaw(slot: Slot, fleet: Fleet, progress: Progress) -> str:
    """Wait until another owns what the frozen one had, and has committed; then let it go on."""
    zombie = slot.process
    await zombie.frozen()
    fleet.slots.append(Slot(slot.command, fleet.start(slot.command)))
    before = list(progress.evaluated_s)
    while not all(now > then for now, then in zip(progress.evaluated_s, before, strict=True)):
        await asyncio.sleep(0.1)
    slot.harmed = True
    zombie.resume()
    status = await zombie.wait()
    return "" if status == FAILED else f"the zombie ended with {status} instead of {FAILED}: not fenced"


async def _spring(trap: tuple[str, str, bool], fleet: Fleet, pipeline: Pipeline, broker: Broker) -> str:
    stage, kind, forward = trap
    [slot] = fleet.of(COMMANDS[stage])
    sprung = asyncio.Event()

    def kill() -> None:
        slot.harmed = True
        slot.process.kill()
        sprung.set()

    if kind == "InitProducerId":  # sent once, when it begins to own
        slot.harmed = True
        slot.process.ask()
        await slot.process.wait()
    prefix = f"{pipeline.config.kafka.group}-{stage}-"
    broker.proxy.traps.append(Trap(kind, prefix, forward=forward, sprung=kill))
    await sprung.wait()
    return ""

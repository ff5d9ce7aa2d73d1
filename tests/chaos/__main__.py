"""`python -m tests.chaos`: the long version of what `make test` does briefly."""

import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from tests.chaos import measure, storm, trial
from tests.chaos.bugs import BUGS
from tests.chaos.cluster import Broker
from tests.chaos.report import Report, caught
from tests.chaos.storm import Storm, Weather
from tests.chaos.trial import Harm, Trial

WRONG: Final = 1
_SIDE_BY_SIDE: Final = 3
_ROUNDS: Final = 3
TICKS: Final = 260

console = Console(stderr=True)


class Part(StrEnum):
    STORMS = "storms"
    POINTS = "points"
    BUGS = "bugs"
    MEASURE = "measure"


def weather(seed: int, kills: int, zombies: int, long_outage: bool) -> Weather:
    """One bounce of the broker a seed, some seconds long; once longer than any patience of burnline's."""
    chance = random.Random(seed)
    return Weather(
        seed=seed,
        ticks=TICKS,
        kills=kills,
        zombies=zombies,
        joins=8,
        network=6,
        bounces=(storm.LONG_S if long_outage else chance.uniform(2, 12),),
        partitions=3,
        burst=10_000,
        pace_s=0.2,
    )


def chaos(
    seeds: Annotated[int, typer.Option(min=1, help="How many storms; their seeds count from --first.")] = 10,
    first: Annotated[int, typer.Option(help="The first seed. The first storm has the long outage.")] = 1,
    kills: Annotated[int, typer.Option(help="kill -9 a storm.")] = 20,
    zombies: Annotated[int, typer.Option(help="Processes frozen beyond their session, a storm.")] = 5,
    only: Annotated[list[Part] | None, typer.Option(help="Do some of the parts.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report there, as JSON.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep logs and the broker's data there.")] = None,
) -> None:
    """Kill, freeze, cut and bounce real processes, then compare every row with the input. About half an hour.

    Example: make chaos ARGS="--seeds 2 --only storms --json chaos.json"
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the harness's own clients see every outage
    directory = keep or Path(tempfile.mkdtemp(prefix="burnline-chaos-"))
    report = asyncio.run(_run(directory, set(only or Part), range(first, first + seeds), kills, zombies))
    report.show(Console())
    if json is not None:
        report.write(json)
    if report.wrong:
        console.print(f"The logs are in {directory}.")
        sys.exit(WRONG)
    if keep is None:
        shutil.rmtree(directory)


async def _run(directory: Path, parts: set[Part], seeds: range, kills: int, zombies: int) -> Report:
    report = Report()
    async with Broker(directory / "kafka") as broker:
        if Part.BUGS in parts:
            harms = [trial.planted(name) for name in BUGS]
            report.bugs = await _trials(harms, directory, broker)
        if Part.STORMS in parts:
            for seed in seeds:
                told = weather(seed, kills, zombies, long_outage=seed == seeds[0])
                report.storms.append(await storm.run(told, directory, broker))
                _tell_storm(report.storms[-1])
        if Part.POINTS in parts:
            harms = [Harm(crash_at=point) for point in trial.POINTS]
            harms += [*trial.TRAPS, *(Harm(freeze_at=point) for point in trial.FREEZES)]
            report.points = await _trials(harms, directory, broker)
        if Part.MEASURE in parts:
            report.times = await measure.run(directory, broker, _ROUNDS, _say)
        report.mid_frame_cuts = broker.proxy.harm["mid-frame"]
    return report


async def _trials(harms: list[Harm], directory: Path, broker: Broker) -> list[Trial]:
    gate = asyncio.Semaphore(_SIDE_BY_SIDE)
    done: list[Trial] = []

    async def one(harm: Harm) -> Trial:
        async with gate:
            found = await trial.run(harm, directory, broker)
        done.append(found)
        outcome = ", ".join(found.caught_by) or "exact"
        if harm.bug:
            outcome = f"caught by {outcome}" if caught(found) else f"[red]not caught[/red] ({outcome})"
        if found.verdict.wrong and not harm.bug:
            _say(found.verdict.explain())
        _say(f"{len(done)} of {len(harms)}  {harm}: {outcome} ({found.seconds:.0f} s)")
        return found

    return list(await asyncio.gather(*(one(harm) for harm in harms)))


def _tell_storm(done: Storm) -> None:
    harm = ", ".join(f"{count} {kind}" for kind, count in sorted(done.harm.items()))
    _say(
        f"seed {done.weather.seed}: {harm}; {done.rebalances} rebalances, {done.fenced} fenced; "
        f"{done.accepted:,} estimates, {done.verdict.rows} wrong rows ({done.seconds:.0f} s)"
    )
    if done.verdict.wrong:
        _say(done.verdict.explain())


def _say(what: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')}  {what}", highlight=False)


if __name__ == "__main__":
    typer.run(chaos)

"""How cost, memory and waiting grow with partitions and scopes."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.scale import partitions, stage, visible, worker
from bench.scale.figures import MIB, Figure, find
from stream.shell.kafka.logs import quiet_libraries
from tests.chaos import measure
from tests.chaos.cluster import Broker
from tests.services import KafkaServer

_LIMITS_S: Final = {"take-over after kill -9": 8.0, "take-over after a clean stop": 3.0}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. `workers` are scopes; `commands` come up with the fewer, a worker with both."""

    scopes: tuple[int, ...]
    partitions: tuple[int, ...]
    estimates: int
    rounds: int
    workers: tuple[int, int]
    commands: tuple[str, ...]
    busy_s: int
    samples: int
    per_second: int
    take_overs: int


WHOLE: Final = Size(
    scopes=(100, 1_000, 10_000, 50_000),
    partitions=(1, 2, 4, 8, 16),
    estimates=500_000,
    rounds=2,
    workers=(10_000, 50_000),
    commands=("worker", "serve", "run"),
    busy_s=20,
    samples=60,
    per_second=200_000,
    take_overs=2,
)
# It shows that everything works; what it measures is mostly the start.
QUICK: Final = Size(
    scopes=(100,),
    partitions=(1, 2),
    estimates=5_000,
    rounds=1,
    workers=(100, 200),
    commands=("worker",),
    busy_s=3,
    samples=3,
    per_second=2_000,
    take_overs=0,
)


def run(size: Size, told: Callable[[str], None]) -> list[Figure]:
    """Everything, one after another."""
    quiet_libraries()
    found = list(stage.figures(size.scopes, told))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = size.workers
        with KafkaServer(folder / "kafka") as server:
            broker = server.bootstrap
            found += partitions.figures(broker, size.partitions, size.estimates, size.rounds, told)
            found += visible.figures(folder / "visible", broker, size.samples, size.per_second, told)
            found += worker.figures(server, few, size.busy_s, size.commands, told)
            found += worker.figures(server, many, size.busy_s, ("worker",), told)
        found += _further(found, few, many)
        if size.take_overs:
            found += asyncio.run(_take_overs(folder / "take-over", size.take_overs, told))
    return found


def _further(found: list[Figure], few: int, many: int) -> Iterator[Figure]:
    """What one more scope takes."""
    names = (f"{few:,} scopes", f"{many:,} scopes")
    low, high = (find(found, "worker: memory, peak", name) * MIB for name in names)
    each = (high - low) / (many - few) / 1024
    yield Figure("worker: memory of one scope more", f"{few:,} to {many:,} scopes", each, "KiB", 24.0)


async def _take_overs(folder: Path, rounds: int, told: Callable[[str], None]) -> list[Figure]:
    async with Broker(folder / "kafka") as broker:
        times = await measure.run(folder, broker, rounds, lambda what: told(f"take-overs, {what}"))
    return [
        Figure(what, "median", median(each), "s", _LIMITS_S.get(what.partition(": ")[2]))
        for what, each in times.seconds.items()
    ]

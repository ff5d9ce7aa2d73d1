"""The meter over more and more partitions: what a million estimates cost."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

from bench import process
from bench.contest import Contender, Spread, fault
from bench.kafka.preload import delete, preload
from bench.process import Failed, Task
from bench.scale.figures import Figure
from bench.workload import BUCKET_MS, PER_BUCKET, Variant, generate
from stream.config import Kafka

_METER: Final = Contender("meter", "single messages")


def figures(
    bootstrap: str, partitions: tuple[int, ...], estimates: int, rounds: int, told: Callable[[str], None]
) -> Iterator[Figure]:
    """Each number of partitions in turn, in several rounds."""
    start_ms = time.time_ns() // 1_000_000 // BUCKET_MS * BUCKET_MS - estimates // PER_BUCKET * BUCKET_MS
    told("generating")
    work = generate(Variant.SINGLE, estimates, start_ms)
    spent_s: dict[int, list[float]] = {count: [] for count in partitions}
    for number in range(rounds):
        for count in partitions:
            told(f"meter, {count} partitions, round {number + 1} of {rounds}")
            prefix = f"p{count}-r{number}-"
            kafka = Kafka(bootstrap=bootstrap, topic_prefix=prefix, group=prefix, usage_partitions=count)
            asyncio.run(preload(kafka, work))
            task = Task("", "", 0, bootstrap, prefix, len(work.values), partitions=count)
            measured = process.run("bench.kafka.meter", task)
            if wrong := fault(_METER, measured, work.oracle):
                raise Failed(f"the meter on {count} partitions {wrong}")
            spent_s[count].append(measured.cpu_s / measured.counted * 1e6)
            asyncio.run(delete(kafka))
    for count, each in spent_s.items():
        name = f"{count} partition{'s' if count > 1 else ''}"
        yield Figure("meter: CPU a million estimates", name, Spread.of(each).median, "s")

"""The plain Faust agent: what the job looks like as Faust's documentation would have it.

Records of a declared type, one event at a time, two tables of sums by (name, 10 s), in memory with a
changelog on Kafka. Money is in integer nano-dollars here too.
"""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import faust
import msgspec

from bench.process import Starter, Task, leave
from stream.schema.topics import USAGE

BUCKET_MS = 10_000


class Usage(faust.Record, serializer="json"):  # type: ignore[call-arg]
    start: int
    end: int
    driver: str
    quantity: float
    cost_usd: str
    labels: dict[str, str]


def build(task: Task) -> Any:
    app = faust.App(
        task.prefix,
        broker=f"kafka://{task.bootstrap}",
        store="memory://",
        datadir=task.folder,
        topic_partitions=4,
        topic_disable_leader=True,
        producer_linger=0.05,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    usage = app.topic(task.prefix + USAGE, value_type=Usage)
    services = app.Table("services", default=int)
    teams = app.Table("teams", default=int)
    count = seen = 0

    @app.agent(usage)
    async def add_up(stream: Any) -> None:
        nonlocal count, seen
        async for one in stream:
            seen += 1
            if seen > task.drop:
                count += 1
                bucket = one.start // BUCKET_MS
                cost_nusd = round(float(one.cost_usd) * 1e9)
                services[f"{one.labels['namespace']}/{one.labels['service']}", bucket] += cost_nusd
                teams[one.labels["team"], bucket] += cost_nusd
            if seen == task.messages:
                _finish(count, services, teams)

    starter = Starter(lambda: seen)

    def _finish(count: int, services: Any, teams: Any) -> None:
        scopes: Counter[str] = Counter()
        measured = starter.stopwatch.stop(count)
        for kind, table in (("service", services), ("team", teams)):
            for (name, _), cost_nusd in table.items():
                scopes[f"{kind}={name}"] += cost_nusd
        measured.scopes_nusd = dict(scopes)
        leave(measured)
        os._exit(0)

    return app


if __name__ == "__main__":
    task = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Task)
    worker: Any = faust.Worker(build(task), loglevel="error", quiet=True)
    worker.execute_from_commandline()

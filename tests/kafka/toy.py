"""A toy pipeline on the real shell: money per key, in nano-dollars, through two stages.

`usage` -> meter (batches, aiokafka) -> `spend` -> burn (Faust agent). Each keeps totals per key in its
state topic, so that a fresh reader can compare them with what was sent.
"""

import json
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiokafka import TopicPartition

from stream.config import Config, Kafka
from stream.errors import UserError
from stream.schema import topics
from stream.shell.kafka import partition, runner
from stream.shell.kafka.agents import AgentService, build_app
from stream.shell.kafka.partition import Hooks, Kind
from stream.shell.kafka.service import StageService
from stream.shell.kafka.transactions import PartitionWriter
from stream.stage import Batch, Commit, Output, StateRow
from tests.services.forked import Forked


def record(key: str, cost_nusd: int, count: int = 1) -> bytes:
    return json.dumps([key, cost_nusd, count]).encode()


class Toy:
    """Adds up money and a count per key; hands on what each commit added."""

    def __init__(self, target: str | None = None) -> None:
        self.cost_nusd: Counter[str] = Counter()
        self.count: Counter[str] = Counter()
        self._added_nusd: Counter[str] = Counter()
        self._added: Counter[str] = Counter()
        self._positions: dict[tuple[str, int], int] = {}
        self._target = target

    def restore(self, rows: Iterable[StateRow]) -> None:
        for row in rows:
            assert row.value is not None
            key, self.cost_nusd[key], self.count[key] = json.loads(row.value)

    def take(self, batch: Batch) -> None:
        for value in batch.values:
            key, cost_nusd, count = json.loads(value)
            self.cost_nusd[key] += cost_nusd
            self.count[key] += count
            self._added_nusd[key] += cost_nusd
            self._added[key] += count
        self._positions[batch.topic, batch.partition] = batch.next_offset

    def commit(self, now_ms: int) -> Commit:
        commit = Commit(positions=self._positions)
        for key, count in self._added.items():
            if self._target is not None:
                added = record(key, self._added_nusd[key], count)
                commit.outputs.append(Output(self._target, key.encode(), added))
            row = record(key, self.cost_nusd[key], self.count[key])
            commit.state.append(StateRow(key.encode(), row))
        self._added_nusd, self._added, self._positions = Counter(), Counter(), {}
        return commit


METER = Kind("meter", (topics.USAGE,), topics.METER_STATE, lambda _: Toy(topics.SPEND))
BURN = Kind("burn", (topics.SPEND,), topics.WINDOWS, lambda _: Toy())


class OffsetsApart(PartitionWriter):
    """A planted bug: offsets are committed in a transaction of their own, after the rest."""

    async def _write(self, commit: Commit) -> None:
        await super()._write(Commit(commit.outputs, commit.state))
        await super()._write(Commit(positions=commit.positions))


class Freezing(PartitionWriter):
    """Stops its whole process (SIGSTOP) in the middle of its first transaction, once."""

    async def _passed(self, point: str) -> None:
        if point == "after-offsets" and self._stage == "meter" and not Freezing.frozen:
            Freezing.frozen = True
            await self._producer.flush()
            os.kill(os.getpid(), signal.SIGSTOP)

    frozen = False


WRITERS = {"": PartitionWriter, "planted bug": OffsetsApart, "freezing": Freezing}


def build(kafka: Kafka) -> Any:
    """Both stages in one Faust app."""
    app = build_app(kafka)
    hooks = Hooks()
    AgentService(app, kafka, BURN, hooks)
    app.service(StageService(kafka, METER, hooks))
    return app


def _main(kafka: Kafka, log: Path, crash_at: str, writer: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s", force=True)
    os.environ["BURNLINE_CRASH_AT"] = crash_at
    patch.object(partition, "PartitionWriter", WRITERS[writer]).start()
    try:
        runner.run(Config(kafka=kafka), lambda: build(kafka))
    except UserError as error:
        print(f"burnline: {error}", flush=True)
        sys.exit(2)


class Worker(Forked):
    """A process with both stages."""

    def __init__(self, kafka: Kafka, log: Path, crash_at: str = "", writer: str = "") -> None:
        super().__init__(_main, kafka, log, crash_at, writer)


def source(kafka: Kafka, topic: str, number: int) -> TopicPartition:
    return TopicPartition(kafka.topic_prefix + topic, number)

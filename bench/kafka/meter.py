"""`burnline meter`: the same service, with its transactions, until all of `usage` is committed."""

import os
import signal
from dataclasses import replace

from bench.process import Measured, Starter, Task, contend
from stream.config import Config, Kafka
from stream.meter import price
from stream.meter.stage import Meter
from stream.schema.topics import USAGE
from stream.shell.garbage import collect_rarely
from stream.shell.kafka import process, runner
from stream.shell.kafka.meter import MeterService
from stream.shell.kafka.partition import Hooks
from stream.stage import Batch, Commit, Stage


class Lossy(Meter):
    """A planted loss: leaves out the first `drop` messages that it is given."""

    drop = 0

    def take(self, batch: Batch) -> None:
        dropped = Lossy.drop
        Lossy.drop = 0
        super().take(replace(batch, values=[b"[]"] * dropped + list(batch.values[dropped:])))


def measure(task: Task) -> Measured:
    collect_rarely()  # as the command does
    config = Config(
        kafka=Kafka(
            bootstrap=task.bootstrap, topic_prefix=task.prefix, group=task.prefix,
            usage_partitions=task.partitions,
        )
    )  # fmt: skip
    hooks, positions = Hooks(), dict[tuple[str, int], int]()
    found: list[Measured] = []

    def counted() -> int:
        stages = hooks.stages["meter"]().values() if hooks.stages else ()
        return sum(stage.counters.sent_events for stage in stages if isinstance(stage, Meter))

    def committed(stage: Stage, commit: Commit, took_s: float) -> None:
        positions.update(commit.positions)
        # By position, not by count: a loss must not keep it from ending.
        if (
            not found
            and sum(position for (topic, _), position in positions.items() if topic == USAGE) >= task.messages
        ):
            found.append(starter.stopwatch.stop(counted()))
            os.kill(os.getpid(), signal.SIGTERM)

    hooks.on_commit.append(committed)
    kind = process.meter_kind(config)
    if task.drop:
        Lossy.drop = task.drop
        prices = price.load(None)
        kind = replace(kind, make=lambda number: Lossy(number, config, config.kafka.spend_partitions, prices))
    starter = Starter(counted)
    runner.run(config, lambda: MeterService(config.kafka, kind, hooks))
    return found[0]


if __name__ == "__main__":
    contend(measure)

"""The limit of a Python reader: `getmany`, and nothing done with what it gives."""

import asyncio
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer

from bench.process import Measured, Starter, Task, contend
from stream.schema.topics import USAGE
from stream.shell.garbage import collect_rarely


def measure(task: Task) -> Measured:
    collect_rarely()  # as the meter does
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(read(task))


async def read(task: Task) -> Measured:
    count = 0
    # As the meter's own consumer, without its group.
    consumer: Any = AIOKafkaConsumer(
        task.prefix + USAGE,
        bootstrap_servers=task.bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    starter = Starter(lambda: count)
    await consumer.start()
    while count < task.messages:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            count += len(records)
    measured = starter.stopwatch.stop(count - task.drop)
    await consumer.stop()
    return measured


if __name__ == "__main__":
    contend(measure)

"""The same read with Python's collection of cycles as it comes: what a program that tunes nothing gets."""

import asyncio

import uvloop

from bench.kafka.raw import read
from bench.process import Measured, Task, contend


def measure(task: Task) -> Measured:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(read(task))


if __name__ == "__main__":
    contend(measure)

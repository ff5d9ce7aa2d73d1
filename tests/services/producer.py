"""A collector as a process of its own, to be killed: it meters one service at $360 an hour.

    python -m tests.services.producer SOURCE http://127.0.0.1:9106/v1/usage
    python -m tests.services.producer SOURCE kafka:127.0.0.1:9092/usage

Its first messages tell of the last hour, 5 minutes at a time; then it goes on with what the clock says.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from aiokafka import AIOKafkaProducer

EVERY_S = 0.4
USD_PER_MS = 360 / 3_600_000
TOLD_MS = 3_600_000
STEP_MS = 300_000  # each ends a window of 5 minutes, so that its rate is known after the second


@contextmanager
def producing(source: str, to: str, epoch_ms: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Runs one while the block does; it takes `epoch_ms` for the time at which it starts."""
    command = [sys.executable, "-m", "tests.services.producer", source, to]
    command += [] if epoch_ms is None else [str(epoch_ms)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def messages(source: str, epoch: int) -> Iterator[bytes]:
    end_ms = epoch - TOLD_MS
    for seq in range(sys.maxsize):
        start_ms, end_ms = end_ms, min(end_ms + STEP_MS, time.time_ns() // 1_000_000)
        estimate = {
            "start": start_ms, "end": end_ms, "driver": "pod_hours",
            "cost_usd": f"{(end_ms - start_ms) * USD_PER_MS:.9f}",
            "labels": {"team": "pay", "namespace": "shop", "service": source},
        }  # fmt: skip
        yield json.dumps({"source": source, "epoch": epoch, "seq": seq, "estimates": [estimate]}).encode()


def by_http(source: str, epoch: int, url: str) -> None:
    for value in messages(source, epoch):
        urlopen(Request(url, data=value, headers={"Content-Type": "application/json"}), timeout=30).close()
        time.sleep(EVERY_S)


async def to_kafka(source: str, epoch: int, bootstrap: str, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for value in messages(source, epoch):
            await producer.send_and_wait(topic, value, source.encode())
            await asyncio.sleep(EVERY_S)


if __name__ == "__main__":
    name, place, *given = sys.argv[1:]
    epoch_ms = int(given[0]) if given else time.time_ns() // 1_000_000
    if place.startswith("kafka:"):
        address, _, of_usage = place.removeprefix("kafka:").partition("/")
        asyncio.run(to_kafka(name, epoch_ms, address, of_usage))
    else:
        by_http(name, epoch_ms, place)

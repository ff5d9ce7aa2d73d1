"""`burnline worker`, `serve` and `run` with many scopes and full rings: restore, memory, state writes."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from bench.scale.estate import Estate, filled, settings
from bench.scale.figures import MIB, Figure
from bench.scale.processes import Process
from stream.burn.stage import Burn
from stream.config import Config
from stream.schema import topics as names
from stream.shell.embedded.database import Database
from stream.shell.kafka import topics
from stream.stage import Commit
from tests.services import KafkaServer

_PARTITIONS: Final = 4
_STEADY_S: Final = 10  # after the restore, before what is steady is measured
_BATCH_BYTES: Final = 512 * 1024
_ASKED_AT: Final = 10_000  # scopes for which limits were asked
_WAYS: Final = {
    "worker": "burn owns partitions [",
    "serve": "console  http",
    "run": "console  http",
}


def figures(
    server: KafkaServer, scopes: int, seconds: int, commands: tuple[str, ...], told: Callable[[str], None]
) -> Iterator[Figure]:
    """`commands` come up one after another on the same state; the worker then has every scope spend every
    second for so long."""
    size = f"{scopes:,} scopes"
    asked = scopes == _ASKED_AT
    prefix = f"w{scopes}-"
    logs = [server.directory / "data" / f"{prefix}{names.WINDOWS}-{number}" for number in range(_PARTITIONS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kafka = {
            "bootstrap": server.bootstrap, "topic_prefix": prefix, "group": prefix,
            "usage_partitions": 1, "spend_partitions": _PARTITIONS,
        }  # fmt: skip
        document = {"kafka": kafka, **settings(scopes), "embedded": {"database": str(folder / "spend.db")}}
        config = Config.model_validate(document)
        estates = [Estate(scopes, number, _PARTITIONS) for number in range(_PARTITIONS)]
        end_s = int(time.time()) // 3600 * 3600
        told(f"{size}: filling windows")
        asyncio.run(_preload(config, estates, end_s))
        if "run" in commands:
            _database(config, Estate(scopes), folder / "spend.db", end_s)
        for command in commands:
            told(f"{size}: burnline {command}")
            process = Process(folder, command, document, _WAYS[command])
            began_s = time.monotonic()
            with process:
                took_s = time.monotonic() - began_s
                yield Figure(f"{command}: start and restore", size, took_s, "s", 10.0 if asked else None)
                yield Figure(f"{command}: CPU of start and restore", size, process.cpu_s(), "s")
                if command == "worker":
                    yield from asyncio.run(_busy(config, estates, end_s, seconds, process, logs, size))
                else:
                    time.sleep(_STEADY_S)
                peak_bytes, held_bytes = process.memory_bytes("VmHWM"), process.memory_bytes("VmRSS")
                limit = 512.0 if asked and command != "serve" else None
                yield Figure(f"{command}: memory, peak", size, peak_bytes / MIB, "MiB", limit)
                yield Figure(f"{command}: memory", size, held_bytes / MIB, "MiB")


def _state(config: Config, estate: Estate, partition: int, partitions: int, end_s: int) -> Commit:
    burn = Burn(partition, config, partitions, 1)
    filled(estate, burn, end_s, written=True)
    return burn.commit(0)


async def _preload(config: Config, estates: list[Estate], end_s: int) -> None:
    await topics.create(config.kafka)
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap, max_batch_size=_BATCH_BYTES, linger_ms=5
    )
    await producer.start()
    for partition, estate in enumerate(estates):
        rows = _state(config, estate, partition, len(estates), end_s).state
        topic = topics.full_name(config.kafka, names.WINDOWS)
        sent = [await producer.send(topic, row.value, row.key, partition) for row in rows]
        await asyncio.gather(*sent)
    await producer.stop()


def _database(config: Config, estate: Estate, path: Path, end_s: int) -> None:
    """What `burnline run` left in its file."""
    database = Database(path)
    database.write_state("burn", _state(config, estate, 0, 1, end_s).state)
    database.commit()
    database.close()


async def _busy(
    config: Config,
    estates: list[Estate],
    end_s: int,
    seconds: int,
    worker: Process,
    logs: list[Path],
    size: str,
) -> list[Figure]:
    """Every component of every scope spends something every second. Sizes are those of the log files, with
    Kafka's overhead and before compaction."""
    producer: Any = AIOKafkaProducer(bootstrap_servers=config.kafka.bootstrap, max_request_size=2**23)
    await producer.start()
    sizes, cpu_s = [], []
    began_s = time.monotonic()
    for second in range(seconds):
        at_s = end_s + second
        for partition, estate in enumerate(estates):
            value = await asyncio.to_thread(estate.record, at_s // 10, at_s, 0.1)
            topic = topics.full_name(config.kafka, names.SPEND)
            await producer.send_and_wait(topic, value, partition=partition)
        sizes.append(_log_bytes(logs))
        cpu_s.append(worker.cpu_s())
        await asyncio.sleep(max(0.0, began_s + second + 1 - time.monotonic()))
    await producer.stop()
    first = min(10, seconds // 2)
    took = [later - earlier for earlier, later in pairwise(cpu_s[first:])]
    written = (sizes[-1] - sizes[first]) / len(took)
    limit = 1.0 if size == f"{_ASKED_AT:,} scopes" else None
    return [
        Figure("worker: state written a second, all scopes busy", size, written / 1e6, "MB", limit),
        Figure("worker: CPU a second, all scopes busy", size, sum(took) / len(took), "s"),
    ]


def _log_bytes(logs: list[Path]) -> int:
    return sum(file.stat().st_size for log in logs for file in log.glob("*.log"))

"""Fills a `usage` topic, keyed, batch by batch: each batch is built here and sent as it is."""

import asyncio
import zlib
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.workload import Workload
from stream.config import Kafka
from stream.schema.topics import USAGE
from stream.shell.kafka import topics

_BATCH_BYTES: Final = 512 * 1024


async def preload(kafka: Kafka, work: Workload) -> None:
    """Make all of burnline's topics under the prefix, and `usage` full."""
    name = topics.full_name(kafka, USAGE)
    await topics.create(kafka)
    columns: list[list[int]] = [[] for _ in range(kafka.usage_partitions)]
    for index, key in enumerate(work.keys):
        columns[zlib.crc32(key) % len(columns)].append(index)
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, max_batch_size=_BATCH_BYTES)
    await producer.start()
    for partition, indices in enumerate(columns):
        await _fill(producer, name, partition, work, indices)
    await producer.stop()


async def _fill(producer: Any, topic: str, partition: int, work: Workload, indices: list[int]) -> None:
    sent = []
    batch = producer.create_batch()
    for index in indices:
        key, value, timestamp_ms = work.keys[index], work.values[index], work.arrived_ms[index]
        if batch.append(key=key, value=value, timestamp=timestamp_ms) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=timestamp_ms)
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)


async def make_changelogs(kafka: Kafka, app: str, tables: Iterable[str]) -> None:
    """The topics behind an agent's tables. If Faust makes them itself when it starts, the new topics can
    set off a rebalance in the middle, over which it loses and repeats records."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics(
        [NewTopic(f"{app}-{table}-changelog", kafka.usage_partitions, 1) for table in tables]
    )
    await admin.close()


async def delete(kafka: Kafka) -> None:
    """All topics under the prefix: a run's data is of no use to the next."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    mine = [name for name in await admin.list_topics() if name.startswith(kafka.topic_prefix)]
    await admin.delete_topics(mine)
    await admin.close()

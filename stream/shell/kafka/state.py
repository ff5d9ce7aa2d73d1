"""What a stage resumes from: its state rows and its positions, both read committed.

Only to be read after the fence: before it, a commit of the former owner may still be under way, and
the offset that the broker then shows is the older one.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.config import Kafka
from stream.shell.kafka.security import client_arguments, explained
from stream.stage import StateRow

_log = logging.getLogger(__name__)


@asynccontextmanager
async def committed_reader(kafka: Kafka, group: str | None = None) -> AsyncIterator[Any]:
    """A consumer of committed data that joins no group; `group` says whose offsets it can look up."""
    consumer = AIOKafkaConsumer(
        **client_arguments(kafka),
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        with explained(kafka):
            await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def history(consumer: Any, source: TopicPartition) -> AsyncIterator[Any]:
    """Every record of a partition up to its end now. The consumer then stands at that end."""
    consumer.assign([source])
    end = (await consumer.end_offsets([source]))[source]
    await consumer.seek_to_beginning(source)
    # Not "==": the position also passes control records and aborted batches.
    while await consumer.position(source) < end:
        for records in (await consumer.getmany(source, timeout_ms=1000)).values():
            for record in records:
                yield record


async def restore(consumer: Any, state: TopicPartition) -> Iterator[StateRow]:
    """The latest row of every key of a partition up to its end now, without those deleted."""
    return drained({record.key: record.value async for record in history(consumer, state)})


def drained(latest: dict[bytes, bytes | None]) -> Iterator[StateRow]:
    """The rows that are not deleted; each is let go as it is taken, so that state is not held twice."""
    while latest:
        key, value = latest.popitem()
        if value is not None:
            yield StateRow(key, value)


async def resume(
    consumer: Any, state: TopicPartition, sources: Iterable[TopicPartition]
) -> tuple[Iterator[StateRow], dict[TopicPartition, int]]:
    """The state rows, then the position in each source: the committed offset, or the start of the log.

    Where retention has removed records that were never read, they are lost, and that is logged.
    """
    # Asked first: while a fetch is under way, the broker answers nothing else for half a second.
    starts = await consumer.beginning_offsets(list(sources))
    rows = await restore(consumer, state)
    positions: dict[TopicPartition, int] = {}
    for source, start in starts.items():
        committed = await consumer.committed(source)
        if committed is not None and committed < start:
            _log.error(
                "%s[%d]: retention removed %d records before they were read: spend is missing",
                source.topic,
                source.partition,
                start - committed,
            )
        positions[source] = max(start, committed or 0)
    return rows, positions

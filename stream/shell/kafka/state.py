"""What a stage resumes from: its state rows and its positions, both read committed.

Only to be read after the fence: before it, a commit of the former owner may still be under way, and
the offset that the broker then shows is the older one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from stream.config import Kafka
from stream.shell.kafka.security import client_arguments, explained
from stream.shell.kafka.topics import admin_client
from stream.stage import StateRow

# A coordinator reads its part of the offsets in seconds; what takes longer is for a supervisor to try again.
_LOADING_LIMIT_S: Final = 60.0
_ASK_AGAIN_S: Final = 0.1

_log = logging.getLogger(__name__)


@asynccontextmanager
async def committed_reader(kafka: Kafka) -> AsyncIterator[Any]:
    """A consumer of committed data that joins no group."""
    consumer = AIOKafkaConsumer(
        **client_arguments(kafka),
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


async def committed(
    kafka: Kafka, group: str, sources: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata | None]:
    """The group's offset in each source, with what was noted beside it; None where it has none.

    Not asked of a consumer: while a coordinator loads, after a broker's start, it refuses the question as a
    whole, and aiokafka's consumer takes that for "no offset"; the whole log would be counted once more. In
    the admin client's answer a partition without an offset is there, with -1, and a refused one is not.
    """
    async with admin_client(kafka) as admin, asyncio.timeout(_LOADING_LIMIT_S):
        while True:
            try:
                answer = await admin.list_consumer_group_offsets(group, partitions=list(sources))
            except KafkaError as error:
                if not error.retriable:
                    raise
                answer = {}
            if all(source in answer for source in sources):
                return {source: answer[source] if answer[source].offset >= 0 else None for source in sources}
            await asyncio.sleep(_ASK_AGAIN_S)


async def resume(
    kafka: Kafka, group: str, state: TopicPartition, sources: Sequence[TopicPartition]
) -> tuple[Iterator[StateRow], dict[TopicPartition, int]]:
    """The state rows, then the position in each source: the committed offset, or the start of the log.

    Where retention has removed records that were never read, they are lost, and that is logged.
    """
    async with committed_reader(kafka) as consumer:
        # Asked first: while a fetch is under way, the broker answers nothing else for half a second.
        starts = await consumer.beginning_offsets(list(sources))
        rows = await restore(consumer, state)
    positions: dict[TopicPartition, int] = {}
    for source, found in (await committed(kafka, group, sources)).items():
        start, offset = starts[source], 0 if found is None else found.offset
        if found is not None and offset < start:
            _log.error(
                "%s[%d]: retention removed %d records before they were read: spend is missing",
                source.topic,
                source.partition,
                start - offset,
            )
        positions[source] = max(start, offset)
    return rows, positions

"""Keeping a replica up to date: restored from the state topics, then fed as the stages are.

It reads committed data without a consumer group and commits nothing, so any number may run and none is
seen by the stages.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from mode import Service

from stream.burn.stage import Burn
from stream.config import Kafka
from stream.schema import topics, windows
from stream.shell.kafka.partition import now_ms
from stream.shell.kafka.replica import FOLLOWED, KafkaReplica
from stream.shell.kafka.state import committed_reader, drained
from stream.shell.kafka.topics import full_name, partitions
from stream.stage import Batch

_POLL_MS: Final = 200
# The API waits while records are worked through: at most about a tenth of a second.
_AT_ONCE: Final = 100
_PROBE_EVERY_S: Final = 2.0
_PROBE_LIMIT_S: Final = 5.0

_log = logging.getLogger(__name__)


class Settled:
    """State rows up to the last whole commit.

    A reader that is no owner fences nobody, so the end it reads to may lie inside a commit. The clock is
    the last row of each.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        self._open: dict[bytes, bytes | None] = {}

    def add(self, key: bytes, value: bytes | None) -> None:
        self._open[key] = value
        if key == windows.CLOCK:
            self.rows |= self._open
            self._open = {}


class Follower(Service):
    """Follows all topics of `replica`; `make` makes the burn stage of a spend partition."""

    mundane_level = "debug"  # mode would log each start and stop

    def __init__(self, kafka: Kafka, make: Callable[[int], Burn], replica: KafkaReplica) -> None:
        super().__init__()
        self._kafka = kafka
        self._make = make
        self._replica = replica
        self._reader: Any = None
        self._next: dict[TopicPartition, int] = {}
        self._moved = asyncio.Condition()

    async def seen(self, topic: str, partition: int, offset: int) -> None:
        """Returns when a record of a followed topic, by its name on the cluster, is in the replica."""
        source = TopicPartition(topic, partition)
        async with self._moved:
            await self._moved.wait_for(lambda: self._next.get(source, -1) > offset)

    async def on_start(self) -> None:
        self._reader = await self.add_async_context(committed_reader(self._kafka))
        spend, state = self._sources(topics.SPEND), self._sources(topics.WINDOWS)
        followed = [source for topic in FOLLOWED for source in self._sources(topic)]
        # Asked first: while a fetch is under way, the broker answers nothing else for half a second.
        starts = await self._reader.beginning_offsets(spend)
        ends = await self._reader.end_offsets(state + followed)
        self._reader.assign(spend + state + followed)
        self._reader.pause(*spend)
        await self._reader.seek_to_beginning(*state, *followed)
        settled = await self._read(ends, {source.partition: Settled() for source in state})
        self._reader.pause(*state)
        for source in spend:
            self._reader.seek(source, self._restore(source, settled[source.partition], starts[source]))
        self._reader.resume(*spend)

    def _sources(self, topic: str) -> list[TopicPartition]:
        name = full_name(self._kafka, topic)
        return [TopicPartition(name, number) for number in range(partitions(self._kafka, topic))]

    async def _read(self, ends: dict[TopicPartition, int], settled: dict[int, Settled]) -> dict[int, Settled]:
        """Everything up to these ends, into the replica and into `settled`."""
        state = full_name(self._kafka, topics.WINDOWS)
        behind = [source for source, end in ends.items() if end]
        while behind:
            for source, records in (await self._reader.getmany(timeout_ms=_POLL_MS)).items():
                if source.topic == state:
                    for record in records:
                        settled[source.partition].add(record.key, record.value)
                else:
                    await self._take(source, records)
            # Not "==": the position also passes control records and aborted batches.
            behind = [one for one in behind if await self._reader.position(one) < ends[one]]
        return settled

    def _restore(self, source: TopicPartition, settled: Settled, start: int) -> int:
        """Make the burn stage of a spend partition; returns where to go on reading it."""
        burn = self._make(source.partition)
        clock = settled.rows.get(windows.CLOCK)
        burn.restore(drained(settled.rows))
        for topic, value in self._replica.heeded():
            burn.heed(topic, value)
        self._replica.stages[source.partition] = burn
        position = windows.decode_clock(clock).position if clock is not None else 0
        if clock is not None and position < start:
            _log.warning(
                "%s[%d]: retention removed %d records after the last state of its burn stage: what they "
                "cost is missing here until a worker has caught up and this process is started again",
                source.topic,
                source.partition,
                start - position,
            )
        return max(start, position)

    @Service.task
    async def _follow(self) -> None:
        while not self.should_stop:
            try:
                arrived = await self._reader.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
            except ConsumerStoppedError:
                return
            for source, records in arrived.items():
                await self._take(source, records)

    async def _take(self, source: TopicPartition, records: list[Any]) -> None:
        topic = source.topic.removeprefix(self._kafka.topic_prefix)
        if topic == topics.SPEND:
            burn = self._replica.stages[source.partition]
            burn.take(_batch(topic, source.partition, records))
            burn.commit(now_ms())  # thrown away: the owner writes the true one
        else:
            for record in records:
                self._replica.saw(topic, record)
        async with self._moved:
            self._next[source] = records[-1].offset + 1
            self._moved.notify_all()
        await asyncio.sleep(0)  # the API's turn

    @Service.task
    async def _watch(self) -> None:
        """Find out when Kafka is away: a consumer alone only waits."""
        probe = self._sources(topics.ALERTS)
        answered_ms = now_ms()
        while not self.should_stop:
            await self.sleep(_PROBE_EVERY_S)
            try:
                async with asyncio.timeout(_PROBE_LIMIT_S):
                    await self._reader.end_offsets(probe)
            except (KafkaError, TimeoutError):
                since = dt.datetime.fromtimestamp(answered_ms / 1000, dt.UTC)
                self._replica.problem = (
                    f"Kafka at {self._kafka.bootstrap} has not answered since {since:%H:%M:%S} UTC, and "
                    "what is shown is as of then: start it; this process goes on by itself"
                )
            else:
                answered_ms, self._replica.problem = now_ms(), None


def _batch(topic: str, partition: int, records: list[Any]) -> Batch:
    return Batch(
        topic=topic,
        partition=partition,
        values=[record.value for record in records],
        offsets=[record.offset for record in records],
        timestamps_ms=[record.timestamp for record in records],
        next_offset=records[-1].offset + 1,
    )

"""A stage fed in batches by a consumer group: how every stage reads Kafka.

Batches, because a Faust agent costs 100 µs a record and more, which the meter has not. Range assignment,
because alerts needs the same partition of two topics in one process. And every position is the shell's
own: what is fetched is either taken by its owner or read again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError
from mode import Service

from stream.config import Kafka
from stream.shell.kafka.partition import Hooks, Kind, OwnedPartition, Partitions
from stream.shell.kafka.record_batches import columns, give_batches, joined
from stream.shell.kafka.security import client_arguments, explained
from stream.shell.kafka.topics import full_name
from stream.stage import Batch, Stage

_POLL_MS = 200


async def read(consumer: Any, names: Mapping[str, str], in_batches: bool) -> list[Batch]:
    """What has arrived, a batch a partition. `names` maps the topics' names on the cluster to ours;
    `in_batches` says that `give_batches` was called with this consumer."""
    arrived: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=_POLL_MS)
    batches = []
    for source, records in arrived.items():
        found = joined(records) if in_batches else columns(records)
        batches.append(
            Batch(
                topic=names[source.topic],
                partition=source.partition,
                values=found.values,
                offsets=found.offsets,
                timestamps_ms=found.timestamps_ms,
                next_offset=found.offsets[-1] + 1,
                headers=[] if in_batches else [_headers(record) for record in records],
            )
        )
    return batches


def _headers(record: Any) -> dict[str, str]:
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers}


class StageService(Service):
    """Runs one stage per owned partition of `kind.inputs`, in the consumer group of that kind."""

    mundane_level = "debug"  # mode would log each start and stop

    def __init__(self, kafka: Kafka, kind: Kind, hooks: Hooks, in_place: bool = False) -> None:
        """`in_place` leaves messages in what was fetched, for a stage that does not make each an object."""
        super().__init__()
        self._in_place = in_place
        self._in_batches = kafka.read_batches and not kind.headers
        self.kind = kind
        self.partitions = Partitions(kafka, kind, hooks)
        self._kafka = kafka
        self._names = {full_name(kafka, topic): topic for topic in kind.inputs}
        self._consumer: Any = None
        self._owning: asyncio.Task[None] | None = None

    async def on_start(self) -> None:
        with explained(self._kafka):
            self._consumer = AIOKafkaConsumer(
                **client_arguments(self._kafka),
                **group_arguments(self._kafka, self.kind.group(self._kafka)),
                # Range gives the same partition of every subscribed topic to the same member, and a
                # stage over two topics needs just that.
                partition_assignment_strategy=(RangePartitionAssignor,),
            )
            await self._consumer.start()
        if self._in_batches:
            give_batches(self._consumer, self._in_place)
        # After start: a consumer that starts subscribed waits for its first assignment, without end.
        self._consumer.subscribe(list(self._names), listener=Listener(self))

    async def on_stop(self) -> None:
        await self.revoked()
        if self._consumer is not None:
            await self._consumer.stop()

    @Service.task
    async def _pump(self) -> None:
        while not self.should_stop:
            try:
                batches = await read(self._consumer, self._names, self._in_batches)
            except ConsumerStoppedError:  # on_stop came first
                return
            # In the same step as the read: what was fetched before a partition is ours has no owner here,
            # is dropped, and is read again after the seek.
            owned = self.partitions.owned
            mine = [batch for batch in batches if batch.partition in owned]
            await self.hand([(owned[batch.partition], batch) for batch in mine])

    async def hand(self, work: list[tuple[OwnedPartition, Batch]]) -> None:
        """Have the stages take these batches, in this order."""
        for owned, batch in work:
            owned.take(batch)

    @Service.task
    async def _commit(self) -> None:
        while not self.should_stop:
            await self.sleep(self._kafka.commit_every_s)
            if not self.should_stop:
                await self.partitions.commit()

    def assigned(self, sources: set[TopicPartition]) -> None:
        """Own them in a task of its own: aiokafka sends no heartbeat while a listener is at work."""
        self._consumer.pause(*sources)
        self._owning = asyncio.create_task(self._own(sources))

    async def _own(self, sources: set[TopicPartition]) -> None:
        try:
            await self.partitions.own({source.partition for source in sources}, self._ready)
        except Exception as error:
            await self.crash(error)

    def _ready(self, fresh: Sequence[OwnedPartition]) -> bool:
        for owned in fresh:
            self.prepare(owned.stage)
            for source, position in owned.positions.items():
                self._consumer.seek(source, position)
                self._consumer.resume(source)
        return True

    def prepare(self, stage: Stage) -> None:
        """Called for a stage that is restored and about to take its first records."""

    async def revoked(self) -> None:
        """Let everything go, with a last commit if this process is sound."""
        owning, self._owning = self._owning, None
        if owning is not None:
            owning.cancel()
            await asyncio.wait([owning])
        await self.partitions.disown(last_commit=not self.crashed)


class Listener(ConsumerRebalanceListener):
    """aiokafka only logs what its listeners raise, so all of it must end the service here."""

    def __init__(self, service: Any) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            await self._service.revoked()
        except Exception as error:
            await self._service.crash(error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._service.assigned(assigned)


def group_arguments(kafka: Kafka, group: str) -> dict[str, Any]:
    """Arguments of a consumer that joins a group and commits by itself nothing."""
    session_ms = int(kafka.session_timeout_s * 1000)
    return {
        "group_id": group,
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "session_timeout_ms": session_ms,
        # Every half a second: with it the others hear that someone's session has ended.
        "heartbeat_interval_ms": session_ms // 12,
        # Who commits for the last time, within its own limit, is waited for.
        "rebalance_timeout_ms": session_ms + int(kafka.transaction_timeout_s * 1000),
    }

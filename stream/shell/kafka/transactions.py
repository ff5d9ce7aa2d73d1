"""One Kafka transaction holds one commit: outputs, state rows and source offsets, or nothing at all.

A failed commit is ambiguous: it may have happened. Nothing is aborted, retried or used again; the process
ends, and the next owner's fence decides the transaction before it reads state and offsets from the log.
"""

import asyncio
import zlib
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from stream.config import Kafka
from stream.errors import Poisoned
from stream.shell.kafka import crash
from stream.shell.kafka.security import client_arguments, explained
from stream.shell.kafka.topics import MESSAGE_LIMIT_BYTES, full_name, partitions
from stream.stage import Commit

# InitProducerId waits for the former owner's prepared commit. The broker looks for timed-out ones
# every 10 s by default (transaction.abort.timed.out.transaction.cleanup.interval.ms).
FENCE_GRACE_S: Final = 10.0
_CLOSE_LIMIT_S: Final = 2.0
_BATCH_BYTES: Final = 256 * 1024  # state rows of a commit go in a few requests, not in one per 16 KiB


class PartitionWriter:
    """The transactional producer of one owned source partition.

    Args:
        kafka: where to connect and how long a transaction may take.
        stage: the stage's name; it names the crash points.
        group: the consumer group whose offsets are committed.
        source: the partition whose owner may write; with `group` it makes the transactional id.
        state: the partition of the stage's state topic.
    """

    def __init__(
        self, kafka: Kafka, stage: str, group: str, source: TopicPartition, state: TopicPartition
    ) -> None:
        self._kafka = kafka
        self._stage = stage
        self._group = group
        self._state = state
        self._poisoned = False
        self.transactional_id = f"{group}-{source.topic}-{source.partition}"
        self._producer: Any = None

    async def fence(self) -> None:
        """Shut out the former owner and decide the transaction that it left open.

        Raises `UserError` when Kafka does not allow it.
        """
        self._producer = AIOKafkaProducer(
            **client_arguments(self._kafka),
            transactional_id=self.transactional_id,
            transaction_timeout_ms=int(self._kafka.transaction_timeout_s * 1000),
            max_request_size=MESSAGE_LIMIT_BYTES,
            max_batch_size=_BATCH_BYTES,
        )
        crash.passed(self._stage, "before-fence")
        with explained(self._kafka):
            async with asyncio.timeout(self._kafka.transaction_timeout_s + FENCE_GRACE_S):
                await self._producer.start()
        crash.passed(self._stage, "after-fence")

    async def commit(self, commit: Commit) -> None:
        """Write it all in one transaction, within the transaction timeout.

        Raises `Poisoned` at any failure, and ever after.
        """
        if self._poisoned:
            raise Poisoned(f"{self.transactional_id} failed before: this process must end")
        # Set before the first await: a cancelled commit may have happened as well.
        self._poisoned = True
        try:
            async with asyncio.timeout(self._kafka.transaction_timeout_s):
                await self._write(commit)
        # After a fence aiokafka raises ProducerFenced, AssertionError or IllegalOperation in turn.
        except Exception as error:
            raise Poisoned(f"a commit of {self.transactional_id} failed ({_brief(error)})") from error
        self._poisoned = False

    async def _write(self, commit: Commit) -> None:
        producer = self._producer
        await self._passed("before-begin")
        await producer.begin_transaction()
        sent: list[Any] = []
        for output in commit.outputs:
            topic = full_name(self._kafka, output.topic)
            partition = output.partition
            if partition is None:
                partition = zlib.crc32(output.key or b"") % partitions(self._kafka, output.topic)
            sent.append(_seen(await producer.send(topic, output.value, output.key, partition)))
            if len(sent) == 1:
                await self._passed("inside-outputs")
        await self._passed("after-outputs")
        for number, row in enumerate(commit.state):
            future = await producer.send(self._state.topic, row.value, row.key, self._state.partition)
            sent.append(_seen(future))
            if number == 0:
                await self._passed("inside-state")
        await self._passed("after-state")
        if commit.positions:
            offsets = {
                TopicPartition(full_name(self._kafka, topic), partition): offset
                for (topic, partition), offset in commit.positions.items()
            }
            await producer.send_offsets_to_transaction(offsets, self._group)
        await self._passed("after-offsets")
        await asyncio.gather(*sent)
        await producer.commit_transaction()
        await self._passed("after-commit")

    async def _passed(self, point: str) -> None:
        if crash.due(self._stage, point):
            await self._producer.flush()  # else nothing that was sent has left the process yet
            crash.passed(self._stage, point)

    async def close(self) -> None:
        """Disconnect. An open transaction stays open: it is the next owner's to decide."""
        if self._producer is not None:
            try:
                async with asyncio.timeout(_CLOSE_LIMIT_S):
                    await self._producer.stop()
            except Exception:  # it is given up in any case; the log holds the truth
                return


def _seen(future: Any) -> Any:
    """Of a transaction that fails only the first error is told; this keeps asyncio quiet about the others."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def _brief(error: BaseException) -> str:
    if isinstance(error, ProducerFenced):
        return "another process owns the partition now, or the transaction took too long"
    if isinstance(error, TimeoutError):
        return "Kafka did not finish it in kafka.transaction_timeout_s"
    return str(error) or type(error).__name__

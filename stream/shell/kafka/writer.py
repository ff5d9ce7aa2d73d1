"""Records written from outside a stage: each is on all in-sync replicas, once, before `write` returns."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from stream.config import Kafka
from stream.shell.kafka.security import client_arguments, explained
from stream.shell.kafka.topics import MESSAGE_LIMIT_BYTES, full_name

_CLOSE_LIMIT_S: Final = 2.0
_BATCH_BYTES: Final = 256 * 1024  # the lines of one body go in a few requests


class Writer:
    """An idempotent producer. A record goes where its key says, as with every Kafka client (murmur2), so
    that one source's messages meet in one partition whoever sends them."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer: Any = None

    async def __aenter__(self) -> "Writer":
        self._producer = AIOKafkaProducer(
            **client_arguments(self._kafka),
            enable_idempotence=True,
            acks="all",
            max_request_size=MESSAGE_LIMIT_BYTES,
            max_batch_size=_BATCH_BYTES,
        )
        with explained(self._kafka):
            await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await self._producer.stop()
        except Exception:  # without a broker; who waits for these records has been told already
            return

    async def write(self, topic: str, records: Sequence[tuple[bytes | None, bytes | None]]) -> list[Any]:
        """Write (key, value) pairs; returns where each is (topic, partition, offset).

        Raises what Kafka says. What was sent by then, or before a cancellation, may still be written.
        """
        name = full_name(self._kafka, topic)
        sent = [await self._producer.send(name, value, key) for key, value in records]
        if sent:
            await asyncio.wait(sent)  # not gather: a cancellation must not reach the batches
        return [future.result() for future in sent]

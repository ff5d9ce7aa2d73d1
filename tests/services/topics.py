"""Kafka topics for one test."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code


class TopicFactory(Protocol):
    """Makes a topic with a unique name that begins with `name`, and returns that name."""

    async def __call__(
        self, partitions: int = 1, name: str = "test", settings: Mapping[str, str] | None = None
    ) -> str: ...


@asynccontextmanager
async def open_topics(bootstrap: str) -> AsyncIterator[TopicFactory]:
    """A `TopicFactory` whose topics are deleted at the end."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    made: list[str] = []

    async def create(
        partitions: int = 1, name: str = "test", settings: Mapping[str, str] | None = None
    ) -> str:
        topic = f"{name}-{uuid.uuid4().hex[:8]}"
        wanted = NewTopic(topic, partitions, 1, topic_configs=dict(settings or {}))
        answer: Any = await admin.create_topics([wanted])
        [(_, error, reason)] = answer.topic_errors
        if error:
            raise for_code(error)(reason)
        made.append(topic)
        await _wait_for_leaders(admin, topic, partitions)
        return topic

    await admin.start()
    try:
        yield create
        if made:
            await admin.delete_topics(made)
    finally:
        await admin.close()


async def _wait_for_leaders(admin: Any, topic: str, partitions: int) -> None:
    # The controller answers before the broker serves the new topic.
    while True:
        [described] = await admin.describe_topics([topic])
        if sum(partition["leader"] >= 0 for partition in described["partitions"]) == partitions:
            return
        await asyncio.sleep(0.02)

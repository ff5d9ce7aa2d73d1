"""The topics on a Kafka cluster: their names, making them, and refusing to run on wrong ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from stream.config import Kafka
from stream.errors import UserError
from stream.schema.topics import TOPICS, Topic
from stream.shell.kafka.security import client_arguments, explained

# A commit of many scopes after an outage is one record a spend partition: 50,000 rows of 40 bytes with
# 50,000 names of 100 bytes are 7 MB; and a message of `usage` may have 8 MiB by default.
MESSAGE_LIMIT_BYTES: Final = 16 * 1024 * 1024
_BY_NAME: Final = {topic.name: topic for topic in TOPICS}
_ADMIN_TIMEOUT_MS: Final = 20_000


def full_name(kafka: Kafka, topic: str) -> str:
    """The topic's name on the cluster."""
    return kafka.topic_prefix + topic


def partitions(kafka: Kafka, topic: str) -> int:
    """How many partitions the configuration says a topic has."""
    counts = {"usage": kafka.usage_partitions, "spend": kafka.spend_partitions, "one": 1}
    return counts[_BY_NAME[topic].scale]


def settings(kafka: Kafka, topic: Topic) -> dict[str, str]:
    """The topic's own settings, where they differ from what a broker does by default."""
    chosen = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "max.message.bytes": str(MESSAGE_LIMIT_BYTES),
        # A record's time is when the log took it: a producer's clock may be wrong, and retention counts it.
        "message.timestamp.type": "LogAppendTime",
        # One broker may be away; with a single copy there is nothing to wait for.
        "min.insync.replicas": str(max(1, kafka.replication - 1)),
    }
    if topic.compacted:
        # A restore reads what compaction has not yet removed: small segments, cleaned early.
        chosen |= {"segment.bytes": str(64 * 1024 * 1024), "min.cleanable.dirty.ratio": "0.1"}
    else:
        chosen["retention.ms"] = str(topic.retention_ms)
    return chosen


async def create(kafka: Kafka) -> list[str]:
    """Make the topics that are missing, then check all. Returns the names of those made.

    Raises `UserError` for whatever a person must mend first.
    """
    async with admin_client(kafka) as admin:
        missing = [topic for topic in TOPICS if full_name(kafka, topic.name) not in await _counts(admin)]
        wanted = [
            NewTopic(
                full_name(kafka, topic.name),
                partitions(kafka, topic.name),
                kafka.replication,
                topic_configs=settings(kafka, topic),
            )
            for topic in missing
        ]
        if wanted:
            answer = await admin.create_topics(wanted)
            for name, code, reason in answer.topic_errors:
                _refused(name, code, reason)
            while not await _led(admin, {topic.name for topic in wanted}):
                await asyncio.sleep(0.05)
        await _verify(kafka, admin)
        return [topic.name for topic in wanted]


async def verify(kafka: Kafka) -> None:
    """Raises `UserError` unless every topic is there, with the partitions and the clean-up it must have."""
    async with admin_client(kafka) as admin:
        await _verify(kafka, admin)


@asynccontextmanager
async def admin_client(kafka: Kafka) -> AsyncIterator[Any]:
    """Raises `UserError` for what a person must mend, also from inside the block."""
    with explained(kafka):
        admin = AIOKafkaAdminClient(**client_arguments(kafka), request_timeout_ms=_ADMIN_TIMEOUT_MS)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


async def _counts(admin: Any) -> dict[str, int]:
    """Partitions of every topic. Asking for all, not by name: naming one may make a broker create it."""
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def _led(admin: Any, names: set[str]) -> bool:
    """Whether every partition of the topics has a leader: the controller answers before that."""
    found = [topic["partitions"] for topic in await admin.describe_topics() if topic["topic"] in names]
    return len(found) == len(names) and all(one["leader"] >= 0 for partitions in found for one in partitions)


async def _verify(kafka: Kafka, admin: Any) -> None:
    there = await _counts(admin)
    missing = [name for topic in TOPICS if (name := full_name(kafka, topic.name)) not in there]
    if missing:
        raise UserError(
            f"Kafka at {kafka.bootstrap} lacks (or does not show this user) the topics {', '.join(missing)}: "
            "run `burnline topics create`, or set kafka.topic_prefix"
        )
    for topic in TOPICS:
        name, wanted = full_name(kafka, topic.name), partitions(kafka, topic.name)
        if there[name] != wanted:
            key = f"kafka.{topic.scale}_partitions to {there[name]}"
            raise UserError(
                f"topic {name} has {there[name]} partitions and must have {wanted}, which is fixed once "
                f"it is made: set {'another kafka.topic_prefix' if topic.scale == 'one' else key}"
            )
    await _verify_settings(kafka, admin)


async def _verify_settings(kafka: Kafka, admin: Any) -> None:
    asked = dict.fromkeys(("cleanup.policy", "max.message.bytes", "message.timestamp.type"), "")
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, full_name(kafka, topic.name), asked) for topic in TOPICS
    ]
    for answer in await admin.describe_configs(resources):
        for code, reason, _, name, entries in answer.resources:
            _refused(name, code, reason)
            topic = _BY_NAME[name.removeprefix(kafka.topic_prefix)]
            for key, value, *_ in entries:
                wanted = settings(kafka, topic)[key]
                if value != wanted and not (key == "max.message.bytes" and int(value) >= int(wanted)):
                    raise UserError(
                        f"topic {name} has {key}={value} and needs {wanted}: "
                        f"run `kafka-configs.sh --alter --topic {name} --add-config {key}={wanted}`"
                    )


def _refused(name: str, code: int, reason: str | None) -> None:
    error = for_code(code)
    if not code or error is TopicAlreadyExistsError:  # somebody else made it just now
        return
    if "Authorization" in error.__name__:
        raise error(reason)
    why = reason or error.__name__
    raise UserError(f"Kafka refused topic {name} ({why}): change kafka.replication or the broker")

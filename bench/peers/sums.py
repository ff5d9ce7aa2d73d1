"""What a peer has written: sums a scope and 10 s, read as a consumer downstream would."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


class Sum(msgspec.Struct):
    """One record. A later one of the same scope and bucket replaces it; Pathway also tells what is replaced,
    with a `diff` of -1."""

    scope: str
    bucket: int
    nusd: int
    diff: int = 1


def add_up(records: list[bytes]) -> dict[str, int]:
    """Nano-dollars of each scope."""
    last: dict[tuple[str, int], int] = {}
    for record in records:
        one = msgspec.json.decode(record, type=Sum)
        if one.diff > 0:
            last[one.scope, one.bucket] = one.nusd
    scopes: Counter[str] = Counter()
    for (scope, _), nusd in last.items():
        scopes[scope] += nusd
    return dict(scopes)


def make_topic(bootstrap: str, topic: str) -> None:
    async def make() -> None:
        admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic, 1, 1)])
        await admin.close()

    asyncio.run(make())


def read(bootstrap: str, topic: str) -> dict[str, int]:
    """Committed sums only."""

    async def values() -> list[bytes]:
        source = TopicPartition(topic, 0)
        consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
        await consumer.start()
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        end = (await consumer.end_offsets([source]))[source]
        found: list[bytes] = []
        while await consumer.position(source) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record.value for record in records]
        await consumer.stop()
        return found

    return add_up(asyncio.run(values()))

"""Whole record batches give just what aiokafka gives record by record: values, offsets, times, positions."""

import asyncio
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.shell.kafka.record_batches import RecordBatch, columns, give_batches, joined
from tests.services.topics import TopicFactory


async def read(kafka: str, topic: str, whole: bool, start: int = 0, isolation: str = "read_committed") -> Any:
    """All that is in the topic from `start` on, and the position at the end."""
    source = TopicPartition(topic, 0)
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=kafka, isolation_level=isolation, enable_auto_commit=False, fetch_max_wait_ms=50
    )
    await consumer.start()
    if whole:
        give_batches(consumer)
    try:
        consumer.assign([source])
        consumer.seek(source, start)
        end = (await consumer.end_offsets([source]))[source]
        found: list[RecordBatch] = []
        while await consumer.position(source) < end:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.append(joined(records) if whole else columns(records))
        position = await consumer.position(source)
    finally:
        await consumer.stop()
    rows = [row for each in found for row in zip(each.values, each.offsets, each.timestamps_ms, strict=True)]
    return rows, position


async def send(kafka: str, topic: str, values: list[bytes], **settings: Any) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=20, **settings) as producer:
        await asyncio.gather(*[await producer.send(topic, value, partition=0) for value in values])


async def transact(kafka: str, topic: str, values: list[bytes], commit: bool, name: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{topic}-{name}") as producer:
        await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
        await (producer.commit_transaction() if commit else producer.abort_transaction())


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
async def test_plain_packed_committed_and_aborted(kafka: str, topics: TopicFactory, isolation: str) -> None:
    topic = await topics(1)
    await send(kafka, topic, [b"%d" % number for number in range(300)])
    await transact(kafka, topic, [b"aborted"] * 3, commit=False, name="a")
    await send(kafka, topic, [b"packed %d" % number for number in range(200)], compression_type="gzip")
    await transact(kafka, topic, [b"committed"] * 3, commit=True, name="a")
    await transact(kafka, topic, [b"aborted again"], commit=False, name="b")
    for start in (0, 1, 150, 299, 300, 302, 310, 450):
        rows, position = await read(kafka, topic, True, start, isolation)
        assert (rows, position) == await read(kafka, topic, False, start, isolation), start
    values = [value for value, _, _ in (await read(kafka, topic, True, 0, isolation))[0]]
    assert (b"aborted" in values) == (isolation == "read_uncommitted")
    assert values.count(b"committed") == 3
    assert len(values) == 503 + (4 if isolation == "read_uncommitted" else 0)


@pytest.mark.parametrize("clock", ["LogAppendTime", "CreateTime"])
async def test_either_clock_and_deleted_rows(kafka: str, clock: str) -> None:
    topic = f"clock-{clock}-{time.time_ns()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    settings = {"message.timestamp.type": clock, "cleanup.policy": "compact"}
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=settings)])
    try:
        async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=20) as producer:
            now_ms = time.time_ns() // 1_000_000
            for number in range(50):
                value = b"%d" % number if number % 7 else None
                await producer.send(topic, value, b"k%d" % number, 0, timestamp_ms=now_ms - 1000 * number)
            await producer.flush()
        rows, position = await read(kafka, topic, True)
        assert (rows, position) == await read(kafka, topic, False)
        assert [value for value, _, _ in rows][:3] == [b"", b"1", b"2"]
        assert (len({time_ms for _, _, time_ms in rows}) == 50) == (clock == "CreateTime")
    finally:
        await admin.delete_topics([topic])
        await admin.close()

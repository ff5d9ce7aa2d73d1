"""Whole record batches give just what aiokafka gives record by record: values, offsets, times, positions."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from stream.messages import Messages
from stream.shell.kafka.record_batches import (
    RecordBatch,
    columns,
    give_batches,
    joined,
    places,
    unpacked,
)
from stream.shell.kafka.records import Records
from tests.services.topics import TopicFactory


async def read(
    kafka: str,
    topic: str,
    whole: bool,
    start: int = 0,
    isolation: str = "read_committed",
    in_place: bool = False,
) -> Any:
    """All that is in the topic from `start` on, and the position at the end."""
    source = TopicPartition(topic, 0)
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=kafka, isolation_level=isolation, enable_auto_commit=False, fetch_max_wait_ms=50
    )
    await consumer.start()
    if whole:
        give_batches(consumer, in_place)
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


CODECS = ["gzip", "snappy", "lz4", "zstd"]


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
async def test_plain_packed_committed_and_aborted(kafka: str, topics: TopicFactory, isolation: str) -> None:
    topic = await topics(1)
    await send(kafka, topic, [b"%d" % number for number in range(300)])
    await transact(kafka, topic, [b"aborted"] * 3, commit=False, name="a")
    for codec in CODECS:
        await send(kafka, topic, [b"packed %d" % number for number in range(50)], compression_type=codec)
    await transact(kafka, topic, [b"committed"] * 3, commit=True, name="a")
    await transact(kafka, topic, [b"aborted again"], commit=False, name="b")
    for start in (0, 1, 150, 299, 300, 302, 310, 450):
        expected = await read(kafka, topic, False, start, isolation)
        for in_place in (False, True):
            assert await read(kafka, topic, True, start, isolation, in_place) == expected, (start, in_place)
    values = [value for value, _, _ in (await read(kafka, topic, True, 0, isolation))[0]]
    assert (b"aborted" in values) == (isolation == "read_uncommitted")
    assert values.count(b"committed") == 3
    assert len(values) == 503 + (4 if isolation == "read_uncommitted" else 0)


@pytest.mark.parametrize("codec", CODECS)
async def test_what_the_broker_compresses_itself(kafka: str, topics: TopicFactory, codec: str) -> None:
    """With the codecs' other implementation, Java's, which most producers use."""
    topic = await topics(settings={"compression.type": codec})
    values = [b"%d " % number * 100 for number in range(300)]
    for part in (values[:100], values[100:101], values[101:]):
        await send(kafka, topic, part)
    for start in (0, 99, 100, 101, 250):
        for whole, in_place in ((False, False), (True, False), (True, True)):
            rows, position = await read(kafka, topic, whole, start, in_place=in_place)
            assert [value for value, _, _ in rows] == values[start:]
            assert position == len(values)


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
        rows, _ = expected = await read(kafka, topic, False)
        for in_place in (False, True):
            assert await read(kafka, topic, True, in_place=in_place) == expected
        assert [value for value, _, _ in rows][:3] == [b"", b"1", b"2"]
        assert (len({time_ms for _, _, time_ms in rows}) == 50) == (clock == "CreateTime")
    finally:
        await admin.delete_topics([topic])
        await admin.close()


def batch_of(values: Sequence[bytes | None], first: int = 7) -> bytes:
    """A record batch as a broker stores it; records have keys and headers of different sizes."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for number, value in enumerate(values):
        some = number % 9
        headers = [("h" * some, b"x" * some), ("none", None)][: number % 3]
        builder.append(number, 1_000 * number, b"k" * some if number % 2 else None, value, headers)
    whole = bytearray(builder.build())
    whole[:8] = first.to_bytes(8)
    return bytes(whole)


def aiokafkas(batch: bytes) -> list[tuple[bytes, int, int]] | None:
    try:
        records = list(DefaultRecordBatch(batch))
    except CorruptRecordException:
        return None
    return [(record.value or b"", record.offset, record.timestamp) for record in records]


VALUES = [b"one", b"", None, b"x" * 200, b"last"]


def found_in(batch: bytes, first: int = 0) -> list[tuple[bytes, int, int]] | None:
    records = Records(batch)
    if not records.add(0, first):
        assert len(records) == 0
        return None
    found = places(batch, records)
    return list(zip(found.values, found.offsets, found.timestamps_ms, strict=True))


def test_a_batch_in_place_from_any_offset() -> None:
    batch = batch_of(VALUES)
    everything = found_in(batch)
    assert everything is not None and everything == aiokafkas(batch)
    assert [value for value, _, _ in everything] == [value or b"" for value in VALUES]
    for first in range(7, 7 + len(VALUES)):
        assert found_in(batch, first) == everything[first - 7 :]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 500])
def test_a_checksum_is_right_where_aiokafka_says_so(size: int) -> None:
    batch = batch_of([b"x" * size])
    assert Records(batch).sound(0) in (True, None)
    for at in range(17, len(batch)):  # from the checksum itself on
        spoilt = bytearray(batch)
        spoilt[at] ^= 1 << at % 8
        assert not DefaultRecordBatch(bytes(spoilt)).validate_crc()
        assert Records(bytes(spoilt)).sound(0) in (False, None)
    assert [Records(batch[:-1]).sound(at) for at in (0, -1, len(batch), 2**40)] == [None] * 4


def test_batches_that_follow_each_other_and_more_than_fit_at_first() -> None:
    one, two = batch_of([b"%d" % number for number in range(3000)], 0), batch_of(VALUES, 5000)
    records = Records(one + two)
    assert records.add(0, 0) and records.add(len(one), 0)
    found = places(one + two, records)
    assert list(found.values) == [*(b"%d" % number for number in range(3000)), *(v or b"" for v in VALUES)]
    assert list(found.offsets) == [*range(3000), *range(5000, 5005)]
    assert list(found.values[2999:3001]) == [b"2999", b"one"]


def test_joined_messages_stay_in_one_buffer() -> None:
    parts = []
    for values, first in (([b"one", b""], 0), ([b"three"], 2), ([b"four", b"five"], 9)):
        batch = batch_of(values, first)
        records = Records(batch)
        assert records.add(0, 0)
        parts.append(places(batch, records))
    whole = joined(parts)
    assert isinstance(whole.values, Messages)
    assert list(whole.values) == [b"one", b"", b"three", b"four", b"five"]
    assert list(whole.offsets) == [0, 1, 2, 9, 10]


PACKERS = {1: gzip_encode, 2: snappy_encode, 3: lz4_encode, 4: zstd_encode}


def packed(batch: bytes, codec: int) -> bytes:
    found = bytearray(batch[:61] + PACKERS[codec](batch[61:]))
    found[22] |= codec
    found[8:12] = (len(found) - 12).to_bytes(4)
    return bytes(found)


@pytest.mark.parametrize("codec", PACKERS)
def test_an_unpacked_batch_is_as_one_that_never_was_packed(codec: int) -> None:
    plain = batch_of(VALUES)
    assert unpacked(packed(plain, codec)) == plain == unpacked(plain)


@pytest.mark.parametrize("codec", PACKERS)
def test_the_name_of_a_header_may_be_any_bytes(codec: int) -> None:
    """Which aiokafka does not take, while a broker does."""
    wrong = batch_of(VALUES).replace(b"\x02h", b"\x02\xff")
    with pytest.raises(UnicodeDecodeError):
        aiokafkas(wrong)
    assert found_in(wrong) == found_in(unpacked(packed(wrong, codec))) == aiokafkas(batch_of(VALUES))


@pytest.mark.parametrize("change", range(1, 256, 37))
def test_a_broken_batch_is_refused_or_read_as_aiokafka_reads_it(change: int) -> None:
    """A batch is checked by its CRC before; here nothing is, and no byte outside of it may be touched."""
    batch = batch_of(VALUES)
    for size in range(len(batch)):
        assert found_in(batch[:size]) is None
    for at in range(len(batch)):
        spoilt = bytearray(batch)
        spoilt[at] ^= change
        found = found_in(bytes(spoilt), -(2**63))
        if found is not None:
            with suppress(UnicodeDecodeError):  # the name of a header, which is not read here
                assert found == aiokafkas(bytes(spoilt)), at

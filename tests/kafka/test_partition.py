"""The pieces under the services, one at a time, against a real broker."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from stream.config import Kafka
from stream.errors import Poisoned
from stream.schema import topics
from stream.shell.kafka.partition import Hooks, OwnedPartition
from stream.shell.kafka.state import committed_reader, restore
from stream.shell.kafka.transactions import PartitionWriter
from stream.stage import Batch, Commit, Output, StateRow
from tests.kafka.conftest import committed
from tests.kafka.toy import METER, Toy, record


def writer(kafka: Kafka) -> PartitionWriter:
    usage = TopicPartition(kafka.topic_prefix + topics.USAGE, 0)
    state = TopicPartition(kafka.topic_prefix + topics.METER_STATE, 0)
    return PartitionWriter(kafka, "meter", f"{kafka.group}-meter", usage, state)


def batch(*keys: str, first: int = 0) -> Batch:
    offsets = list(range(first, first + len(keys)))
    values = [record(key, 1) for key in keys]
    return Batch(topics.USAGE, 0, values, offsets, [0] * len(keys), first + len(keys))


async def test_a_former_owner_cannot_commit_after_a_fence(cluster: Kafka) -> None:
    former, heir = writer(cluster), writer(cluster)
    await former.fence()
    await former.commit(Commit(state=[StateRow(b"a", b"former")]))
    await heir.fence()
    for _ in range(2):
        with pytest.raises(Poisoned):
            await former.commit(Commit(state=[StateRow(b"a", b"zombie")]))
    await heir.commit(Commit(state=[StateRow(b"b", b"heir")]))
    state = TopicPartition(cluster.topic_prefix + topics.METER_STATE, 0)
    found = await committed(cluster, [state])
    assert [(row.key, row.value) for row in found] == [(b"a", b"former"), (b"b", b"heir")]
    await asyncio.gather(former.close(), heir.close())


async def test_a_commit_to_a_topic_that_is_not_there_ends_in_time_and_poisons(cluster: Kafka) -> None:
    short = cluster.model_copy(update={"transaction_timeout_s": 1})
    poisoned = writer(short)
    await poisoned.fence()
    with pytest.raises(Poisoned, match="transaction_timeout_s"):
        await poisoned.commit(Commit(positions={("no-such-topic", 0): 7}))
    with pytest.raises(Poisoned, match="failed before"):
        await poisoned.commit(Commit(state=[StateRow(b"a", b"b")]))
    await poisoned.close()


async def test_a_cancelled_commit_poisons(cluster: Kafka) -> None:
    cancelled = writer(cluster)
    await cancelled.fence()
    task = asyncio.create_task(cancelled.commit(Commit(state=[StateRow(b"a", b"b")])))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(Poisoned):
        await cancelled.commit(Commit(state=[StateRow(b"a", b"b")]))
    await cancelled.close()


async def test_outputs_go_where_they_say_or_where_their_key_hashes(cluster: Kafka) -> None:
    one = writer(cluster)
    await one.fence()
    await one.commit(
        Commit(
            outputs=[
                Output(topics.SPEND, None, b"to 1", 1),
                Output(topics.SPEND, b"alpha", b"by key"),  # crc32(b"alpha") = 3504355690, even
                Output(topics.DEAD_LETTERS, b"k", b"letter", 0),
            ]
        )
    )
    await one.close()
    spend = cluster.topic_prefix + topics.SPEND
    found = await committed(cluster, [TopicPartition(spend, 0), TopicPartition(spend, 1)])
    assert sorted((row.partition, row.value) for row in found) == [(0, b"by key"), (1, b"to 1")]


async def test_restore_gives_the_latest_row_of_each_key_and_none_that_was_deleted(cluster: Kafka) -> None:
    one = writer(cluster)
    await one.fence()
    await one.commit(Commit(state=[StateRow(b"a", b"1"), StateRow(b"b", b"1"), StateRow(b"c", b"1")]))
    await one.commit(Commit(state=[StateRow(b"a", b"2"), StateRow(b"b", None)]))
    await one.close()
    state = TopicPartition(cluster.topic_prefix + topics.METER_STATE, 0)
    async with committed_reader(cluster) as reader:
        rows = await restore(reader, state)
    assert sorted((row.key, row.value) for row in rows) == [(b"a", b"2"), (b"c", b"1")]


async def test_a_partition_goes_on_from_state_and_offset_and_drops_what_it_already_counted(
    cluster: Kafka,
) -> None:
    hooks, told = Hooks(), []
    hooks.on_commit.append(lambda stage, commit, seconds: told.append(len(commit.state)))
    usage = TopicPartition(cluster.topic_prefix + topics.USAGE, 0)
    first = OwnedPartition(cluster, METER, 0, hooks, asyncio.Lock())
    await first.own()
    assert first.positions == {usage: 0}
    first.take(batch("a", "b", "a"))
    await first.commit()
    await first.commit()  # nothing new: nothing written
    assert told == [2]
    second = OwnedPartition(cluster, METER, 0, hooks, asyncio.Lock())
    await second.own()
    assert second.positions == {usage: 3}
    second.take(batch("a", "b", "a"))  # all before the position
    second.take(batch("b", "a", "c", first=2))  # its first is
    assert isinstance(second.stage, Toy)
    assert second.stage.count == {"a": 3, "b": 1, "c": 1}
    await asyncio.gather(first.close(), second.close())


async def test_a_stage_that_failed_half_way_is_never_committed(cluster: Kafka) -> None:
    broken = OwnedPartition(cluster, METER, 0, Hooks(), asyncio.Lock())
    await broken.own()
    bad = batch("a", "b")
    bad.values = [record("a", 1), b"no JSON"]
    with pytest.raises(ValueError, match="Expecting value"):
        broken.take(bad)
    broken.take(batch("c", first=2))
    await broken.commit()
    heir = OwnedPartition(cluster, METER, 0, Hooks(), asyncio.Lock())
    await heir.own()
    assert isinstance(heir.stage, Toy)
    assert not heir.stage.count
    assert [*heir.positions.values()] == [0]
    await asyncio.gather(broken.close(), heir.close())


async def test_an_open_transaction_of_a_dead_owner_is_decided_by_the_fence(cluster: Kafka) -> None:
    """Else its rows would hold up every reader until the transaction times out."""
    state = cluster.topic_prefix + topics.METER_STATE
    dead = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap, transactional_id=writer(cluster).transactional_id
    )
    await dead.start()
    await dead.begin_transaction()
    await dead.send_and_wait(state, b"never committed", b"a", 0)
    heir = OwnedPartition(cluster, METER, 0, Hooks(), asyncio.Lock())
    await heir.own()
    assert isinstance(heir.stage, Toy)
    assert not heir.stage.count
    await heir.close()
    await dead.stop()

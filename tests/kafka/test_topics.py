"""Topics are made once, checked at every start, and a wrong one is refused in one sentence."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.config import Kafka
from stream.errors import UserError
from stream.schema.topics import TOPICS
from stream.shell.kafka import topics
from tests.services import free_ports


async def described(kafka: Kafka) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        found = await admin.describe_topics()
        return {topic["topic"]: len(topic["partitions"]) for topic in found}
    finally:
        await admin.close()


async def test_create_makes_every_topic_with_the_partitions_of_its_scale(cluster: Kafka) -> None:
    there = await described(cluster)
    for topic in TOPICS:
        wanted = {"usage": cluster.usage_partitions, "spend": cluster.spend_partitions, "one": 1}
        assert there[cluster.topic_prefix + topic.name] == wanted[topic.scale]
    await topics.verify(cluster)


async def test_create_again_makes_nothing(cluster: Kafka) -> None:
    assert await topics.create(cluster) == []


async def test_a_partition_count_that_differs_is_refused(cluster: Kafka) -> None:
    with pytest.raises(UserError, match=r"usage has 2 partitions .* have 5.*usage_partitions to 2"):
        await topics.verify(cluster.model_copy(update={"usage_partitions": 5}))


async def test_missing_topics_are_named_with_what_to_run(cluster: Kafka) -> None:
    other = cluster.model_copy(update={"topic_prefix": "elsewhere."})
    with pytest.raises(UserError, match=r"elsewhere\.usage.*burnline topics create"):
        await topics.verify(other)


async def test_a_state_topic_that_is_not_compacted_is_refused(cluster: Kafka) -> None:
    other = cluster.model_copy(update={"topic_prefix": cluster.topic_prefix + "x."})
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{other.topic_prefix}windows", 2, 1)])
    await admin.close()
    with pytest.raises(UserError, match=r"windows has cleanup.policy=delete and needs compact"):
        await topics.create(other)


async def test_more_copies_than_brokers_is_refused_with_the_brokers_reason(cluster: Kafka) -> None:
    other = cluster.model_copy(update={"topic_prefix": "copies.", "replication": 3})
    with pytest.raises(UserError, match=r"(?i)replication factor.*kafka\.replication"):
        await topics.create(other)


async def test_no_broker_is_one_sentence_with_what_to_set() -> None:
    [port] = free_ports(1)
    nowhere = Kafka(bootstrap=f"127.0.0.1:{port}")
    with pytest.raises(UserError, match=rf"cannot reach Kafka at 127.0.0.1:{port}.*kafka\.bootstrap"):
        await topics.verify(nowhere)

"""A broker that has just started is still loading offsets, and says so of a whole question at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from stream.config import Kafka
from stream.shell.kafka import state
from tests.chaos.cluster import Broker
from tests.services.topics import open_topics

GROUP = "loading"


@asynccontextmanager
async def at_offset_7(broker: Broker) -> AsyncIterator[TopicPartition]:
    async with broker.proxy, open_topics(broker.direct) as create:
        source = TopicPartition(await create(2), 0)
        producer = AIOKafkaProducer(bootstrap_servers=broker.direct, transactional_id=GROUP)
        await producer.start()
        async with producer.transaction():
            await producer.send_offsets_to_transaction({source: 7}, GROUP)
        await producer.stop()
        yield source


async def test_an_offset_is_asked_for_again_while_the_coordinator_loads(broker: Broker) -> None:
    """Once it was taken for "no offset", and after a bounce of the broker a partition was read anew from its
    beginning: everything in it counted twice."""
    async with at_offset_7(broker) as source:
        other = TopicPartition(source.topic, 1)
        broker.proxy.loading = 3
        found = await state.committed(Kafka(bootstrap=broker.outer), GROUP, [source, other])
        assert found == {source: OffsetAndMetadata(7, ""), other: None}
        assert broker.proxy.loading == 0


async def test_aiokafkas_consumer_takes_loading_for_no_offset(broker: Broker) -> None:
    """When this fails after an upgrade, `state.committed` may ask a consumer again."""
    async with at_offset_7(broker) as source:
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.outer, group_id=GROUP, enable_auto_commit=False)
        await consumer.start()
        try:
            broker.proxy.loading = 1
            assert await consumer.committed(source) is None
            assert await consumer.committed(source) == 7
        finally:
            await consumer.stop()

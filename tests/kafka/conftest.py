"""Topics of its own for each test, and readers that share no code with the shell."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream.config import Kafka
from stream.schema import topics as names
from stream.shell.kafka import topics
from stream.shell.kafka.security import client_arguments
from tests.kafka.toy import Worker, record

PARTITIONS = 2
SESSION_S = 2


@pytest.fixture
async def cluster(kafka: str) -> Kafka:
    """Settings with a prefix of their own, and all topics made."""
    mark = uuid.uuid4().hex[:8]
    settings = Kafka(
        bootstrap=kafka,
        topic_prefix=f"t{mark}.",
        group=f"g{mark}",
        usage_partitions=PARTITIONS,
        spend_partitions=PARTITIONS,
        commit_every_s=0.2,
        session_timeout_s=SESSION_S,
    )
    await topics.create(settings)
    return settings


class Log:
    """Writes to `usage`, and reads what the stages made of it."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.sent_nusd: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self._producer = AIOKafkaProducer(**client_arguments(kafka))

    async def send(self, count: int) -> None:
        """`count` estimates over ten keys, acknowledged."""
        if not self.sent:
            await self._producer.start()
        futures = []
        for _ in range(count):
            number = self.sent.total()
            key, cost_nusd = f"key-{number % 10}", 1_000_003 * number + 7
            self.sent_nusd[key] += cost_nusd
            self.sent[key] += 1
            topic = self.kafka.topic_prefix + names.USAGE
            futures.append(
                await self._producer.send(topic, record(key, cost_nusd), partition=number % PARTITIONS)
            )
        await asyncio.gather(*futures)

    async def close(self) -> None:
        await self._producer.stop()

    async def totals(self, state: str) -> tuple[Counter[str], Counter[str]]:
        """Nano-dollars and counts per key, added over the partitions of a state topic, read committed."""
        sources = [TopicPartition(self.kafka.topic_prefix + state, number) for number in range(PARTITIONS)]
        rows = {(found.partition, found.key): found.value for found in await committed(self.kafka, sources)}
        cost_nusd: Counter[str] = Counter()
        count: Counter[str] = Counter()
        for value in rows.values():
            key, key_nusd, key_count = json.loads(value)
            cost_nusd[key] += key_nusd
            count[key] += key_count
        return cost_nusd, count

    async def arrived(self, state: str) -> None:
        """Returns when a state topic counts at least what was sent."""
        while (await self.totals(state))[1].total() < self.sent.total():
            await asyncio.sleep(0.2)

    async def check(self) -> None:
        """Both stages have, per key, exactly what was sent."""
        for state in (names.METER_STATE, names.WINDOWS):
            await self.arrived(state)
            assert await self.totals(state) == (self.sent_nusd, self.sent), state


async def committed(kafka: Kafka, sources: list[TopicPartition]) -> list:  # type: ignore[type-arg]
    consumer = AIOKafkaConsumer(
        **client_arguments(kafka), isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(sources)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(sources)
        found = []
        while any([await consumer.position(source) < end for source, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    finally:
        await consumer.stop()


@pytest.fixture
async def log(cluster: Kafka) -> AsyncIterator[Log]:
    stream = Log(cluster)
    yield stream
    await stream.close()


@pytest.fixture
def worker(cluster: Kafka, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """`worker()` starts one; all are killed at the end, and what they logged is shown if a test fails."""
    started: list[Worker] = []
    output = tmp_path / "workers.log"

    def start(crash_at: str = "", writer: str = "") -> Worker:
        started.append(Worker(cluster, output, crash_at, writer))
        return started[-1]

    yield start
    for each in started:
        each.kill()
    print(output.read_text() if output.exists() else "")

"""Sends a plan as collectors do, and knows when everything that was sent has arrived."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from stream.config import Config
from stream.schema import topics, windows
from tests.chaos.cluster import Pipeline
from tests.chaos.observe import Reader
from tests.chaos.plan import TICK_S, Message, Plan

# burn looks at every bucket only where less than 300 s close at once. A run that was stopped for longer
# has other alerts than a calm one, and rightly so; the feed waits instead, as life would not.
AHEAD_S: Final = 150
_SEND_LIMIT_S: Final = 120


class Progress:
    """Follows how far each burn stage has judged, read committed."""

    def __init__(self, config: Config) -> None:
        self.evaluated_s = [-1] * config.kafka.spend_partitions
        self.clocks: dict[int, windows.Clock] = {}
        self.seen_s: dict[int, float] = {}
        """When (by the event loop's clock) a commit of each burn partition was seen last."""
        self._config = config

    async def __aenter__(self) -> Self:
        kafka = self._config.kafka
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap, isolation_level="read_committed", enable_auto_commit=False
        )
        await self._consumer.start()
        name = kafka.topic_prefix + topics.WINDOWS
        self._consumer.assign([TopicPartition(name, number) for number in range(kafka.spend_partitions)])
        await self._consumer.seek_to_beginning()
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            for source, records in (await self._consumer.getmany(timeout_ms=100)).items():
                for record in records:
                    if record.key == windows.CLOCK:
                        clock = windows.decode_clock(record.value)
                        self.clocks[source.partition] = clock
                        self.evaluated_s[source.partition] = clock.evaluated_s
                        self.seen_s[source.partition] = asyncio.get_running_loop().time()

    def arrived(self, ends: dict[int, int]) -> bool:
        """Whether every burn stage has taken in what meters made of `usage` up to these ends."""
        return len(self.clocks) == len(self.evaluated_s) and all(
            clock.sources.get(number, windows.Source(-1, 0, 0, 0)).position >= end
            for clock in self.clocks.values()
            for number, end in ends.items()
        )


class Feeder:
    """Sends a plan tick by tick, and waits where the stages are too far behind."""

    def __init__(self, pipeline: Pipeline, plan: Plan, progress: Progress) -> None:
        self.tick = -1
        """The last tick that is in the log."""
        self._pipeline = pipeline
        self._plan = plan
        self._progress = progress
        self._producer: Any = None
        self._ticks = plan.by_tick()

    async def history(self) -> None:
        """Returns when it is judged: the first evaluation is at whatever has come by then."""
        await self._send(self._plan.history())
        while min(self._progress.evaluated_s) < self._plan.base_s:
            await asyncio.sleep(0.05)

    async def feed(self, until_tick: int, pace_s: float = 0.0) -> None:
        """Send all ticks before `until_tick`."""
        while self.tick + 1 < until_tick:
            messages = next(self._ticks)
            await self._send(messages[: self._plan.partitions])
            await self._send(messages[self._plan.partitions :])
            self.tick += 1
            sent_s = self._plan.base_s + (self.tick + 1) * TICK_S
            await asyncio.sleep(pace_s)
            while sent_s - min(self._progress.evaluated_s) > AHEAD_S:
                await asyncio.sleep(0.05)

    async def _send(self, messages: Iterable[Message]) -> None:
        """Again until acknowledged, in order; what is in the log twice counts as sent twice."""
        waiting = list(messages)
        async with asyncio.timeout(_SEND_LIMIT_S):
            while waiting:
                try:
                    await self._send_once(waiting)
                    waiting = []
                except (KafkaError, TimeoutError, ConnectionError):
                    await self.close()
                    await asyncio.sleep(1)

    async def _send_once(self, messages: list[Message]) -> None:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._pipeline.config.kafka.bootstrap, enable_idempotence=True, linger_ms=5
            )
            await producer.start()
            self._producer = producer
        topic = self._pipeline.config.kafka.topic_prefix + topics.USAGE
        sent = [
            await self._producer.send(topic, one.value, one.source.encode(), partition=one.partition)
            for one in messages
        ]
        await asyncio.gather(*sent)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(2):
                    await producer.stop()
            except (KafkaError, TimeoutError, ConnectionError):
                return


async def settled(pipeline: Pipeline, progress: Progress, limit_s: float) -> bool:
    """Returns whether, within the limit, all that was sent has come through to the last notification."""
    config = pipeline.config
    try:
        async with asyncio.timeout(limit_s), Reader(config) as reader:
            ends = await reader.ends(topics.USAGE, config.kafka.usage_partitions)
            while not progress.arrived(ends):
                await asyncio.sleep(0.1)
            while not await _alerts_heard(reader, progress):
                await asyncio.sleep(0.2)
            told = await reader.records(reader.sources(topics.ALERTS))
            while told and not await _notified(config, told[-1].offset + 1):
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False
    return True


async def _alerts_heard(reader: Reader, progress: Progress) -> bool:
    [state] = await reader.latest(topics.ALERT_STATE, 1)
    heard = json.loads(state.get(b"clock", b'{"heard": {}}'))["heard"]
    return all(
        heard.get(str(number), {"time_s": -1})["time_s"] >= evaluated_s
        for number, evaluated_s in enumerate(progress.evaluated_s)
    )


async def _notified(config: Config, position: int) -> bool:
    [destination] = config.notify.destinations
    consumer = AIOKafkaConsumer(
        bootstrap_servers=config.kafka.bootstrap,
        group_id=f"{config.kafka.group}-notify-{destination.name}",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        source = TopicPartition(config.kafka.topic_prefix + topics.ALERTS, 0)
        return (await consumer.committed(source) or 0) >= position
    finally:
        await consumer.stop()

"""A stage fed by a Faust agent, one record at a time: burn.

Faust commits nothing here: its topics are raw with `acks=False`, and there are no tables. Its consumer
reads committed data only, which no setting of Faust's gives without its own transaction manager; three
small classes do it (tests/kafka/test_contract.py names every private name that they rely on).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver

from stream.config import Kafka
from stream.shell.kafka.partition import Hooks, Kind, OwnedPartition, Partitions
from stream.shell.kafka.security import faust_credentials
from stream.shell.kafka.topics import full_name
from stream.stage import Batch


class _ReadCommittedThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # read when the consumer starts, which is later
        return consumer

    async def on_thread_stop(self) -> None:
        # Without a broker, aiokafka lets the cancellation of its own task out of `stop`.
        with suppress(asyncio.CancelledError):
            await super().on_thread_stop()


class _ReadCommittedConsumer(driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)


class ReadCommittedTransport(driver.Transport):
    Consumer = _ReadCommittedConsumer


class App(faust.App):
    async def on_first_start(self) -> None:
        """Faust makes directories for tables here; there are none."""


def build_app(kafka: Kafka, kind: Kind) -> Any:
    """A Faust app whose consumer group is that of `kind`, set up so that Faust itself commits nothing."""
    servers = ";".join(f"kafka://{server.strip()}" for server in kafka.bootstrap.split(","))
    app = App(
        kind.group(kafka),
        broker=servers,
        broker_credentials=faust_credentials(kafka),
        broker_session_timeout=kafka.session_timeout_s,
        broker_rebalance_timeout=kafka.session_timeout_s,
        broker_heartbeat_interval=kafka.session_timeout_s / 4,
        processing_guarantee="at_least_once",
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        table_standby_replicas=0,  # no tables: else Faust assigns partitions with tables in mind
        web_enabled=False,
        autodiscover=False,
    )
    app.transport = ReadCommittedTransport(app.conf.broker_consumer, app)
    return app


class StageAgents:
    """Runs one stage per owned partition of `kind`'s topic inside a Faust app."""

    def __init__(self, app: Any, kafka: Kafka, kind: Kind, hooks: Hooks) -> None:
        [topic] = kind.inputs
        self.partitions = Partitions(kafka, kind, hooks)
        self.stale = 0
        """Records dropped because they were fetched for a former generation of the group."""
        self._app = app
        self._topic = full_name(kafka, topic)
        self._input = topic
        self._generation = -1
        self._revocations = 0
        source = app.topic(
            self._topic, key_serializer="raw", value_serializer="raw", value_type=bytes, acks=False
        )
        app.agent(source, concurrency=1, name=kind.name)(self._consume)
        app.timer(interval=kafka.commit_every_s, name=f"{kind.name}-commit")(self.partitions.commit)
        # Awaited before Faust reads the committed offset. `on_partitions_assigned` is not.
        app.on_rebalance_complete.connect(self._own, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        app.on_before_shutdown.connect(self._revoked, weak=False)

    async def _own(self, *_: Any, **__: Any) -> None:
        if self._app.should_stop:
            return
        await self.partitions.disown(last_commit=True)  # normally nothing is left; never own one twice
        generation, revocations = self._app.consumer_generation_id, self._revocations
        mine = {source.partition for source in self._app.consumer.assignment() if source.topic == self._topic}

        def ready(_: Sequence[OwnedPartition]) -> bool:
            # Both: the generation changes only when the next assignment is known, some time after the
            # revocation. Either way Faust calls again for the new generation.
            self._generation = generation
            return bool(self._app.consumer_generation_id == generation and self._revocations == revocations)

        await self.partitions.own(mine, ready)

    async def _revoked(self, *_: Any, **__: Any) -> None:
        self._revocations += 1
        await self.partitions.disown(last_commit=not self._app.crashed)

    async def _consume(self, stream: Any) -> AsyncIterator[None]:
        async for event in stream.events():
            message = event.message
            owned = self.partitions.owned.get(message.partition)
            if owned is None or message.generation_id != self._generation:
                self.stale += 1
            else:
                owned.take(self._batch(message))
            yield

    def _batch(self, message: Any) -> Batch:
        return Batch(
            topic=self._input,
            partition=message.partition,
            values=[message.value or b""],
            offsets=[message.offset],
            timestamps_ms=[round(message.timestamp * 1000)],
            next_offset=message.offset + 1,
            keys=[message.key],
        )

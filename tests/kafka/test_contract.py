"""Every private name of a library that the shell relies on. When one fails after an upgrade, read
the library's code again before changing the number here."""

import inspect
from importlib import metadata

import mode
import pytest
from aiokafka import AIOKafkaConsumer, client
from aiokafka.client import AIOKafkaClient
from aiokafka.producer.producer import AIOKafkaProducer
from aiokafka.producer.sender import Sender
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import Message

from stream.config import Kafka
from stream.schema import topics
from stream.shell.kafka.agents import build_app
from tests.kafka.toy import BURN


def in_order(function: object, *pieces: str) -> None:
    """The function's code has these pieces, in this order."""
    code = inspect.getsource(function)  # type: ignore[arg-type]
    places = [code.find(piece) for piece in pieces]
    assert -1 not in places and places == sorted(places), (pieces, places)


@pytest.mark.parametrize(
    ("package", "version"),
    [("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1"), ("aiokafka", "0.14.0")],
)
def test_the_versions_that_were_read(package: str, version: str) -> None:
    assert metadata.version(package) == version


def test_faust_makes_its_consumer_where_we_set_the_isolation_level() -> None:
    assert [*inspect.signature(driver.AIOKafkaConsumerThread._create_worker_consumer).parameters] == [
        "self",
        "transport",
    ]
    in_order(driver.AIOKafkaConsumerThread._create_consumer, "self._create_worker_consumer(transport)")
    in_order(driver.AIOKafkaConsumerThread.on_start, "self._create_consumer(", "self._consumer.start()")
    assert [*inspect.signature(driver.Consumer._new_consumer_thread).parameters] == ["self"]
    in_order(driver.Consumer._new_consumer_thread, "AIOKafkaConsumerThread(self, loop=self.loop")
    assert driver.Transport.Consumer is driver.Consumer


def test_aiokafka_reads_the_isolation_level_only_when_it_starts() -> None:
    in_order(AIOKafkaConsumer.__init__, "self._isolation_level = isolation_level")
    in_order(AIOKafkaConsumer.start, "Fetcher(", "isolation_level=self._isolation_level")


async def test_a_built_app_reads_committed_and_commits_nothing() -> None:
    app = build_app(Kafka(), BURN)
    assert not app.in_transaction
    made = app.consumer._new_consumer_thread()._create_worker_consumer(app.transport)
    assert made._isolation_level == "read_committed"
    assert made._enable_auto_commit is False
    assert [strategy.name for strategy in made._partition_assignment_strategy] == ["roundrobin"]
    assert not app.topic(topics.SPEND, acks=False).acks
    await made.stop()


def test_faust_awaits_rebalance_complete_before_it_reads_the_committed_offset() -> None:
    in_order(
        Recovery._resume_streams,
        "await app.on_rebalance_complete.send()",
        "consumer.resume_partitions(",
        "consumer.perform_seek()",
        "consumer.resume_flow()",
    )


def test_faust_labels_messages_with_the_generation() -> None:
    assert "generation_id" in Message.__slots__
    in_order(driver.Consumer._to_message, "generation_id=self.app.consumer_generation_id")


def test_mode_awaits_on_stop_before_it_cancels_tasks() -> None:
    in_order(mode.Service.stop, "await self.on_stop()", "await self._stop_children()", "_stop_futures()")
    in_order(mode.Service._default_stop_futures, "future.cancel()")


def test_starting_a_transactional_producer_waits_for_its_id() -> None:
    """That is the fence: it must be over when `start` returns."""
    in_order(AIOKafkaProducer.start, "await self._sender.start()")
    in_order(Sender.start, "await self._maybe_wait_for_pid()", "create_task(")


def test_aiokafka_logs_why_it_cannot_connect_with_the_exception_as_an_argument() -> None:
    assert client.log.name == "aiokafka"
    in_order(AIOKafkaClient.bootstrap, """log.error('Unable connect to "%s:%s": %s', host, port, err)""")

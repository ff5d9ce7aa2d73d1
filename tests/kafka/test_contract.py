"""What the shell relies on in the libraries and no documentation promises. When one of these fails after
an upgrade, read the library's code again before changing the number here."""

import inspect
from importlib import metadata

import mode
import pytest
from aiokafka import AIOKafkaConsumer, client
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.producer import AIOKafkaProducer
from aiokafka.producer.sender import Sender
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from faust.app.base import BootStrategy

from stream.config import Kafka
from stream.shell.kafka.agents import build_app
from stream.shell.kafka.record_batches import KeptRecords


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


async def test_the_faust_app_has_no_consumer_no_producer_and_no_tables() -> None:
    """Nobody but the shell reads, commits or seeks."""
    app = build_app(Kafka())
    assert [type(service).__name__ for service in app.boot_strategy.server()] == ["AgentManager"]
    in_order(BootStrategy.server, "self.kafka_producer()", "self.kafka_consumer()", "self.tables()")


def test_records_reach_the_reader_in_the_step_in_which_they_leave_aiokafka() -> None:
    """A seek can't come between, so no record is in the reader's hands with an old position."""
    waits = inspect.getsource(AIOKafkaConsumer.getmany).partition("fetch_context()")[2]
    assert waits.count("await ") == 1
    in_order(
        Fetcher.fetched_records,
        "drained[tp] = records",
        "if drained or not timeout:\n                return drained",
        "await asyncio.wait([waiter]",
    )


def test_what_was_fetched_before_a_seek_is_not_returned_after_it() -> None:
    in_order(FetchResult.check_assignment, "tp_state.paused", "position != self._partition_records.next_")
    in_order(Fetcher.seek_to, "self._subscriptions.seek(tp, offset)", "del self._records[tp]")
    in_order(Fetcher._proc_fetch_request, "tp_state.position != fetch_offset")
    assert inspect.iscoroutinefunction(AIOKafkaConsumer.seek) is False


def test_a_committed_offset_that_comes_late_does_not_undo_a_seek() -> None:
    code = inspect.getsource(Fetcher._update_fetch_positions)
    before, asked, after = code.partition("fetch_committed()")
    guard = "if tp_state.has_valid_position or tp_state.awaiting_reset:"
    assert asked and guard in before and guard in after.partition("tp_state.reset_to(")[0]


def test_a_listener_that_is_at_work_holds_up_the_heartbeat_and_its_errors_are_only_logged() -> None:
    """So partitions are owned in a task of their own, and the listener ends the service itself."""
    in_order(
        GroupCoordinator.ensure_active_group, "await self._do_rejoin_group(", "self._start_heartbeat_task()"
    )
    in_order(GroupCoordinator._on_join_complete, "listener.on_partitions_assigned(", "except Exception:")
    in_order(GroupCoordinator._on_join_prepare, "listener.on_partitions_revoked(", "except Exception:")


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


def test_what_the_reader_of_whole_batches_takes_over() -> None:
    """`record_batches` gives `_unpack_records` again, and steps in where results are stored."""
    in_order(
        PartitionRecords._unpack_records,
        "while records.has_next():",
        "next_batch.validate_crc()",
        "self._consume_aborted_up_to(next_batch.base_offset)",
        "self._aborted_producers.discard(next_batch.producer_id)",
        "next_batch.producer_id in self._aborted_producers",
        "if next_batch.is_control_batch:",
        "record.offset < self.next_fetch_offset",
        "self.next_fetch_offset = record.offset + 1",
    )
    in_order(PartitionRecords.__init__, "self._records_iterator = self._unpack_records()")
    in_order(FetchResult.getall, "for msg in self._partition_records:", "self._update_position()")
    in_order(Fetcher._proc_fetch_request, "self._records[tp] = FetchResult(")
    in_order(Fetcher.fetched_records, "type(res_or_error) is FetchResult")
    in_order(AIOKafkaConsumer.start, "self._fetcher = Fetcher(")


def test_what_is_kept_of_what_was_fetched() -> None:
    """`KeptRecords` takes the place of `MemoryRecords`, and finds where a batch begins as that does."""
    in_order(Fetcher._proc_fetch_request, "records = MemoryRecords(part_data[-1])", "records.has_next()")
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1000)
    builder.append(0, 0, None, b"value", [])
    batch = bytes(builder.build())
    kept = KeptRecords(batch * 3 + batch[:-1])
    begins = []
    while kept.has_next():
        assert kept.next_batch().validate_crc()
        begins.append(kept.begin)
    assert begins == [0, len(batch), 2 * len(batch)]

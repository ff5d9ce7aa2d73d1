"""Reads whole record batches into columns, without an object a record.

aiokafka's `getmany` makes a `ConsumerRecord` of every record, which costs more than all that the meter then
does with it. Here the records of a batch become three columns. It rests on private names of aiokafka, read
at one version and held by `tests/kafka/test_contract.py`; `kafka.read_batches: false` does without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

_LOG_APPEND_TIME: Final = 1


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """What one record batch holds from the position on, as columns."""

    values: list[bytes]
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]


class BatchRecords(PartitionRecords):
    """What was fetched of a partition: gives its record batches where the original gives records.

    As there, the position passes control batches, aborted transactions and what compaction took away.
    """

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[RecordBatch]:
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not (self._aborted(batch) or batch.is_control_batch):
                records = list(batch)
                if records and records[0].offset < self.next_fetch_offset:
                    records = [record for record in records if record.offset >= self.next_fetch_offset]
                if records:
                    yield columns(records)
            self.next_fetch_offset = batch.next_offset

    def _aborted(self, batch: Any) -> bool:
        """Whether its transaction was aborted; keeps account of where those begin and end."""
        if self._isolation_level != READ_COMMITTED or batch.producer_id is None:
            return False
        self._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and self._contains_abort_marker(batch):
            self._aborted_producers.discard(batch.producer_id)
        return batch.is_transactional and batch.producer_id in self._aborted_producers


def columns(records: list[Any]) -> RecordBatch:
    """Columns of records, which are aiokafka's of either kind; of a deleted row the value is empty."""
    first, last, count = records[0], records[-1], len(records)
    whole = last.offset - first.offset == count - 1  # else compaction has taken some
    return RecordBatch(
        [record.value or b"" for record in records],
        range(first.offset, last.offset + 1) if whole else [record.offset for record in records],
        # The log's own time is one for the whole batch.
        [first.timestamp] * count
        if first.timestamp_type == _LOG_APPEND_TIME
        else [record.timestamp for record in records],
    )


class _Fetched(dict[TopicPartition, Any]):
    """Takes the place of the fetcher's store of what has been fetched and not yet been returned."""

    def __setitem__(self, source: TopicPartition, result: Any) -> None:
        if type(result) is FetchResult:  # the rest are errors, to be raised when they are asked for
            records = result._partition_records
            records.__class__ = BatchRecords
            records._records_iterator = records._unpack_records()  # the original's has not begun
        super().__setitem__(source, result)


def give_batches(consumer: Any) -> None:
    """From now on `getmany` of this started consumer gives `RecordBatch` where it gave `ConsumerRecord`."""
    consumer._fetcher._records = _Fetched()


def joined(batches: Sequence[RecordBatch]) -> RecordBatch:
    """Batches that follow each other, as one."""
    if len(batches) == 1:
        return batches[0]
    offsets: Sequence[int] = range(batches[0].offsets[0], batches[-1].offsets[-1] + 1)
    if len(offsets) != sum(len(batch.offsets) for batch in batches):
        offsets = [offset for batch in batches for offset in batch.offsets]
    return RecordBatch(
        [value for batch in batches for value in batch.values],
        offsets,
        [time_ms for batch in batches for time_ms in batch.timestamps_ms],
    )

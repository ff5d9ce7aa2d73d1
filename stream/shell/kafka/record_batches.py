"""Reads whole record batches into columns, without an object a record.

aiokafka's `getmany` makes a `ConsumerRecord` of every record, which costs more than all that the meter then
does with it. Here the records of a batch become three columns; with `in_place`, messages are not even copied
out of what was fetched (`records.pyx`), or was unpacked of it. It rests on private names of aiokafka, read
at one version and held by `tests/kafka/test_contract.py`; `kafka.read_batches: false` does without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from stream.messages import Messages

try:
    from stream.shell.kafka.records import Records
except ImportError:  # there was no C compiler to build it
    Records = None  # type: ignore[assignment, misc]

_LOG_APPEND_TIME: Final = 1
_LOG_OVERHEAD: Final = 12  # bytes before and with a batch's length, which that does not count

# What the last bits of a batch's attributes say of its records, and where those bits and the records are.
_CODECS: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    1: gzip_decode,
    2: snappy_decode,
    3: lz4_decode,
    4: zstd_decode,
}
_CODEC_BITS: Final = 7
_ATTRIBUTES: Final = 22
_RECORDS: Final = 61


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """What one record batch holds from the position on, as columns."""

    values: Sequence[bytes]
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]


class KeptRecords(MemoryRecords):
    """What was fetched, with its bytes at hand and the place of the next batch in them."""

    def __init__(self, fetched: bytes) -> None:
        super().__init__(fetched)
        self.fetched = fetched
        self.place = 0

    def next_batch(self) -> Any:
        self.begin = self.place
        self.place += _LOG_OVERHEAD + int.from_bytes(self.fetched[self.place + 8 : self.place + 12])
        return super().next_batch()


class BatchRecords(PartitionRecords):
    """What was fetched of a partition: gives its record batches where the original gives records.

    As there, the position passes control batches, aborted transactions and what compaction took away.
    """

    next_fetch_offset: int
    in_place = False

    def _unpack_records(self) -> Iterator[RecordBatch]:
        found = Records(self._records.fetched) if self.in_place else None
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not self._sound(batch, found):
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not (
                self._aborted(batch)
                or batch.is_control_batch
                or (found is not None and found.add(self._records.begin, self.next_fetch_offset))
            ):
                if found:
                    yield places(self._records.fetched, found)
                yield from self._unpacked(batch)
            self.next_fetch_offset = batch.next_offset
        if found:
            yield places(self._records.fetched, found)

    def _unpacked(self, batch: Any) -> Iterator[RecordBatch]:
        """A batch that could not be read where it is."""
        if self.in_place:
            plain = unpacked(self._records.fetched[self._records.begin : self._records.place])
            found = Records(plain)
            if found.add(0, self.next_fetch_offset):
                if found:
                    yield places(plain, found)
                return
        records = [record for record in batch if record.offset >= self.next_fetch_offset]
        if records:
            yield columns(records)

    def _sound(self, batch: Any, found: "Records | None") -> bool:
        sound = None if found is None else found.sound(self._records.begin)
        return batch.validate_crc() if sound is None else sound

    def _aborted(self, batch: Any) -> bool:
        """Whether its transaction was aborted; keeps account of where those begin and end."""
        if self._isolation_level != READ_COMMITTED or batch.producer_id is None:
            return False
        self._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and self._contains_abort_marker(batch):
            self._aborted_producers.discard(batch.producer_id)
        return batch.is_transactional and batch.producer_id in self._aborted_producers


def unpacked(batch: bytes) -> bytes:
    """A record batch with its records not compressed; its checksum is not made anew."""
    codec = _CODECS.get(batch[_ATTRIBUTES] & _CODEC_BITS)
    if codec is None:
        return batch
    head = bytearray(batch[:_RECORDS])
    head[_ATTRIBUTES] &= ~_CODEC_BITS
    records = codec(batch[_RECORDS:])
    head[8:12] = (len(head) + len(records) - _LOG_OVERHEAD).to_bytes(4)
    return bytes(head) + records


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


def places(fetched: bytes, found: "Records") -> RecordBatch:
    """Columns of messages that stay where they are."""
    begins, sizes, offsets, times_ms = found.taken()
    span = range(offsets[0], offsets[-1] + 1)
    return RecordBatch(
        Messages(fetched, begins, sizes), span if len(span) == len(offsets) else offsets, times_ms
    )


class _Fetched(dict[TopicPartition, Any]):
    """Takes the place of the fetcher's store of what has been fetched and not yet been returned."""

    def __init__(self, in_place: bool) -> None:
        self._in_place = in_place

    def __setitem__(self, source: TopicPartition, result: Any) -> None:
        if type(result) is FetchResult:  # the rest are errors, to be raised when they are asked for
            records = result._partition_records
            records.__class__ = BatchRecords
            records.in_place = self._in_place and isinstance(records._records, KeptRecords)
            records._records_iterator = records._unpack_records()  # the original's has not begun
        super().__setitem__(source, result)


def give_batches(consumer: Any, in_place: bool = False) -> None:
    """From now on `getmany` of this started consumer gives `RecordBatch` where it gave `ConsumerRecord`.

    `in_place` leaves messages where they were fetched, if that part was built. For it the fetcher's module
    keeps the bytes of what any consumer of this process fetches, as long as it keeps the rest.
    """
    in_place = in_place and Records is not None
    if in_place:
        fetcher.MemoryRecords = KeptRecords
    consumer._fetcher._records = _Fetched(in_place)


def joined(batches: Sequence[RecordBatch]) -> RecordBatch:
    """Batches that follow each other, as one."""
    if len(batches) == 1:
        return batches[0]
    offsets: Sequence[int] = range(batches[0].offsets[0], batches[-1].offsets[-1] + 1)
    if len(offsets) != sum(len(batch.offsets) for batch in batches):
        offsets = [offset for batch in batches for offset in batch.offsets]
    return RecordBatch(
        _values([batch.values for batch in batches]),
        offsets,
        [time_ms for batch in batches for time_ms in batch.timestamps_ms],
    )


def _values(parts: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
    kept = [part for part in parts if isinstance(part, Messages)]
    return Messages.joined(kept) if len(kept) == len(parts) else [value for part in parts for value in part]

"""Raw messages to checked columns. Whatever fails a check becomes a dead letter with its reason."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, cast

import numpy as np

from stream.config import Meter as Limits
from stream.meter import columnar
from stream.meter import decode as decoding
from stream.meter.columnar import UNREADABLE
from stream.meter.columns import (
    DUPLICATE,
    HAS_COST,
    LATE,
    MAX_TIME_MS,
    Bools,
    Columns,
    Floats,
    Ints,
    Pack,
    Rows,
)  # fmt: skip
from stream.meter.compiled import ColumnScanner, Scanner
from stream.meter.counters import Counters
from stream.meter.money import NANO
from stream.meter.sequence import Sequences
from stream.meter.series import INVALID, SeriesTable
from stream.meter.sources import Sources
from stream.schema import dead_letters
from stream.schema.dead_letters import DeadLetter, Reason
from stream.schema.usage import MISSING, Estimate, Message
from stream.schema.usage_columns import Series
from stream.stage import Batch

OLDEST_MS: Final = 35 * 86_400_000  # the longest ring: no window holds what is older
MAX_QUANTITY: Final = 1e18  # an exabyte; beyond it lies a unit mistake

# Messages read at one go. One that fails has its neighbours read again, ever fewer.
_RUN: Final = 256
_FEW: Final = 16


class _Read:
    """What was read of messages, in their order: as rows, or as columns at once."""

    def __init__(self) -> None:
        self.rows = Rows()
        self._parts: list[Columns] = []

    def add(self, columns: Columns) -> None:
        self._close()
        self._parts.append(columns)

    def all(self) -> list[Columns]:
        self._close()
        return self._parts

    def _close(self) -> None:
        if self.rows.start:
            self._parts.append(self.rows.columns())
            self.rows = Rows()


class Intake:
    """Reads batches of one usage partition. `packs` and `letters` hold what has come since `clear`."""

    def __init__(self, limits: Limits, table: SeriesTable, sequences: Sequences, sources: Sources) -> None:
        self.counters = Counters()
        self.watermark_ms = -1
        self.packs: list[Pack] = []
        self.letters: list[DeadLetter] = []
        self._limits = limits
        self._table = table
        self._sequences = sequences
        self._sources = sources
        self._scanner = None
        self._column_scanner = None
        if limits.compiled and Scanner is not None:
            self._scanner = Scanner(table.number, limits.max_message_bytes)
            self._column_scanner = ColumnScanner()

    def clear(self) -> None:
        self.packs = []
        self.letters = []

    def forget(self) -> None:
        """Called when the table has been cleared: what is remembered by its numbers is void."""
        if self._scanner is not None:
            self._scanner.clear()

    def take(self, batch: Batch) -> None:
        """Decode, drop repeats, check. The watermark moves to the newest `end` that arrived."""
        parts = []
        self._sources.begin(len(batch.values))
        position, step = 0, 1 if self._scanner else len(batch.values)
        while position < len(batch.values):
            if self._scanner is not None:
                stop = self._scanner.scan(batch.values, position)
                if stop > position:
                    parts.append(self._scanned(self._scanner))
                    step = 1
                position = stop
            # One that is not plain rarely comes alone: ever more of them are read before the next try.
            last = min(position + step, len(batch.values))
            if last > position:
                read = _Read()
                for first in range(position, last, _RUN):
                    self._read(batch, first, min(first + _RUN, last), read)
                parts += read.all()
                position, step = last, min(2 * step, _RUN)
        parts = [part for part in parts if len(part.message)]
        if parts:
            self._check(batch, Columns.joined(parts))

    def _scanned(self, scanner: Scanner) -> Columns:
        whole, real, sequences, sources = scanner.taken()
        message, start, end, series, cost_nusd, rest_ausd = whole
        quantity, cost_usd = real
        repeated = np.zeros(len(message), np.bool_)
        if sequences.shape[1]:
            self._sources.spoke_all(sequences[0], sequences[1], sources)
            is_new = self._sequences.is_new
            seen = {
                each: seq >= 0 and not is_new(sources[source], epoch, seq)
                for each, source, epoch, seq in sequences.T.tolist()
            }
            if any(seen.values()):
                repeated = np.array([seen.get(each, False) for each in message.tolist()], np.bool_)
        exact = np.ones(len(message), np.bool_)
        end = np.minimum(end, MAX_TIME_MS)
        start = np.minimum(start, MAX_TIME_MS)
        return Columns(message, repeated, series, start, end, quantity, cost_usd, cost_nusd, rest_ausd, exact)

    def _read(self, batch: Batch, first: int, last: int, read: "_Read") -> None:
        if self._at_one_go(batch, first, last, read.rows):
            return
        if last - first > _FEW:
            middle = (first + last) // 2
            self._read(batch, first, middle, read)
            self._read(batch, middle, last, read)
        else:
            for index in range(first, last):
                self._one_by_one(batch, index, read)

    def _at_one_go(self, batch: Batch, first: int, last: int, rows: Rows) -> bool:
        """Read messages of one estimate each that end with their labels, or nothing, if one is not such.

        Most label sets are known by their bytes, and are not parsed again.
        """
        values = batch.values[first:last]
        if max(map(len, values)) > self._limits.max_message_bytes:
            return False
        try:
            pairs = decoding.heads_and_tails(values)
        except UNREADABLE:
            return False
        tails = [(tail, head.driver, head.sku) for head, tail in pairs]
        numbers = list(map(self._table.tails.get, tails))
        if None in numbers:
            numbers = [
                self._table.add_tail(tail) if number is None else number
                for number, tail in zip(numbers, tails, strict=True)
            ]
            if INVALID in numbers:
                return False
        heads = [head for head, _ in pairs]
        is_new = self._sequences.is_new
        for index, head in enumerate(heads, first):
            self._sources.spoke(index, head.source)
        rows.add(heads)
        rows.series += cast(list[int], numbers)
        rows.message += range(first, last)
        rows.repeated += [head.seq >= 0 and not is_new(head.source, head.epoch, head.seq) for head in heads]
        return True

    def _one_by_one(self, batch: Batch, index: int, read: "_Read") -> None:
        columns = self._plain_columns(index, batch.values[index])
        if columns is not None:
            read.add(columns)
            return
        decoded = decoding.decode(batch.values[index], self._limits.max_message_bytes)
        for fault in decoded.faults:
            self.counters.sent_events += 1
            self._reject(batch, index, fault, 0)
        count = len(decoded.estimates) if decoded.columns is None else len(decoded.columns.series)
        if not count:
            return
        source, epoch, seq = decoded.sequence
        self._sources.spoke(index, source)
        repeated = seq >= 0 and not self._sequences.is_new(source, epoch, seq)
        if decoded.columns is not None:
            numbers = np.array(self._numbers(decoded.series, decoded.labels), np.int64)
            read.add(decoded.columns.read(np.full(count, index), np.full(count, repeated), numbers))
        else:
            read.rows.add(decoded.estimates)
            read.rows.series += self._numbers(decoded.estimates, decoded.labels)
            read.rows.message += [index] * count
            read.rows.repeated += [repeated] * count

    def _plain_columns(self, index: int, value: bytes) -> Columns | None:
        """An envelope in columns that is plain and without a mistake to be seen yet; None for all else."""
        if self._column_scanner is None or len(value) > self._limits.max_message_bytes:
            return None
        found = self._column_scanner.read(value)
        if found is None:
            return None
        source, epoch, seq, labels, series, whole, quantity = found
        numbers = self._table.numbers(labels, series)
        columns = None if numbers is None else columnar.plain(index, numbers, whole, quantity)
        if columns is not None:
            self._sources.spoke(index, source)
            if seq >= 0 and not self._sequences.is_new(source, epoch, seq):
                columns.repeated[:] = True
        return columns

    def _numbers(self, estimates: Sequence[Estimate | Message | Series], shared: bytes) -> list[int]:
        known = self._table.ids
        keys = [(shared, bytes(each.labels), each.driver, each.sku) for each in estimates]
        numbers = [known.get(key, INVALID) for key in keys]
        if INVALID in numbers:
            for index, number in enumerate(numbers):
                if number == INVALID:
                    key = keys[index]
                    numbers[index] = known[key] if key in known else self._table.add(key)
        return numbers

    def refuse(self, batch: Batch, detail: str) -> None:
        """Count what a reader could not turn into messages: its rows are `batch`'s values, as they were."""
        for index, original in enumerate(batch.values):
            self.counters.sent_events += 1
            self._reject(batch, index, decoding.Fault(Reason.UNREADABLE_ROW, detail, original), 0)

    def _check(self, batch: Batch, read: Columns) -> None:
        message, repeated, series, start, end = read.message, read.repeated, read.series, read.start, read.end
        times_ms = np.asarray(batch.timestamps_ms, np.int64)
        arrived = times_ms[message]
        has_cost, has_quantity = read.cost_usd != MISSING, read.quantity != MISSING
        cost_usd = np.where(has_cost, read.cost_usd, 0.0)
        quantity = np.where(has_quantity, read.quantity, 0.0)
        finite = np.isfinite(cost_usd) & np.isfinite(quantity)
        future = arrived + self._limits.future_s * 1000
        # In this order: the first that holds is the reason given.
        tests = (
            (Reason.LABELS_INVALID, series == INVALID),
            (Reason.WRONG_SCHEMA, ~has_cost & ~has_quantity),
            (Reason.NOT_FINITE, ~finite),
            (Reason.NEGATIVE_QUANTITY, quantity < 0),
            (Reason.END_BEFORE_START, end < start),
            (Reason.SPAN_TOO_LONG, end - start > self._limits.max_span_s * 1000),
            (Reason.IN_THE_FUTURE, (start > future) | (end > future)),
            (Reason.TOO_OLD, end < np.maximum(arrived, self.watermark_ms) - OLDEST_MS),
            (Reason.COST_OUT_OF_RANGE, self._too_dear(series, start, quantity, cost_usd, has_cost)),
        )
        bad = np.zeros(len(message), np.bool_)
        reasons: dict[int, Reason] = {}
        for reason, failed in tests:
            reasons |= dict.fromkeys(np.flatnonzero(failed & ~bad).tolist(), reason)
            bad |= failed
        cost_nusd, rest_ausd = self._money(batch, read, bad)
        self.counters.sent_events += len(message)
        apart, decoded = -1, decoding.Decoded()
        for index, reason in sorted(reasons.items()):
            position = int(message[index])
            if apart != position:  # read again, once a message
                apart, decoded = position, decoding.take_apart(batch.values[position])
            number = index - int(np.searchsorted(message, position))
            self._reject_estimate(batch, position, decoded, number, reason)
        end = np.maximum(end, start + 1)  # a charge at one instant lands in the bucket of that instant
        good = ~bad
        newest = np.where(good & ~repeated, np.minimum(end, arrived), -1)
        self._sources.sent(message, series, newest, times_ms)
        reached = np.maximum.accumulate(np.concatenate(([self.watermark_ms], newest)))
        # Behind the messages before its own, so that it matters not how they came in batches.
        late = end <= reached[_first_of_each(message)] - self._limits.late_after_s * 1000
        self.watermark_ms = int(reached[-1])
        if good.any():
            flags = has_cost * HAS_COST + repeated * DUPLICATE + late * LATE
            pack = Pack(series, start, end, quantity, flags, cost_nusd, rest_ausd)
            self.packs.append(pack if good.all() else pack.keep(good))

    def _too_dear(
        self, series: Ints, start: Ints, quantity: Floats, cost_usd: Floats, has_cost: Bools
    ) -> Bools:
        """Beyond the sanity bound. Priced estimates are judged by the price as a float: it is a bound."""
        usd = np.abs(cost_usd)
        to_price = np.flatnonzero(~has_cost & (series != INVALID) & np.isfinite(quantity))
        if len(to_price):
            prices = self._table.prices(series[to_price], start[to_price])
            usd = usd.copy()
            usd[to_price] = quantity[to_price] * np.nan_to_num(prices) / NANO
        return (usd > self._limits.max_estimate_usd) | (quantity > MAX_QUANTITY)

    def _money(self, batch: Batch, read: Columns, bad: Bools) -> tuple[Ints, Ints]:
        """Exact nano-dollars and the rest below. What the fast ways can't prove is read again."""
        nusd, rest = read.cost_nusd, read.rest_ausd
        unproven = ~read.exact & ~bad
        for position in np.unique(read.message[unproven]):
            members = np.flatnonzero(read.message == position)
            exact = decoding.exact_costs(batch.values[position])
            for index, cost in zip(members, exact, strict=True):
                if unproven[index] and cost is not None:
                    atto = int((cost * Decimal(10**18)).to_integral_value())
                    nusd[index], rest[index] = divmod(atto, NANO)
        return nusd, rest

    def _reject_estimate(
        self, batch: Batch, position: int, decoded: decoding.Decoded, number: int, reason: Reason
    ) -> None:
        """Reject the readable estimate `number` of a message."""
        estimate = decoded.estimates[number]
        detail = f"start {estimate.start}, end {estimate.end}, driver {estimate.driver[:60]!r}"
        if reason is Reason.LABELS_INVALID:
            key = (decoded.labels, bytes(estimate.labels), estimate.driver, estimate.sku)
            detail = self._table.problem(key)
        stated = estimate.cost_usd
        cost_nusd = round(stated * NANO) if abs(stated) <= self._limits.max_estimate_usd else 0
        self.counters.sent_nusd += cost_nusd
        fault = decoding.Fault(reason, detail, decoded.originals[number])
        self._reject(batch, position, fault, cost_nusd)

    def _reject(self, batch: Batch, position: int, fault: decoding.Fault, cost_nusd: int) -> None:
        counters = self.counters
        counters.rejected_events += 1
        counters.rejected_nusd += cost_nusd
        by_reason = counters.rejected_by_reason
        by_reason[fault.reason.value] = by_reason.get(fault.reason.value, 0) + 1
        self.letters.append(
            DeadLetter(
                topic=batch.topic,
                partition=batch.partition,
                offset=batch.offsets[position],
                timestamp_ms=batch.timestamps_ms[position],
                reason=fault.reason,
                detail=fault.detail[:500],
                cost_nusd=cost_nusd,
                original=dead_letters.pack_original(fault.original),
                original_bytes=len(fault.original),
            )
        )


def _first_of_each(message: Ints) -> Ints:
    """For each estimate the place of the first one of its message."""
    begins = np.concatenate(([True], message[1:] != message[:-1]))
    return np.maximum.accumulate(np.where(begins, np.arange(len(message)), 0))

"""Raw messages to checked columns. Whatever fails a check becomes a dead letter with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from stream.config import Meter as Limits
from stream.meter import decode as decoding
from stream.meter.counters import Counters
from stream.meter.money import NANO, nusd_of
from stream.meter.sequence import Sequences
from stream.meter.series import INVALID, SeriesTable
from stream.schema import dead_letters
from stream.schema.dead_letters import DeadLetter, Reason
from stream.schema.usage import MISSING, Estimate, Head, Message
from stream.stage import Batch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OLDEST_MS: Final = 35 * 86_400_000  # the longest ring: no window holds what is older
MAX_TIME_MS: Final = 253_402_300_799_000  # the end of the year 9999
MAX_QUANTITY: Final = 1e18  # an exabyte; beyond it lies a unit mistake


HAS_COST: Final = 1  # flags of an estimate: without this one a price must be found
DUPLICATE: Final = 2
LATE: Final = 4
# Messages read at one go. One that fails has its neighbours read again, ever fewer.
_RUN: Final = 256
_FEW: Final = 16


@dataclass(slots=True)
class Pack:
    """Columns of the estimates of one batch that passed. `rest_ausd` is what a cost has below a
    nano-dollar, in 1e-18 USD."""

    series: Ints
    start: Ints
    end: Ints
    quantity: Floats
    flags: Ints
    cost_nusd: Ints
    rest_ausd: Ints

    def keep(self, mask: NDArray[np.bool_]) -> "Pack":
        return Pack(*(getattr(self, name)[mask] for name in self.__slots__))

    @classmethod
    def joined(cls, packs: Sequence["Pack"]) -> "Pack":
        return cls(*(np.concatenate([getattr(pack, name) for pack in packs]) for name in cls.__slots__))


@dataclass(slots=True)
class _Read:
    """Estimates of one batch as they were read, a list a field. `message` says which message each is from,
    `repeated` whether that message has come before."""

    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    quantity: list[float] = field(default_factory=list)
    cost_usd: list[float] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    repeated: list[bool] = field(default_factory=list)

    def add(self, estimates: Sequence[Estimate | Message | Head]) -> None:
        self.start += [estimate.start for estimate in estimates]
        self.end += [estimate.end for estimate in estimates]
        self.quantity += [estimate.quantity for estimate in estimates]
        self.cost_usd += [estimate.cost_usd for estimate in estimates]


class Intake:
    """Reads batches of one usage partition. `packs` and `letters` hold what has come since `clear`."""

    def __init__(self, limits: Limits, table: SeriesTable, sequences: Sequences) -> None:
        self.counters = Counters()
        self.watermark_ms = -1
        self.packs: list[Pack] = []
        self.letters: list[DeadLetter] = []
        self._limits = limits
        self._table = table
        self._sequences = sequences

    def clear(self) -> None:
        self.packs = []
        self.letters = []

    def take(self, batch: Batch) -> None:
        """Decode, drop repeats, check. The watermark moves to the newest `end` that arrived."""
        read = _Read()
        for first in range(0, len(batch.values), _RUN):
            self._read(batch, first, min(first + _RUN, len(batch.values)), read)
        if read.start:
            self._check(batch, read)

    def _read(self, batch: Batch, first: int, last: int, read: _Read) -> None:
        if self._at_one_go(batch, first, last, read):
            return
        if last - first > _FEW:
            middle = (first + last) // 2
            self._read(batch, first, middle, read)
            self._read(batch, middle, last, read)
        else:
            for index in range(first, last):
                self._one_by_one(batch, index, read)

    def _at_one_go(self, batch: Batch, first: int, last: int, read: _Read) -> bool:
        """Read messages of one estimate each that end with their labels, or nothing, if one is not such.

        Most label sets are known by their bytes, and are not parsed again.
        """
        values = batch.values[first:last]
        if max(map(len, values)) > self._limits.max_message_bytes:
            return False
        try:
            pairs = decoding.heads_and_tails(values)
        except decoding.UNREADABLE:
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
        read.add(heads)
        read.series += cast(list[int], numbers)
        read.message += range(first, last)
        read.repeated += [head.seq >= 0 and not is_new(head.source, head.epoch, head.seq) for head in heads]
        return True

    def _one_by_one(self, batch: Batch, index: int, read: _Read) -> None:
        decoded = decoding.decode(batch.values[index], self._limits.max_message_bytes)
        for fault in decoded.faults:
            self.counters.sent_events += 1
            self._reject(batch, index, fault, 0)
        estimates = decoded.estimates
        if estimates:
            repeated = decoded.sequence is not None and not self._sequences.is_new(*decoded.sequence)
            read.add(estimates)
            read.series += self._numbers(estimates, decoded.labels)
            read.message += [index] * len(estimates)
            read.repeated += [repeated] * len(estimates)

    def _numbers(self, estimates: Sequence[Estimate | Message], shared: bytes) -> list[int]:
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

    def _check(self, batch: Batch, read: _Read) -> None:
        message, repeated = np.array(read.message, np.int64), np.array(read.repeated, np.bool_)
        arrived = np.asarray(batch.timestamps_ms, np.int64)[message]
        start, end = _times(read.start), _times(read.end)
        quantity, cost_usd = np.array(read.quantity), np.array(read.cost_usd)
        has_cost, has_quantity = cost_usd != MISSING, quantity != MISSING
        series = np.array(read.series, np.int64)
        cost_usd = np.where(has_cost, cost_usd, 0.0)
        quantity = np.where(has_quantity, quantity, 0.0)
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
        cost_nusd, rest_ausd = self._money(batch, np.where(finite & ~bad, cost_usd, 0.0), message)
        self.counters.sent_events += len(message)
        for index, reason in reasons.items():
            position = int(message[index])
            self._reject_estimate(batch, position, index - int(np.searchsorted(message, position)), reason)
        end = np.maximum(end, start + 1)  # a charge at one instant lands in the bucket of that instant
        good = ~bad
        newest = np.where(good & ~repeated, np.minimum(end, arrived), -1)
        reached = np.maximum.accumulate(np.concatenate(([self.watermark_ms], newest)))
        # Behind the messages before its own, so that it matters not how they came in batches.
        late = end <= reached[_first_of_each(message)] - self._limits.late_after_s * 1000
        self.watermark_ms = int(reached[-1])
        if good.any():
            flags = has_cost * HAS_COST + repeated * DUPLICATE + late * LATE
            pack = Pack(series, start, end, quantity, flags, cost_nusd, rest_ausd)
            self.packs.append(pack if good.all() else pack.keep(good))

    def _too_dear(
        self, series: Ints, start: Ints, quantity: Floats, cost_usd: Floats, has_cost: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Beyond the sanity bound. Priced estimates are judged by the price as a float: it is a bound."""
        usd = np.abs(cost_usd)
        to_price = np.flatnonzero(~has_cost & (series != INVALID) & np.isfinite(quantity))
        if len(to_price):
            prices = self._table.prices(series[to_price], start[to_price])
            usd = usd.copy()
            usd[to_price] = quantity[to_price] * np.nan_to_num(prices) / NANO
        return (usd > self._limits.max_estimate_usd) | (quantity > MAX_QUANTITY)

    def _money(self, batch: Batch, cost_usd: Floats, message: Ints) -> tuple[Ints, Ints]:
        """Exact nano-dollars and the rest below. What the fast way can't prove is read again."""
        nusd, proven = nusd_of(cost_usd)
        rest = np.zeros(len(nusd), np.int64)
        for position in np.unique(message[~proven]):
            members = np.flatnonzero(message == position)
            exact = decoding.exact_costs(batch.values[position])
            for index, cost in zip(members, exact, strict=True):
                if not proven[index] and cost is not None:
                    atto = int((cost * Decimal(10**18)).to_integral_value())
                    nusd[index], rest[index] = divmod(atto, NANO)
        return nusd, rest

    def _reject_estimate(self, batch: Batch, position: int, number: int, reason: Reason) -> None:
        """Reject the readable estimate `number` of a message, which is read again: that is rare."""
        value = batch.values[position]
        decoded = decoding.decode(value, self._limits.max_message_bytes)
        estimate = decoded.estimates[number]
        detail = f"start {estimate.start}, end {estimate.end}, driver {estimate.driver[:60]!r}"
        if reason is Reason.LABELS_INVALID:
            key = (decoded.labels, bytes(estimate.labels), estimate.driver, estimate.sku)
            detail = self._table.problem(key)
        stated = estimate.cost_usd
        cost_nusd = round(stated * NANO) if abs(stated) <= self._limits.max_estimate_usd else 0
        self.counters.sent_nusd += cost_nusd
        raw = decoding.original(value, number)
        self._reject(batch, position, decoding.Fault(reason, detail, raw), cost_nusd)

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


def _times(values: list[int]) -> Ints:
    """Epoch milliseconds; what no calendar holds is moved just beyond it, where the checks reject it."""
    try:
        times = np.array(values, np.int64)
    except OverflowError:
        times = np.array([max(-MAX_TIME_MS, min(value, MAX_TIME_MS)) for value in values], np.int64)
    return np.clip(times, -MAX_TIME_MS, MAX_TIME_MS)


def _first_of_each(message: Ints) -> Ints:
    """For each estimate the place of the first one of its message."""
    begins = np.concatenate(([True], message[1:] != message[:-1]))
    return np.maximum.accumulate(np.where(begins, np.arange(len(message)), 0))

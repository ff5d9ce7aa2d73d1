"""Raw messages to checked columns. Whatever fails a check becomes a dead letter with its reason."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

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
from stream.schema.usage import MISSING, Estimate, Message
from stream.stage import Batch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OLDEST_MS: Final = 35 * 86_400_000  # the longest ring: no window holds what is older
MAX_TIME_MS: Final = 253_402_300_799_000  # the end of the year 9999
MAX_QUANTITY: Final = 1e18  # an exabyte; beyond it lies a unit mistake


@dataclass(slots=True)
class Pack:
    """Columns of the estimates of one batch that passed. `rest_ausd` is what a cost has below a
    nano-dollar, in 1e-18 USD; `has_cost` is 0 where a price must be found."""

    series: Ints
    start: Ints
    end: Ints
    quantity: Floats
    has_cost: Ints
    cost_nusd: Ints
    rest_ausd: Ints
    duplicate: Ints
    late: Ints

    def keep(self, mask: NDArray[np.bool_]) -> "Pack":
        return Pack(*(getattr(self, name)[mask] for name in self.__slots__))


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
        estimates: list[Estimate | Message] = []
        shared: list[bytes] = []
        message: list[int] = []
        repeated: list[int] = []
        for index, value in enumerate(batch.values):
            decoded = decoding.decode(value, self._limits.max_message_bytes)
            for fault in decoded.faults:
                self.counters.sent_events += 1
                self._reject(batch, index, fault, 0)
            count = len(decoded.estimates)
            if count:
                repeat = decoded.sequence is not None and not self._sequences.is_new(*decoded.sequence)
                estimates += decoded.estimates
                shared += [decoded.labels] * count
                message += [index] * count
                repeated += [int(repeat)] * count
        if estimates:
            self._check(batch, estimates, shared, np.array(message, np.int64), np.array(repeated, np.int64))

    def refuse(self, batch: Batch, detail: str) -> None:
        """Count what a reader could not turn into messages: its rows are `batch`'s values, as they were."""
        for index, original in enumerate(batch.values):
            self.counters.sent_events += 1
            self._reject(batch, index, decoding.Fault(Reason.UNREADABLE_ROW, detail, original), 0)

    def _check(
        self,
        batch: Batch,
        estimates: list[Estimate | Message],
        shared: list[bytes],
        message: Ints,
        repeated: Ints,
    ) -> None:
        arrived = np.asarray(batch.timestamps_ms, np.int64)[message]
        start = _times([estimate.start for estimate in estimates])
        end = _times([estimate.end for estimate in estimates])
        quantity = np.array([estimate.quantity for estimate in estimates])
        cost_usd = np.array([estimate.cost_usd for estimate in estimates])
        has_cost, has_quantity = cost_usd != MISSING, quantity != MISSING
        series = self._number(estimates, shared)
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
        bad = np.zeros(len(estimates), np.bool_)
        reasons: dict[int, Reason] = {}
        for reason, failed in tests:
            reasons |= dict.fromkeys(np.flatnonzero(failed & ~bad).tolist(), reason)
            bad |= failed
        cost_nusd, rest_ausd = self._money(batch, np.where(finite & ~bad, cost_usd, 0.0), message)
        self.counters.sent_events += len(estimates)
        for index, reason in reasons.items():
            self._reject_estimate(batch, estimates, message, index, reason, shared[index])
        end = np.maximum(end, start + 1)  # a charge at one instant lands in the bucket of that instant
        good = ~bad
        newest = np.where(good & (repeated == 0), np.minimum(end, arrived), -1)
        reached = np.maximum.accumulate(np.concatenate(([self.watermark_ms], newest)))
        # Behind the messages before its own, so that it matters not how they came in batches.
        late = end <= reached[np.searchsorted(message, message)] - self._limits.late_after_s * 1000
        self.watermark_ms = int(reached[-1])
        if good.any():
            pack = Pack(
                series,
                start,
                end,
                quantity,
                has_cost.astype(np.int64),
                cost_nusd,
                rest_ausd,
                repeated,
                late.astype(np.int64),
            )
            self.packs.append(pack if good.all() else pack.keep(good))

    def _number(self, estimates: list[Estimate | Message], shared: list[bytes]) -> Ints:
        known = self._table.ids
        keys = [
            (prefix, bytes(estimate.labels), estimate.driver, estimate.sku)
            for prefix, estimate in zip(shared, estimates, strict=True)
        ]
        numbers = [known.get(key, INVALID) for key in keys]
        if INVALID in numbers:
            for index, number in enumerate(numbers):
                if number == INVALID:
                    key = keys[index]
                    numbers[index] = known[key] if key in known else self._table.add(key)
        return np.array(numbers, np.int64)

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

    def _reject_estimate(
        self,
        batch: Batch,
        estimates: list[Estimate | Message],
        message: Ints,
        index: int,
        reason: Reason,
        shared: bytes,
    ) -> None:
        estimate = estimates[index]
        position = int(message[index])
        raw = decoding.original(batch.values[position], index - int(np.searchsorted(message, position)))
        detail = f"start {estimate.start}, end {estimate.end}, driver {estimate.driver[:60]!r}"
        if reason is Reason.LABELS_INVALID:
            detail = self._table.problem((shared, bytes(estimate.labels), estimate.driver, estimate.sku))
        stated = estimate.cost_usd
        cost_nusd = round(stated * NANO) if abs(stated) <= self._limits.max_estimate_usd else 0
        self.counters.sent_nusd += cost_nusd
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

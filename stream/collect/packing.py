"""Charges cut, put in order of `end` and packed into messages of the native `usage` format."""

import heapq
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from stream.collect.reader import Charge, Meter, Tally, UsageMessage
from stream.collect.values import EXACT, ROUNDED

ESTIMATES_A_MESSAGE: Final = 100
# A producer sends at least once a minute, so a message never holds what ended further apart.
MESSAGE_SPAN_MS: Final = 60_000
# Half of the 1 MB that a broker takes by default.
MESSAGE_BYTES: Final = 500_000
# A quantity shared among pieces is rounded to at least 1e-12 of its unit; the pieces add up to the whole.
SHARE_DIGITS: Final = 12

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class _Estimate(msgspec.Struct, omit_defaults=True, kw_only=True):
    start: int
    end: int
    driver: str
    quantity: Decimal | None = None
    cost_usd: str | None = None
    sku: str | None = None
    labels: msgspec.Raw


class _Envelope(msgspec.Struct):
    source: str
    epoch: int
    seq: int
    labels: dict[str, str]
    estimates: list[msgspec.Raw]


def in_order_of_end(charges: list[Charge], piece_ms: int) -> Iterator[Charge]:
    """Charges cut into pieces of at most `piece_ms`, in order of `end`, then row.

    What fits in one piece stays whole. Longer charges are cut at multiples of `piece_ms` (for a day: at
    midnight UTC), so that the pieces of many charges share their span, as samples of a live collector do.
    Costs and quantities are shared by time. Each piece is the rounded share up to its end less that up to
    its start, so the pieces add up to the whole exactly.
    """

    def first_end(charge: Charge) -> int:
        if charge.end_ms - charge.start_ms <= piece_ms:
            return charge.end_ms
        return (charge.start_ms // piece_ms + 1) * piece_ms

    heap = [(first_end(charge), charge.row, charge.start_ms, charge) for charge in charges]
    heapq.heapify(heap)
    while heap:
        end_ms, row, start_ms, charge = heap[0]
        if end_ms == charge.end_ms:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (min(charge.end_ms, end_ms + piece_ms), row, end_ms, charge))
        if (start_ms, end_ms) == (charge.start_ms, charge.end_ms):
            yield charge
        else:
            yield _piece(charge, start_ms, end_ms)


def _piece(charge: Charge, start_ms: int, end_ms: int) -> Charge:
    def between(total: Decimal) -> Decimal:
        return EXACT.subtract(_share(total, charge, end_ms), _share(total, charge, start_ms))

    meters = tuple(
        Meter(
            meter.driver,
            None if meter.quantity is None else between(meter.quantity),
            None if meter.cost_usd is None else str(between(Decimal(meter.cost_usd))),
            meter.sku,
        )
        for meter in charge.meters
    )
    return charge._replace(start_ms=start_ms, end_ms=end_ms, meters=meters)


def _share(total: Decimal, charge: Charge, until_ms: int) -> Decimal:
    """What of `total` falls before `until_ms`; at the charge's end the whole of it, exactly."""
    part = ROUNDED.divide(
        ROUNDED.multiply(total, until_ms - charge.start_ms), Decimal(charge.end_ms - charge.start_ms)
    )
    exponent = total.as_tuple().exponent
    assert isinstance(exponent, int)
    return part.quantize(Decimal(1).scaleb(min(exponent, -SHARE_DIGITS)), context=ROUNDED)


class Packer:
    """Estimates into envelopes: a new one when it is full, too long in time, or time goes back.

    What goes back in time was late: it goes in a message of its own time, after what came before.
    """

    def __init__(self, source: str, tally: Tally) -> None:
        self._source = source
        self._tally = tally
        self._estimates: list[msgspec.Raw] = []
        self._bytes = 0
        self._first_end_ms = 0
        self._last_end_ms = 0
        self._row = 0
        self._clock_ms = 0
        self._seq = 0

    def add(self, charge: Charge) -> Iterator[UsageMessage]:
        if charge.end_ms < self._last_end_ms or charge.end_ms - self._first_end_ms >= MESSAGE_SPAN_MS:
            yield from self.flush()
        for meter in charge.meters:
            estimate = msgspec.Raw(_encode(charge, meter))
            if len(self._estimates) == ESTIMATES_A_MESSAGE or self._bytes + len(estimate) > MESSAGE_BYTES:
                yield from self.flush()
            if not self._estimates:
                self._first_end_ms = charge.end_ms
            self._estimates.append(estimate)
            self._bytes += len(estimate)
            self._last_end_ms = charge.end_ms
            self._clock_ms = max(self._clock_ms, charge.end_ms)
            self._row = charge.row

    def flush(self) -> Iterator[UsageMessage]:
        if self._estimates:
            self._tally.estimates += len(self._estimates)
            envelope = _Envelope(self._source, 0, self._seq, {}, self._estimates)
            self._seq += 1
            self._estimates, self._bytes = [], 0
            yield UsageMessage(_ENCODER.encode(envelope), self._clock_ms, self._row)


def _encode(charge: Charge, meter: Meter) -> bytes:
    return _ENCODER.encode(
        _Estimate(
            start=charge.start_ms,
            end=charge.end_ms,
            driver=meter.driver,
            quantity=meter.quantity,
            cost_usd=meter.cost_usd,
            sku=meter.sku,
            labels=charge.labels,
        )
    )

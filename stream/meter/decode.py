"""Bytes to estimates. The fast path reads a whole message at once; only when that fails is it taken
apart, so that one bad estimate spoils neither its neighbours nor the stream."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from stream.meter import columnar
from stream.meter.columnar import UNREADABLE, Given
from stream.schema import usage, usage_columns
from stream.schema.dead_letters import Reason
from stream.schema.usage import MISSING, NO_LABELS, Estimate, Head, Message
from stream.schema.usage_columns import Series

_LABELS: Final = b',"labels":'
# Kinds of messages; of two of them the field that marks it.
_ARRAY, _SINGLE, _ENVELOPE, _COLUMNS = "array", "single", "estimates", "columns"
_Exact = usage.ExactEstimate | usage.RawSingle | Estimate | Message
_Sequenced = (
    Message | usage.RawEnvelope | usage.RawSingle | usage_columns.Envelope | usage_columns.RawEnvelope
)
_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one estimate (or a whole message) was rejected, with its original bytes."""

    reason: Reason
    detail: str
    original: bytes


@dataclass(slots=True)
class Decoded:
    """One message. `sequence` is (source, epoch, seq), with seq below 0 where the producer gave none.

    Estimates of an envelope inherit `labels`; a single estimate's labels are its own. An envelope of columns
    that has no mistake to be seen yet is in `columns` and `series`, and not in `estimates`. `originals` are
    the bytes of each estimate, where the message was taken apart.
    """

    sequence: tuple[str, int, int] = ("", 0, -1)
    labels: bytes = b"{}"
    estimates: list[Estimate] | list[Message] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    originals: list[bytes] = field(default_factory=list)
    columns: Given | None = None
    series: list[Series] = field(default_factory=list)


def decode(value: bytes, max_bytes: int) -> Decoded:
    """Read one message. Never raises for bad data: what can't be read is in `faults`."""
    if len(value) > max_bytes:
        return Decoded(faults=[Fault(Reason.TOO_LARGE, f"{len(value)} bytes, at most {max_bytes}", value)])
    try:
        if _is_array(value):
            return Decoded(estimates=usage.decode_array(value))
        message = usage.decode_message(value)
    except UNREADABLE:
        return _in_columns(value) or take_apart(value)
    if message.estimates is msgspec.UNSET:
        if not message.driver or message.start == -1 or message.end == -1:
            return take_apart(value)
        return Decoded(sequence=_sequence(message), estimates=[message])
    if message.driver or message.start != -1 or message.end != -1:
        fault = Fault(
            Reason.WRONG_SCHEMA, "an envelope's start, end and driver belong inside estimates", value
        )
        return Decoded(faults=[fault])
    return Decoded(_sequence(message), bytes(message.labels), message.estimates)


def _in_columns(value: bytes) -> Decoded | None:
    """An envelope of columns; None for all else."""
    try:
        envelope = usage_columns.decode(value)
    except UNREADABLE:
        return None
    found = columnar.given(envelope)
    if found is None:
        return None
    return Decoded(_sequence(envelope), bytes(envelope.labels), columns=found, series=envelope.series)


def heads_and_tails(values: Iterable[bytes]) -> list[tuple[Head, bytes]]:
    """Messages of one estimate whose labels come last: what stands before them, and the rest as it is.

    Raises one of `UNREADABLE` where a message is not such. The bytes `,"labels":` can't be inside a string,
    where quotes are escaped; and as what is before them makes a whole object, they are not deeper in it.
    """
    return [(usage.decode_head((cut := value.partition(_LABELS))[0] + b"}"), cut[2]) for value in values]


def exact_costs(value: bytes) -> list[Decimal | None]:
    """The costs of a message's readable estimates as they were written, in the order of `decode`."""
    return [_decimal(exact.cost_usd) for exact, _ in _elements(value) if not isinstance(exact, Fault)]


def _sequence(message: _Sequenced) -> tuple[str, int, int]:
    return message.source, message.epoch, message.seq


def take_apart(value: bytes) -> Decoded:
    """The slow path: each estimate on its own, with a reason for each that fails."""
    decoded = Decoded()
    try:
        kind = _kind(value)
        if kind == _COLUMNS:
            in_columns = columnar.take_apart(value)
            decoded.sequence, decoded.labels = _sequence(in_columns), bytes(in_columns.labels)
        elif kind == _ENVELOPE:
            envelope = usage.decode_raw_envelope(value)
            decoded.sequence, decoded.labels = _sequence(envelope), bytes(envelope.labels)
        elif kind == _SINGLE:
            decoded.sequence = _sequence(usage.decode_raw_single(value))
    except UNREADABLE as error:
        return Decoded(faults=[_fault(error, value)])
    estimates: list[Estimate] = []
    for exact, original in _elements(value):
        if isinstance(exact, Fault):
            decoded.faults.append(exact)
        else:
            estimates.append(_as_estimate(exact))
            decoded.originals.append(original)
    decoded.estimates = estimates
    return decoded


def _elements(value: bytes) -> Iterator[tuple[_Exact | Fault, bytes]]:
    """Each estimate of a message, exactly, or the fault in it, beside its own bytes."""
    try:
        kind = _kind(value)
        if kind == _COLUMNS:
            yield from map(_row, columnar.rows(columnar.take_apart(value)))
            return
        if kind == _ARRAY:
            raws = usage.decode_raw_array(value)
        elif kind == _ENVELOPE:
            raws = usage.decode_raw_envelope(value).estimates
        else:
            yield _either(usage.decode_raw_single, usage.decode_message, value), value
            return
    except UNREADABLE as error:
        yield _fault(error, value), value
        return
    for raw in raws:
        piece = bytes(raw)
        yield _exactly(piece, piece), piece


def _row(row: columnar.Row) -> tuple[_Exact | Fault, bytes]:
    if row.error:
        return _fault(row.error, row.whole), row.whole
    exact = _exactly(row.own, row.whole)
    if row.cost_error and not isinstance(exact, Fault):
        exact = _fault(row.cost_error, row.whole)
    return exact, row.whole


def _exactly(piece: bytes, original: bytes) -> _Exact | Fault:
    try:
        return _either(usage.decode_exact, usage.decode_estimate, piece)
    except UNREADABLE as error:
        return _fault(error, original)


def _either(exact: Callable[[bytes], _Exact], rounded: Callable[[bytes], _Exact], piece: bytes) -> _Exact:
    """What the fast path reads must be found again: a double takes exponents that no decimal has."""
    try:
        return exact(piece)
    except msgspec.ValidationError as error:
        if "decimal" not in str(error):
            raise
    return rounded(piece)


def _decimal(cost_usd: Decimal | float | None) -> Decimal | None:
    return None if cost_usd is None else Decimal(cost_usd)


def _is_array(value: bytes) -> bool:
    return value[:1] == b"[" or (value[:1].isspace() and value.lstrip()[:1] == b"[")


def _kind(value: bytes) -> str:
    """Raises one of `UNREADABLE` where it is no JSON object or array at all."""
    if _is_array(value):
        return _ARRAY
    fields = _decode_object(value)
    return _COLUMNS if _COLUMNS in fields else _ENVELOPE if _ENVELOPE in fields else _SINGLE


def _as_float(cost_usd: Decimal | float | None) -> float:
    if cost_usd is None:
        return MISSING
    if isinstance(cost_usd, Decimal) and cost_usd.is_snan():
        return math.nan  # which `float` refuses to make of it
    return float(cost_usd)


def _as_estimate(exact: _Exact) -> Estimate:
    return Estimate(
        start=exact.start,
        end=exact.end,
        driver=exact.driver,
        quantity=MISSING if exact.quantity is None else exact.quantity,
        cost_usd=_as_float(exact.cost_usd),
        sku=exact.sku or "",
        labels=exact.labels if exact.labels else NO_LABELS,
    )


def _fault(error: Exception, value: bytes) -> Fault:
    """Name the cause. The decoder tells a wrong schema (ValidationError) from broken JSON."""
    detail = str(error)
    if isinstance(error, RecursionError):
        return Fault(Reason.TOO_DEEP, "nested too deeply", value)
    if isinstance(error, UnicodeDecodeError) or "utf-8" in detail.lower():
        return Fault(Reason.NOT_UTF8, detail, value)
    if "out of range" in detail.lower():
        return Fault(Reason.NOT_FINITE, detail, value)
    if isinstance(error, msgspec.ValidationError):
        return Fault(Reason.WRONG_SCHEMA, detail, value)
    return Fault(Reason.MALFORMED_JSON, detail, value)


def read_labels(
    raw: bytes, limit: int = 64, key_chars: int = 128, value_chars: int = 1024
) -> dict[str, str] | str:
    """A label set, or the sentence that says what is wrong with it."""
    try:
        labels = usage.decode_labels(raw)
    except UNREADABLE as error:
        return f"labels: {error}"
    if len(labels) > limit:
        return f"{len(labels)} labels, at most {limit}"
    if (
        max(map(len, labels), default=0) <= key_chars
        and max(map(len, labels.values()), default=0) <= value_chars
    ):
        return labels
    for key, value in labels.items():
        if len(key) > key_chars or len(value) > value_chars:
            return f"label {key[:40]!r} is longer than {key_chars} (name) or {value_chars} (value) characters"
    return labels

"""Envelopes of columns: as numpy columns where all is well, else taken apart into their rows.

What a row is rejected for, and how, is decided by the code that reads single estimates: here a row only
becomes the estimate that it stands for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from stream.meter.columns import Bools, Columns, Floats, Ints
from stream.meter.money import NANO
from stream.schema import usage_columns
from stream.schema.usage import MISSING
from stream.schema.usage_columns import Envelope, RawEnvelope

# So far every integer is a double too: times can be added up, and a cost divided gives the double nearest to
# its dollars, the same that its decimal is read as.
_PLAIN: Final = 2**53
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NULL: Final = b"null"
_TIMES: Final = ("start", "end")


@dataclass(frozen=True, slots=True)
class Given:
    """The estimates of one envelope in columns; `series` is the place in the envelope's list."""

    series: Ints
    start: Ints
    end: Ints
    quantity: Floats
    cost_usd: Floats
    cost_nusd: Ints | None

    def read(self, message: Ints, repeated: Bools, numbers: Ints) -> Columns:
        """As columns of a batch; `numbers` are those of the envelope's series."""
        columns = Columns.of(
            message, repeated, numbers[self.series], self.start, self.end, self.quantity, self.cost_usd
        )
        if self.cost_nusd is not None:
            columns.cost_nusd, columns.exact = self.cost_nusd, np.ones(len(message), np.bool_)
        return columns


@dataclass(frozen=True, slots=True)
class Row:
    """One estimate as JSON: with the labels of its series, and `whole` with the envelope's too, so that it
    can be sent again on its own.

    `error` is what is wrong with its series, `cost_error` with its `cost_nusd`, which `own` then is without.
    """

    own: bytes
    whole: bytes
    error: Exception | None = None
    cost_error: Exception | None = None


def given(envelope: Envelope) -> Given | None:
    """None where they have to be looked at row by row: a mistake, or a number that is out of the ordinary."""
    column = envelope.columns
    count, origin = len(column.series), envelope.origin
    try:
        series = _integers(column.series, count, len(envelope.series) - 1, 0)
        start = _integers(column.start, count) + origin
        end = _integers(column.end, count) + origin
        quantity = _floats(column.quantity, count)
        cost_usd, cost_nusd = _floats(column.cost_usd, count), None
        if column.cost_nusd is not msgspec.UNSET:
            if column.cost_usd is not msgspec.UNSET:
                return None
            cost_nusd = _integers(column.cost_nusd, count)
            cost_usd = cost_nusd / NANO
    except (OverflowError, ValueError):
        return None
    if abs(origin) > _PLAIN:
        return None
    return Given(series, start, end, quantity, cost_usd, cost_nusd)


def plain(
    message: int, numbers: Ints, whole: tuple[Ints, Ints, Ints, Ints | None], quantity: Floats | None
) -> Columns | None:
    """What the compiled reader has read, with the numbers of the envelope's series; None where a place is not
    among these."""
    place, start, end, cost_nusd = whole
    count = len(place)
    if not count or place.min() < 0 or place.max() >= len(numbers):
        return None
    return Columns(
        message=np.full(count, message),
        repeated=np.zeros(count, np.bool_),
        series=numbers[place],
        start=start,
        end=end,
        quantity=np.full(count, MISSING) if quantity is None else quantity,
        cost_usd=np.full(count, MISSING) if cost_nusd is None else cost_nusd / NANO,
        cost_nusd=np.zeros(count, np.int64) if cost_nusd is None else cost_nusd,
        rest_ausd=np.zeros(count, np.int64),
        exact=np.ones(count, np.bool_),
    )


def _integers(given: list[int] | int, count: int, most: int = _PLAIN, least: int = -_PLAIN) -> Ints:
    """Raises `OverflowError` or `ValueError` for what is not one plain integer a row."""
    if not isinstance(given, list):
        if not least <= given <= most:
            raise OverflowError
        return np.full(count, given, np.int64)
    column = np.array(given, np.int64)
    if len(column) != count:
        raise ValueError
    if count and not (least <= column.min() and column.max() <= most):
        raise OverflowError
    return column


def _floats(given: list[float] | float | msgspec.UnsetType, count: int) -> Floats:
    if not isinstance(given, list):
        return np.full(count, MISSING if given is msgspec.UNSET else given)
    column = np.array(given, np.float64)
    if len(column) != count:
        raise ValueError
    return column


def take_apart(value: bytes) -> RawEnvelope:
    """The envelope with its columns unread. Raises what msgspec raises where its rows can't be told."""
    envelope = usage_columns.decode_raw(value)
    given = envelope.columns
    if bytes(given.cost_usd) != _NULL and bytes(given.cost_nusd) != _NULL:
        raise msgspec.ValidationError("columns hold either cost_usd or cost_nusd, not both")
    for name in given.__struct_fields__[1:]:
        length = len(_elements(getattr(given, name), len(given.series)))
        if length != len(given.series):
            raise msgspec.ValidationError(
                f"column {name} has {length} values where column series has {len(given.series)}"
            )
    return envelope


def rows(envelope: RawEnvelope) -> Iterator[Row]:
    given = envelope.columns
    series = [_Series(bytes(raw), bytes(envelope.labels)) for raw in envelope.series]
    every = {name: _elements(getattr(given, name), len(given.series)) for name in given.__struct_fields__[1:]}
    for number, place in enumerate(given.series):
        fields = {
            name: _moved(column[number], envelope.origin) if name in _TIMES else column[number]
            for name, column in every.items()
            if name in _TIMES or column[number] != _NULL
        }
        cost_error, wrong_cost = _name_cost(fields), {}
        if cost_error is not None:
            wrong_cost["cost_nusd"] = fields.pop("cost_nusd")
        try:
            of = series[_place(bytes(place), len(series))]
        except UNREADABLE as error:
            whole = _joined({"series": bytes(place)} | fields | wrong_cost, bytes(envelope.labels))
            yield Row(whole, whole, error)
        else:
            fields = of.fields | fields
            whole = _joined(fields | wrong_cost, of.all_labels)
            yield Row(_joined(fields, of.labels), whole, of.error, cost_error)


class _Series:
    """One of an envelope's series: its fields as they came, its labels, and those with the envelope's."""

    def __init__(self, raw: bytes, shared: bytes) -> None:
        self.fields: dict[str, bytes] = {}
        self.labels = b"{}"
        self.error: Exception | None = None
        try:
            given = {name: bytes(field) for name, field in usage_columns.decode_object(raw).items()}
            self.labels = given.pop("labels", self.labels)
            self.fields = given
            usage_columns.decode_series(raw)
        except UNREADABLE as error:
            self.error = error
        self.all_labels = _merged(shared, self.labels)


def _merged(shared: bytes, own: bytes) -> bytes:
    """Both label sets as one; of what is no label set, what is wrong."""
    merged: dict[str, msgspec.Raw] = {}
    for raw in (shared, own):
        try:
            merged |= usage_columns.decode_object(raw)
        except UNREADABLE:
            return raw
    return msgspec.json.encode(merged)


def _elements(raw: msgspec.Raw, count: int) -> list[bytes]:
    """One piece of JSON a row."""
    text = bytes(raw)
    if not text.lstrip().startswith(b"["):
        return [text] * count
    return [bytes(element) for element in usage_columns.decode_elements(text)]


def _place(raw: bytes, count: int) -> int:
    place = usage_columns.decode_integer(raw)
    if not 0 <= place < count:
        raise msgspec.ValidationError(f"series {place} is not among the {count} of the envelope, from 0")
    return place


def _moved(raw: bytes, origin: int) -> bytes:
    """A time from the epoch; what is no time stays as it is."""
    try:
        return b"%d" % (usage_columns.decode_integer(raw) + origin) if origin else raw
    except UNREADABLE:
        return raw


def _name_cost(fields: dict[str, bytes]) -> Exception | None:
    """Have `cost_nusd` stand in dollars; or what is wrong with it."""
    raw = fields.get("cost_nusd")
    if raw is None:
        return None
    try:
        cost_nusd = usage_columns.decode_integer(raw)
    except UNREADABLE as error:
        return msgspec.ValidationError(f"{error} - at `$.cost_nusd`")
    del fields["cost_nusd"]
    whole, rest = divmod(abs(cost_nusd), NANO)
    fields["cost_usd"] = b'"%s%d.%09d"' % (b"-" if cost_nusd < 0 else b"", whole, rest)
    return None


def _joined(fields: Mapping[str, bytes], labels: bytes) -> bytes:
    named = {**fields, "labels": labels} if labels != b"{}" else fields
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + field for name, field in named.items()) + b"}"

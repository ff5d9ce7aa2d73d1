"""`spend`: money per scope, component and bucket, from one usage partition to one spend partition.

One record a commit and spend partition, also when there is nothing to add: it carries the watermark.
The value is MessagePack; the columns inside are little-endian arrays, since a few thousand rows a
second pass here and each reader wants them as columns.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.schema.prices import Moved
from stream.schema.sources import Source

WIDTHS_S: Final = (10, 60, 3600)  # a row's bucket is this wide; a row counts in all rings at least as wide

DRIVER: Final = 0  # the component is a driver: the row also counts in the scope itself
CHILD: Final = 1  # the component is a child scope: the same money seen another way
NOTE: Final = 2  # the component is a remark on money already counted: one of the following

CALIBRATION: Final = "__calibration__"  # what calibration added
UNOWNED: Final = "__unmapped__"  # what has no owner
IDLE: Final = "__idle__"  # what is paid for and not used, by OpenCost's name for it


class Name(NamedTuple):
    """Where a row adds up: a scope, one of its components, and the component's role."""

    scope: str
    component: str
    role: int


@dataclass(slots=True)
class Rows:
    """Columns of equal length. `key` indexes `names`; `bucket` counts widths since the epoch."""

    names: list[Name]
    key: NDArray[np.int64]
    width: NDArray[np.int64]
    bucket: NDArray[np.int64]
    cost_nusd: NDArray[np.int64]
    quantity: NDArray[np.float64]
    count: NDArray[np.int64]


class _Wire(msgspec.Struct, array_like=True):
    usage_partition: int
    previous: int
    position: int
    watermark_ms: int
    sent_ms: int
    names: list[Name]
    key: bytes
    width: bytes
    bucket: bytes
    cost_nusd: bytes
    quantity: bytes
    count: bytes
    sources: list[Source] = []
    prices: list[Moved] = []


@dataclass(slots=True)
class Spend:
    """One record. `previous` and `position` are the meter's read positions before and after: a reader
    that sees a gap between one record's `position` and the next one's `previous` has lost data.

    `watermark_ms` is -1 before the first estimate. `sent_ms` is the meter's clock: a watermark that
    stands still while `sent_ms` moves on means silence, not slowness. `sources` are those of which there is
    something new to say, with the rates of the scopes that live in this partition; `prices` those that moved
    and are told from here.
    """

    usage_partition: int
    previous: int
    position: int
    watermark_ms: int
    sent_ms: int
    rows: Rows
    sources: list[Source] = field(default_factory=list)
    prices: list[Moved] = field(default_factory=list)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(spend: Spend) -> bytes:
    rows = spend.rows
    return _encoder.encode(
        _Wire(
            spend.usage_partition,
            spend.previous,
            spend.position,
            spend.watermark_ms,
            spend.sent_ms,
            rows.names,
            rows.key.astype("<u4").tobytes(),
            rows.width.astype("<u2").tobytes(),
            rows.bucket.astype("<u4").tobytes(),
            rows.cost_nusd.astype("<i8").tobytes(),
            rows.quantity.astype("<f8").tobytes(),
            rows.count.astype("<u4").tobytes(),
            spend.sources,
            spend.prices,
        )
    )


def decode(value: bytes) -> Spend:
    """Raises `msgspec.MsgspecError` for anything that `encode` did not write."""
    wire = _decoder.decode(value)
    rows = Rows(
        names=wire.names,
        key=np.frombuffer(wire.key, "<u4").astype(np.int64),
        width=np.frombuffer(wire.width, "<u2").astype(np.int64),
        bucket=np.frombuffer(wire.bucket, "<u4").astype(np.int64),
        cost_nusd=np.frombuffer(wire.cost_nusd, "<i8").astype(np.int64),
        quantity=np.frombuffer(wire.quantity, "<f8").astype(np.float64),
        count=np.frombuffer(wire.count, "<u4").astype(np.int64),
    )
    return Spend(
        wire.usage_partition,
        wire.previous,
        wire.position,
        wire.watermark_ms,
        wire.sent_ms,
        rows,
        wire.sources,
        wire.prices,
    )

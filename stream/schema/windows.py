"""`windows`: the burn stage's state. The topic is compacted by key.

Series (scopes, and components of scopes) are numbered as they appear; `CHUNK` of them that came one after
another share their rows: their names, their totals, and one row for each bucket of each ring. Only the
open bucket of the finest ring is written often; a coarser one is written when it closes or when late
money reaches it, and folded from the finer ring otherwise.
"""

from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

# Of 256 series a bucket is 1 or 2 KiB: large beside what a record costs by itself (about 30 bytes), small
# beside what a second brings.
CHUNK: Final = 256

NAMES_ROW: Final = "n"
TOTALS_ROW: Final = "t"
BUCKET_ROW: Final = "r"
CLOCK: Final = b"clock"
ACTIVE: Final = b"active"
DETECTOR_PREFIX: Final = b"detector/"
SOURCE_PREFIX: Final = b"source/"
PRICE_PREFIX: Final = b"price/"


class Key(NamedTuple):
    """Of a row of one chunk of `group`; `level` and `slot` (bucket modulo the ring's length) say which
    bucket's. So a bucket's row is overwritten one lap later."""

    kind: str
    group: str
    chunk: int
    level: int = 0
    slot: int = 0

    def encode(self) -> bytes:
        return b"%b%b/%d/%d/%d" % (self.kind.encode(), self.group.encode(), *self[2:])


class Names(msgspec.Struct, array_like=True):
    """The series of a chunk in order, and the hour (since the epoch) in which each was first seen."""

    names: list[bytes]
    first_hours: list[int]


class Bucket(msgspec.Struct, array_like=True):
    """What each series of a chunk spent in bucket `bucket` (widths since the epoch): little-endian integers
    of `size` bytes in nano-dollars; or in the group of quantities, floats of 4 bytes in the driver's unit.
    Series that are newer than the row have nothing in it."""

    bucket: int
    size: int
    values: bytes


class Source(msgspec.Struct, array_like=True):
    """How far one usage partition has come, as its latest spend record says."""

    position: int
    watermark_ms: int
    moved_ms: int
    sent_ms: int


class Clock(msgspec.Struct, array_like=True):
    """The stage's own place in time, and the spend position up to which the rows are true."""

    head_s: int
    evaluated_s: int
    position: int
    sources: dict[int, Source]
    late_nusd: int
    overflow_nusd: int


_encode = msgspec.msgpack.Encoder().encode
_decode_bucket = msgspec.msgpack.Decoder(Bucket).decode
decode_names = msgspec.msgpack.Decoder(Names).decode
decode_name = msgspec.json.Decoder(tuple[str, str, int]).decode


def decode_key(key: bytes) -> Key | None:
    """None for a key that `Key.encode` did not make."""
    head, *numbers = key.decode(errors="replace").split("/")
    if len(numbers) != 3 or len(head) != 2 or head[0] not in (NAMES_ROW, TOTALS_ROW, BUCKET_ROW):
        return None
    return Key(head[0], head[1], *map(int, numbers))


def name_bytes(scope: str, component: str, role: int) -> bytes:
    return msgspec.json.encode((scope, component, role))


def encode_names(names: Names) -> bytes:
    return _encode(names)


def encode_totals(totals_nusd: NDArray[np.int64]) -> bytes:
    return totals_nusd.astype("<i8").tobytes()


def decode_totals(value: bytes) -> NDArray[np.int64]:
    return np.frombuffer(value, "<i8").astype(np.int64)


def encode_bucket(bucket: int, values_nusd: NDArray[np.int64]) -> bytes:
    """Half as long where no value reaches 2^31 nano-dollars: $2.15 a bucket."""
    short = values_nusd.astype("<i4")
    if np.array_equal(short, values_nusd):
        return _encode(Bucket(bucket, 4, short.tobytes()))
    return _encode(Bucket(bucket, 8, values_nusd.astype("<i8").tobytes()))


def decode_bucket(value: bytes) -> tuple[int, NDArray[np.int32] | NDArray[np.int64]]:
    row = _decode_bucket(value)
    return row.bucket, np.frombuffer(row.values, "<i4" if row.size == 4 else "<i8")


def encode_quantities(bucket: int, values: NDArray[np.float32]) -> bytes:
    return _encode(Bucket(bucket, 4, values.astype("<f4").tobytes()))


def decode_quantities(value: bytes) -> tuple[int, NDArray[np.float32]]:
    row = _decode_bucket(value)
    return row.bucket, np.frombuffer(row.values, "<f4").astype(np.float32)


def encode_clock(clock: Clock) -> bytes:
    return _encode(clock)


def decode_clock(value: bytes) -> Clock:
    return msgspec.msgpack.decode(value, type=Clock)

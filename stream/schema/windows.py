"""`windows`: the burn stage's state, one row a block of a ring. The topic is compacted by key.

A block is a run of neighbouring buckets of one series. Only the open block of the finest ring is
written often; a coarser bucket is written when it closes or when late money reaches it, and folded
from the finer ring otherwise.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

BLOCK_PREFIX: Final = b"b"
CLOCK: Final = b"clock"
ACTIVE: Final = b"active"
DETECTOR_PREFIX: Final = b"detector/"


class Block(msgspec.Struct, array_like=True):
    """`block` counts blocks since the epoch; `head` is the ring's newest bucket when it was written.
    Slots of the block beyond the head still hold the buckets of one lap earlier. Bit k of `mask` is
    set where slot k stands as written; others are folded from the finer ring. `version` counts
    commits: the newest row of a series holds its true `total_nusd`."""

    block: int
    head: int
    version: int
    total_nusd: int
    first_hour: int
    mask: int
    values: bytes

    def numbers(self) -> NDArray[np.int64]:
        return np.frombuffer(self.values, "<i8").astype(np.int64)


class Source(msgspec.Struct, array_like=True):
    """How far one usage partition has come, as its latest spend record says."""

    position: int
    watermark_ms: int
    moved_ms: int
    sent_ms: int


class Clock(msgspec.Struct, array_like=True):
    """The stage's own place in time, and the spend position up to which the rows are true."""

    version: int
    head_s: int
    evaluated_s: int
    position: int
    sources: dict[int, Source]
    late_nusd: int
    overflow_nusd: int


_encode = msgspec.msgpack.Encoder().encode
_decode_block = msgspec.msgpack.Decoder(Block).decode
decode_name = msgspec.json.Decoder(tuple[str, str, int]).decode


def block_key(group: str, ring: int, slot: int, name: bytes) -> bytes:
    return b"b%b%d/%d/%b" % (group.encode(), ring, slot, name)


def parse_block_key(key: bytes) -> tuple[str, int, tuple[str, str, int]]:
    """(group, ring, name) of a key that `block_key` made."""
    head, _, name = key[2:].split(b"/", 2)
    return chr(key[1]), int(head), decode_name(name)


def name_bytes(scope: str, component: str, role: int) -> bytes:
    return msgspec.json.encode((scope, component, role))


def encode_block(block: Block) -> bytes:
    return _encode(block)


def decode_block(value: bytes) -> Block:
    return _decode_block(value)


def encode_clock(clock: Clock) -> bytes:
    return _encode(clock)


def decode_clock(value: bytes) -> Clock:
    return msgspec.msgpack.decode(value, type=Clock)

"""Drops what a producer sends twice, by `(source, epoch, seq)`.

Per source one epoch, the highest sequence and a window of the last 1,024 below it, as in the
anti-replay window of IPsec (RFC 4303, section 3.4.3): a message that comes late or out of order is
still new, one that comes again is not. What lies behind the window can't be told from a repeat and
counts as one.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from stream.stage import StateRow

WINDOW: Final = 1024
_MASK: Final = (1 << WINDOW) - 1
# Each source costs about 400 bytes here; 50,000 are 20 MB. Beyond it the longest unheard is forgotten.
MAX_SOURCES: Final = 50_000
PREFIX: Final = b"source/"


class _Seen(msgspec.Struct, array_like=True):
    """`bits` bit k is set when sequence `highest - k` has been seen."""

    epoch: int
    highest: int
    bits: bytes

    @classmethod
    def of(cls, epoch: int, highest: int, bits: int) -> "_Seen":
        return cls(epoch, highest, bits.to_bytes(WINDOW // 8, "little"))


class Sequences:
    """The last sequences of every source of one usage partition."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._changed: dict[str, None] = {}

    def is_new(self, source: str, epoch: int, seq: int) -> bool:
        """Whether this message has not been seen before; remembers it."""
        seen = self._seen.pop(source, None)
        if seen is None or epoch > seen[0]:
            self._remember(source, epoch, seq, 1)
            return True
        old_epoch, highest, bits = seen
        ahead = seq - highest
        if epoch < old_epoch or ahead <= -WINDOW or (ahead <= 0 and bits >> -ahead & 1):
            self._seen[source] = seen
            return False
        if ahead > 0:
            bits = ((bits << ahead) | 1) & _MASK if ahead < WINDOW else 1
            self._remember(source, epoch, seq, bits)
        else:
            self._remember(source, epoch, highest, bits | 1 << -ahead)
        return True

    def _remember(self, source: str, epoch: int, highest: int, bits: int) -> None:
        self._seen[source] = (epoch, highest, bits)
        self._changed[source] = None
        if len(self._seen) > MAX_SOURCES:
            oldest = next(iter(self._seen))
            del self._seen[oldest]
            self._changed[oldest] = None

    def changes(self) -> Iterator[StateRow]:
        """State rows of the sources touched since the last call."""
        for source in self._changed:
            seen = self._seen.get(source)
            value = msgspec.msgpack.encode(_Seen.of(*seen)) if seen else None
            yield StateRow(PREFIX + source.encode(), value)
        self._changed.clear()

    def restore(self, row: StateRow) -> None:
        if row.value is not None:
            seen = msgspec.msgpack.decode(row.value, type=_Seen)
            bits = int.from_bytes(seen.bits, "little")
            self._seen[row.key.removeprefix(PREFIX).decode()] = (seen.epoch, seen.highest, bits)

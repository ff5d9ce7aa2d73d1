"""Rolling windows of many series at once: numpy rings that share one clock.

A `RingSet` keeps rings of rising bucket width. Every ring holds whole totals: money in the fine ring
is in the coarse one as well. Buckets count widths since the epoch; a ring of n slots holds the n
newest buckets up to its head.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream.schema import windows as schema
from stream.stage import StateRow

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_FIRST_CAPACITY: Final = 64
_SERIES_SHIFT: Final = 32  # blocks of 2 minutes since 1970 need 25 bits
_BLOCK_MASK: Final = (1 << _SERIES_SHIFT) - 1
NEVER: Final = np.iinfo(np.int64).max
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Spec:
    """One ring: bucket width, number of buckets, buckets per state row."""

    width_s: int
    slots: int
    block: int


# 10 s x 1 h + 1 min x 24 h + 1 h x 37 d: 2,688 buckets of 8 bytes and 2,328 flags are 23.8 KB a scope.
# 37 days, so that a restart finds the 5 weeks behind every hour of the last day: 35 + 1, and the open one.
SCOPE_RINGS: Final = (Spec(10, 360, 12), Spec(60, 1440, 60), Spec(3600, 888, 24))
# Parts of a scope (drivers, child scopes): 1 min x 2 h + 1 h x 8 d, 2.7 KB; a scope has many of them.
COMPONENT_RINGS: Final = (Spec(60, 120, 10), Spec(3600, 192, 24))


class Ring:
    """One ring: `data[bucket % slots, series]` in nano-dollars, `explicit` where a state row must hold
    the bucket because it can't be folded from the finer ring."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.head = -1
        self.data: Ints = np.zeros((spec.slots, _FIRST_CAPACITY), np.int64)
        self.explicit: Bools = np.zeros((spec.slots, _FIRST_CAPACITY), np.bool_)

    @property
    def tail(self) -> int:
        """The oldest bucket held."""
        return max(0, self.head - self.spec.slots + 1)

    def grow(self, capacity: int) -> None:
        self.data = _wider(self.data, capacity)
        self.explicit = _wider(self.explicit, capacity)

    def advance(self, head: int) -> None:
        """Make room up to bucket `head`; what falls out of the ring is forgotten."""
        if head <= self.head:
            return
        if self.head < 0 or head - self.head >= self.spec.slots:
            self.data[:] = 0
            self.explicit[:] = False
        else:
            slots = np.arange(self.head + 1, head + 1) % self.spec.slots
            self.data[slots] = 0
            self.explicit[slots] = False
        self.head = head

    def rows(self, first: int, last: int) -> Ints:
        """Buckets [first, last) of all series, oldest first; zero where not held."""
        buckets = np.arange(first, last)
        rows = self.data[buckets % self.spec.slots]
        rows[(buckets < self.tail) | (buckets > self.head)] = 0
        return rows

    def total(self, first: int, last: int, series: int | slice = slice(None)) -> Ints:
        """Sum over buckets [first, last), of all series or one."""
        first, last = max(first, self.tail), min(last, self.head + 1)
        if first >= last:
            return np.zeros_like(self.data[0, series])
        low, high = first % self.spec.slots, (last - 1) % self.spec.slots + 1
        if low < high:
            return np.asarray(self.data[low:high, series].sum(axis=0))
        return np.asarray(self.data[low:, series].sum(axis=0) + self.data[:high, series].sum(axis=0))


class RingSet:
    """The rings of one kind of series. `group` (one letter) names it in state keys."""

    def __init__(self, group: str, specs: tuple[Spec, ...]) -> None:
        self.group = group
        self.rings = tuple(Ring(spec) for spec in specs)
        self.names: list[bytes] = []
        self.ids: dict[bytes, int] = {}
        self.total_nusd: Ints = np.zeros(_FIRST_CAPACITY, np.int64)
        self.first_hour: Ints = np.full(_FIRST_CAPACITY, NEVER, np.int64)
        self.head_s = -1
        self._dirty: list[list[Ints]] = [[] for _ in specs]

    def __len__(self) -> int:
        return len(self.names)

    def series(self, name: bytes) -> int:
        """The number of a series, new or known."""
        number = self.ids.get(name)
        if number is None:
            number = self.ids[name] = len(self.names)
            self.names.append(name)
            if number >= len(self.total_nusd):
                self._grow(2 * len(self.total_nusd))
        return number

    def _grow(self, capacity: int) -> None:
        for ring in self.rings:
            ring.grow(capacity)
        self.total_nusd = _wider(self.total_nusd, capacity)
        first_hour = np.full(capacity, NEVER, np.int64)
        first_hour[: len(self.first_hour)] = self.first_hour
        self.first_hour = first_hour

    def advance(self, head_s: int) -> None:
        """Move the clock to `head_s`: buckets that end by then close, and closed coarse buckets that
        hold money become state rows."""
        if head_s <= self.head_s:
            return
        for level, ring in enumerate(self.rings):
            width = ring.spec.width_s
            closed_from = max(self.head_s // width if self.head_s >= 0 else 0, ring.tail)
            ring.advance((head_s - 1) // width)
            if level:
                for bucket in range(max(closed_from, ring.tail), head_s // width):
                    slot = bucket % ring.spec.slots
                    self._mark(level, np.flatnonzero(ring.data[slot]), np.int64(bucket))
        self.head_s = head_s

    def add(self, series: Ints, width_s: Ints, bucket: Ints, cost_nusd: Ints) -> int:
        """Add money; returns how much of it no ring holds any more (it still counts in the total).

        A row counts in every ring at least as wide as itself.
        """
        np.add.at(self.total_nusd, series, cost_nusd)
        np.minimum.at(self.first_hour, series, bucket * width_s // 3600)
        lost = 0
        finer_held = np.zeros(len(series), np.bool_)
        for level, ring in enumerate(self.rings):
            width = ring.spec.width_s
            mine = bucket * width_s // width
            held = (width_s <= width) & (mine >= ring.tail) & (mine <= ring.head)
            np.add.at(ring.data, (mine[held] % ring.spec.slots, series[held]), cost_nusd[held])
            if level == 0:
                written = held
            else:
                closed = (mine + 1) * width <= self.head_s
                written = held & (closed | ~finer_held | ring.explicit[mine % ring.spec.slots, series])
            self._mark(level, series[written], mine[written])
            finer_held = held
            lost = int(cost_nusd[~held].sum())
        self._mark(0, series[~held], np.int64(self.rings[0].head))  # a row that holds the total
        return lost

    def _mark(self, level: int, series: Ints, bucket: Ints | np.int64) -> None:
        ring = self.rings[level]
        if level:
            ring.explicit[bucket % ring.spec.slots, series] = True
        self._dirty[level].append(series << _SERIES_SHIFT | bucket // ring.spec.block)

    def changes(self, version: int) -> Iterator[StateRow]:
        """State rows of the blocks touched since the last call."""
        for level, dirty in enumerate(self._dirty):
            ring = self.rings[level]
            size, lap = ring.spec.block, ring.spec.slots // ring.spec.block
            codes = np.unique(np.concatenate(dirty)) if dirty else np.zeros(0, np.int64)
            # Of a block that has fallen out only the series' total is left to write, with any block.
            blocks = np.maximum(codes & _BLOCK_MASK, ring.tail // size)
            # Slots that are not yet overwritten share their row with the block that overwrites them.
            blocks = np.where((blocks + lap) * size <= ring.head, blocks + lap, blocks)
            codes = np.unique(codes >> _SERIES_SHIFT << _SERIES_SHIFT | blocks)
            yield from self._rows(level, codes >> _SERIES_SHIFT, codes & _BLOCK_MASK, version)
            dirty.clear()

    def _rows(self, level: int, series: Ints, block: Ints, version: int) -> Iterator[StateRow]:
        """The state rows of these blocks. Read as one matrix: thousands are written at every commit."""
        ring, size = self.rings[level], self.rings[level].spec.block
        first = block * size % ring.spec.slots
        slots, columns = first[:, np.newaxis] + np.arange(size), series[:, np.newaxis]
        values = ring.data[slots, columns].astype("<i8").tobytes()
        length = size * 8
        masks = [0] * len(series)
        if level:
            flags = np.packbits(ring.explicit[slots, columns], axis=1, bitorder="little")
            masks = [int.from_bytes(row.tobytes(), "little") for row in flags]
        rows = zip(
            series.tolist(), block.tolist(), (first // size).tolist(), masks,
            self.total_nusd[series].tolist(), self.first_hour[series].tolist(), strict=True,
        )  # fmt: skip
        for index, (number, code, slot, mask, total, first_hour) in enumerate(rows):
            held = values[index * length : (index + 1) * length]
            row = schema.Block(code, ring.head, version, total, first_hour, mask, held)
            yield StateRow(
                schema.block_key(self.group, level, slot, self.names[number]), schema.encode_block(row)
            )

    def restore(self, rows: Iterable[StateRow], head_s: int) -> None:
        """Fill empty rings from state rows of this group, then fold what only finer rings hold."""
        self.advance(head_s)
        newest: dict[int, int] = {}
        for row in rows:
            if row.value is None:
                continue
            _, level, name = schema.parse_block_key(row.key)
            block = schema.decode_block(row.value)
            series = self.series(schema.name_bytes(*name))
            if block.version >= newest.get(series, -1):
                newest[series] = block.version
                self.total_nusd[series] = block.total_nusd
                self.first_hour[series] = block.first_hour
            ring = self.rings[level]
            size = ring.spec.block
            buckets = np.arange(block.block * size, (block.block + 1) * size)
            buckets = np.where(buckets > block.head, buckets - ring.spec.slots, buckets)
            keep = (buckets >= ring.tail) & (buckets <= ring.head)
            if level:
                keep &= (block.mask >> np.arange(size, dtype=object) & 1).astype(np.bool_)
                ring.explicit[buckets[keep] % ring.spec.slots, series] = True
            ring.data[buckets[keep] % ring.spec.slots, series] = block.numbers()[keep]
        for level in range(1, len(self.rings)):
            self._fold(level)

    def _fold(self, level: int) -> None:
        ring, finer = self.rings[level], self.rings[level - 1]
        ratio = ring.spec.width_s // finer.spec.width_s
        for bucket in range(max(ring.tail, -(-finer.tail // ratio)), ring.head + 1):
            slot = bucket % ring.spec.slots
            folded = finer.total(bucket * ratio, (bucket + 1) * ratio)
            ring.data[slot] = np.where(ring.explicit[slot], ring.data[slot], folded)

    def between(self, start_s: int, end_s: int, level: int = -1) -> Ints:
        """Money of all series over [start, end), both multiples of a held ring's width: whole buckets
        of the coarsest ring that fits, and finer ones at the edges."""
        level %= len(self.rings)
        width = self.rings[level].spec.width_s
        first, last = -(-start_s // width), end_s // width
        if first >= last:
            return self.between(start_s, end_s, level - 1) if level and start_s < end_s else self._zeros()
        inner = self.rings[level].total(first, last)
        if start_s < first * width:
            inner = inner + self.between(start_s, first * width, level - 1)
        if last * width < end_s:
            inner = inner + self.between(last * width, end_s, level - 1)
        return inner

    def _zeros(self) -> Ints:
        return np.zeros_like(self.total_nusd)

    def spent_nusd(self, series: int, start_s: int, end_s: int) -> int:
        """Money of one series over [start, end), at the finest resolution still held. The ends are
        moved out to the edges of the buckets they lie in."""
        total, upper = 0, end_s
        for level, ring in enumerate(self.rings):
            width = ring.spec.width_s
            coarser = self.rings[level + 1].spec.width_s if level + 1 < len(self.rings) else width
            held_from = -(-ring.tail * width // coarser) * coarser
            lower = max(start_s, held_from)
            if lower < upper:
                total += int(ring.total(lower // width, -(-upper // width), series))
                upper = min(upper, lower)
        return total


def _wider(array: NDArray[_T], capacity: int) -> NDArray[_T]:
    wider = np.zeros((*array.shape[:-1], capacity), array.dtype)
    # Slots that hold nothing are left untouched: memory that is never written is never taken.
    used = array.any(axis=-1)
    wider[..., : array.shape[-1]][used] = array[used]
    return wider

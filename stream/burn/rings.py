"""Rolling windows of many series at once: numpy rings that share one clock.

A `RingSet` keeps rings of rising bucket width. Every ring holds whole totals: money in the fine ring
is in the coarse one as well. Buckets count widths since the epoch; a ring of n slots holds the n
newest buckets up to its head.

State rows hold one bucket of one chunk, `CHUNK` series that came one after another: a run of memory, written
and restored as it lies there. However many series a second touches, a commit is at most a few
rows a chunk.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream.burn.cells import Cells
from stream.schema import windows as schema
from stream.schema.spend import Name
from stream.schema.windows import CHUNK
from stream.stage import StateRow

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEVER: Final = np.iinfo(np.int64).max
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Spec:
    """One ring: bucket width and number of buckets."""

    width_s: int
    slots: int


# 10 s x 1 h + 1 min x 24 h + 1 h x 37 d: 2,688 buckets of 4 or 5 bytes are 10.8 to 13.4 KB a scope.
# 37 days, so that a restart finds the 5 weeks behind every hour of the last day: 35 + 1, and the open one.
SCOPE_RINGS: Final = (Spec(10, 360), Spec(60, 1440), Spec(3600, 888))
# Parts of a scope (drivers, child scopes): 1 min x 2 h + 1 h x 8 d, 1.2 to 1.6 KB; a scope has many of them.
COMPONENT_RINGS: Final = (Spec(60, 120), Spec(3600, 192))


class Ring:
    """One ring: `cells` by slot (bucket modulo the ring's length) and series, in nano-dollars. By slot and
    chunk, `explicit` where a state row holds the bucket because it can't be folded from the finer ring, and
    `dirty` where a row is due."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.head = -1
        self.cells = Cells(spec.slots)
        self.explicit: Bools = np.zeros((spec.slots, 0), np.bool_)
        self.dirty: Bools = np.zeros((spec.slots, 0), np.bool_)

    @property
    def tail(self) -> int:
        """The oldest bucket held."""
        return max(0, self.head - self.spec.slots + 1)

    def grow(self, chunks: int) -> None:
        self.cells.reserve(chunks)
        self.explicit = _wider(self.explicit, chunks)
        self.dirty = _wider(self.dirty, chunks)

    def advance(self, head: int) -> None:
        """Make room up to bucket `head`; what falls out of the ring is forgotten."""
        if head <= self.head:
            return
        slots: slice | Ints = slice(None)
        if self.head >= 0 and head - self.head < self.spec.slots:
            slots = np.arange(self.head + 1, head + 1) % self.spec.slots
            self.cells.clear(slots)
        else:
            self.cells.clear_all()
        self.explicit[slots] = False
        self.dirty[slots] = False
        self.head = head

    def bucket(self, slots: Ints) -> Ints:
        """Which buckets these slots hold now."""
        return np.asarray(self.head - (self.head - slots) % self.spec.slots)

    def mark(self, bucket: Ints | int, chunk: Ints | Bools, *, coarse: bool) -> None:
        """These buckets are due to be written, for all series of the chunks."""
        slot = bucket % self.spec.slots
        self.dirty[slot, chunk] = True
        if coarse:
            self.explicit[slot, chunk] = True

    def rows(self, first: int, last: int, series: slice = slice(None)) -> Ints:
        """Buckets [first, last) of all series or some, oldest first; zero where not held."""
        return self.at(np.arange(first, last), series)

    def at(self, buckets: Ints, series: slice = slice(None)) -> Ints:
        """Any buckets (of one axis) of all series or some; zero where not held."""
        rows = self.cells.rows(buckets % self.spec.slots, series)
        rows[~self.holds(buckets)] = 0
        return rows

    def of(self, series: int, buckets: Ints) -> Ints:
        """Any buckets of one series; zero where not held."""
        return np.where(self.holds(buckets), self.cells.of(series, buckets % self.spec.slots), 0)

    def holds(self, buckets: Ints) -> Bools:
        return np.asarray((buckets >= self.tail) & (buckets <= self.head))

    def total(self, first: int, last: int) -> Ints:
        """Of every series, the sum over buckets [first, last)."""
        return sum((self.cells.total(slots) for slots in self._slots(first, last)), start=self.nothing())

    def total_of(self, series: int, first: int, last: int) -> int:
        """The same of one series."""
        return sum(int(self.cells.of(series, slots).sum()) for slots in self._slots(first, last))

    def nothing(self) -> Ints:
        return np.zeros(self.dirty.shape[1] * CHUNK, np.int64)

    def _slots(self, first: int, last: int) -> list[slice]:
        """Where those of the buckets [first, last) lie that are held."""
        first, last = max(first, self.tail), min(last, self.head + 1)
        if first >= last:
            return []
        low, high = first % self.spec.slots, (last - 1) % self.spec.slots + 1
        return [slice(low, high)] if low < high else [slice(low, None), slice(high)]


class RingSet:
    """The rings of one kind of series. `group` (one letter) names it in state keys; with `totals` it also
    keeps each series' running total and the hour in which it first appeared."""

    def __init__(self, group: str, specs: tuple[Spec, ...], totals: bool = True) -> None:
        self.group = group
        self.rings = tuple(Ring(spec) for spec in specs)
        self.names: list[Name] = []
        self.ids: dict[Name, int] = {}
        self.total_nusd: Ints = np.zeros(0, np.int64)
        self.first_hour: Ints = np.full(0, NEVER, np.int64)
        self.head_s = -1
        self.revised = 0
        """How often money has reached a bucket of the coarsest ring that had closed."""
        self._totals = totals
        self._revised: Ints = np.full(
            0, NEVER, np.int64
        )  # by series, the earliest hour that was revised of late
        self._new: set[int] = set()  # chunks with new names or first hours
        self._moved: Bools = np.zeros(0, np.bool_)  # chunks with new totals
        self.reserve(1)

    def __len__(self) -> int:
        return len(self.names)

    def series(self, name: Name) -> int:
        """The number of a series, new or known."""
        number = self.ids.get(name)
        if number is None:
            number = self.recall(name)
            self._new.add(number // CHUNK)
        return number

    def recall(self, name: Name) -> int:
        """Number a series that has none yet; a state row names it already."""
        # A scope's text is in the names of all its parts, a driver's in those of all scopes.
        name = Name(sys.intern(name.scope), sys.intern(name.component), name.role)
        number = self.ids[name] = len(self.names)
        self.names.append(name)
        self.reserve(number + 1)
        return number

    def reserve(self, series: int) -> None:
        """Room for so many series. What is copied for that is small beside the cells, which are not."""
        if series <= len(self.total_nusd):
            return
        chunks = -(-series // CHUNK)
        for ring in self.rings:
            ring.grow(chunks)
        self.total_nusd = _wider(self.total_nusd, chunks * CHUNK)
        first_hour = np.full(chunks * CHUNK, NEVER, np.int64)
        first_hour[: len(self.first_hour)] = self.first_hour
        self.first_hour = first_hour
        if self._totals:
            revised = np.full(chunks * CHUNK, NEVER, np.int64)
            revised[: len(self._revised)] = self._revised
            self._revised = revised
        self._moved = _wider(self._moved, chunks)

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
                    ring.mark(bucket, ring.cells.holds(bucket % ring.spec.slots), coarse=True)
        self.head_s = head_s

    def add(self, series: Ints, width_s: Ints, bucket: Ints, cost_nusd: Ints) -> int:
        """Add money; returns how much of it no ring holds any more (it still counts in the total).

        A row counts in every ring at least as wide as itself.
        """
        chunk = series // CHUNK
        if self._totals:
            self._add_totals(series, chunk, bucket * width_s // 3600, cost_nusd)
        lost = 0
        finer_held = np.zeros(len(series), np.bool_)
        for level, ring in enumerate(self.rings):
            width = ring.spec.width_s
            mine = bucket * width_s // width
            held = (width_s <= width) & (mine >= ring.tail) & (mine <= ring.head)
            ring.cells.add(mine[held] % ring.spec.slots, series[held], cost_nusd[held])
            if level == 0:
                written = held
            else:
                closed = (mine + 1) * width <= self.head_s
                if level == len(self.rings) - 1 and (late := held & closed).any():
                    self.revised += 1
                    if self._totals:
                        np.minimum.at(self._revised, series[late], mine[late])
                written = held & (closed | ~finer_held | ring.explicit[mine % ring.spec.slots, chunk])
            ring.mark(mine[written], chunk[written], coarse=level > 0)
            finer_held = held
            lost = int(cost_nusd[~held].sum())
        return lost

    def _add_totals(self, series: Ints, chunk: Ints, hour: Ints, cost_nusd: Ints) -> None:
        np.add.at(self.total_nusd, series, cost_nusd)
        self._moved[chunk] = True
        earlier = hour < self.first_hour[series]
        if earlier.any():
            np.minimum.at(self.first_hour, series[earlier], hour[earlier])
            np.minimum.at(self._revised, series[earlier], hour[earlier])
            self._new.update(np.unique(chunk[earlier]).tolist())

    def take_revised(self, hour: int) -> set[int]:
        """The series to which late money has come since the last call, in hours before this one."""
        if not (self._revised < NEVER).any():
            return set()
        found = set(np.flatnonzero(self._revised < hour).tolist())
        self._revised[:] = NEVER
        return found

    def changes(self) -> Iterator[StateRow]:
        """State rows of what has changed since the last call."""
        for number in sorted(self._new):
            mine = slice(number * CHUNK, (number + 1) * CHUNK)
            names = [schema.name_bytes(*name) for name in self.names[mine]]
            hours = self.first_hour[mine][: len(names)].tolist() if self._totals else []
            value = schema.encode_names(schema.Names(names, hours))
            yield StateRow(schema.Key(schema.NAMES_ROW, self.group, number).encode(), value)
        self._new.clear()
        for number in np.flatnonzero(self._moved).tolist():
            value = schema.encode_totals(self.total_nusd[number * CHUNK : (number + 1) * CHUNK])
            yield StateRow(schema.Key(schema.TOTALS_ROW, self.group, number).encode(), value)
        self._moved[:] = False
        for level, ring in enumerate(self.rings):
            slots, chunks = np.nonzero(ring.dirty)
            places = zip(slots.tolist(), chunks.tolist(), ring.bucket(slots).tolist(), strict=True)
            for slot, number, bucket in places:
                first = number * CHUNK
                some = slice(first, min(first + CHUNK, len(self.names)))
                [values] = ring.cells.rows(np.array([slot]), some)
                key = schema.Key(schema.BUCKET_ROW, self.group, number, level, slot)
                yield StateRow(key.encode(), schema.encode_bucket(bucket, values))
            ring.dirty[:] = False

    def between(self, start_s: int, end_s: int, level: int = -1) -> Ints:
        """Money of all series over [start, end), both multiples of a held ring's width: whole buckets
        of the coarsest ring that fits, and finer ones at the edges."""
        level %= len(self.rings)
        width = self.rings[level].spec.width_s
        first, last = -(-start_s // width), end_s // width
        if first >= last:
            finer = level and start_s < end_s
            return self.between(start_s, end_s, level - 1) if finer else self.rings[0].nothing()
        inner = self.rings[level].total(first, last)
        if start_s < first * width:
            inner = inner + self.between(start_s, first * width, level - 1)
        if last * width < end_s:
            inner = inner + self.between(last * width, end_s, level - 1)
        return inner

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
                total += ring.total_of(series, lower // width, -(-upper // width))
                upper = min(upper, lower)
        return total


def _wider(array: NDArray[_T], capacity: int) -> NDArray[_T]:
    wider = np.zeros((*array.shape[:-1], capacity), array.dtype)
    wider[..., : array.shape[-1]] = array
    return wider

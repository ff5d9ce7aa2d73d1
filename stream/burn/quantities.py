"""How much of each driver every scope used: by the minute for 2 hours, by the hour for 25.

Quantities are not money: a detector compares them with each other, so 4-byte floats (7 digits) are
enough, and a driver of a scope takes 580 bytes. They are added up in the order of the log, and an hour is
added up from its minutes when it closes, so a restart finds the very same numbers.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.schema import windows as schema
from stream.schema.spend import Name
from stream.schema.windows import CHUNK
from stream.stage import StateRow

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Amounts = NDArray[np.float32]

NEVER: Final = np.iinfo(np.int64).max
GROUP: Final = "q"
MINUTE_S: Final = 60
HOUR_S: Final = 3600
MINUTE_SLOTS: Final = 120
HOUR_SLOTS: Final = 25
_MINUTE, _HOUR = 0, 1
WIDTHS_S: Final = (MINUTE_S, HOUR_S)


class Quantities:
    """Rings of minutes, and of closed hours. Series are numbered as they appear."""

    def __init__(self) -> None:
        self.names: list[Name] = []
        self.first_hour: Ints = np.full(CHUNK, NEVER, np.int64)
        self.head_s = -1
        self.rings = [np.zeros((slots, CHUNK), np.float32) for slots in (MINUTE_SLOTS, HOUR_SLOTS)]
        self._dirty: list[Bools] = [np.zeros((len(ring), 1), np.bool_) for ring in self.rings]
        self._new: set[int] = set()  # chunks with new names or first hours

    def append(self, name: Name) -> int:
        """The number of a new series."""
        number = self.recall(name)
        self._new.add(number // CHUNK)
        return number

    def recall(self, name: Name) -> int:
        """The same of one that a state row names already."""
        number = len(self.names)
        self.names.append(name)
        self.reserve(number + 1)
        return number

    def reserve(self, series: int) -> None:
        if series <= self.rings[_MINUTE].shape[1]:
            return
        chunks = max(-(-series // CHUNK), self._dirty[_MINUTE].shape[1] * 5 // 4)
        for level, (ring, dirty) in enumerate(zip(self.rings, self._dirty, strict=True)):
            more = chunks - dirty.shape[1]
            self.rings[level] = np.pad(ring, ((0, 0), (0, more * CHUNK)))
            self._dirty[level] = np.pad(dirty, ((0, 0), (0, more)))
        more = chunks * CHUNK - len(self.first_hour)
        self.first_hour = np.pad(self.first_hour, (0, more), constant_values=NEVER)

    def advance(self, head_s: int) -> None:
        """Move the clock on: an hour that ends becomes one number, and what is too old is forgotten."""
        if head_s <= self.head_s:
            return
        if self.head_s >= 0 and head_s // HOUR_S > self.head_s // HOUR_S:
            self._close(self.head_s // HOUR_S, head_s // HOUR_S)
        ring = self.rings[_MINUTE]
        now = (head_s - 1) // MINUTE_S
        before = (self.head_s - 1) // MINUTE_S if self.head_s >= 0 else now - MINUTE_SLOTS
        gone = np.arange(max(before, now - MINUTE_SLOTS) + 1, now + 1) % MINUTE_SLOTS
        ring[gone] = 0
        self._dirty[_MINUTE][gone] = False
        self.head_s = head_s

    def _close(self, hour: int, now: int) -> None:
        """`hour` has ended and `now` is the open one; whatever lies between them is empty."""
        ring, dirty = self.rings[_HOUR], self._dirty[_HOUR]
        total = self.minutes((hour + 1) * HOUR_S, 60).sum(axis=0)
        between = np.arange(max(hour, now - HOUR_SLOTS), now) % HOUR_SLOTS
        ring[between] = 0
        dirty[between] = False
        if now - hour <= HOUR_SLOTS:
            slot = hour % HOUR_SLOTS
            ring[slot, : len(total)] = total
            dirty[slot] = ring[slot].reshape(-1, CHUNK).any(axis=1)

    def add(self, series: Ints, width_s: Ints, bucket: Ints, quantity: NDArray[np.float64]) -> None:
        """Add quantities of buckets up to the head. What comes after its hour has closed counts in both."""
        start_s = bucket * width_s
        for level, wide_s in enumerate(WIDTHS_S):
            ring, newest, mine = self.rings[level], self._newest(level), start_s // wide_s
            held = (width_s <= wide_s) & (mine > newest - len(ring)) & (mine <= newest)
            slot = mine[held] % len(ring)
            np.add.at(ring, (slot, series[held]), quantity[held].astype(np.float32))
            self._dirty[level][slot, series[held] // CHUNK] = True
        hour = start_s // HOUR_S
        earlier = hour < self.first_hour[series]
        if earlier.any():
            np.minimum.at(self.first_hour, series[earlier], hour[earlier])
            self._new.update(np.unique(series[earlier] // CHUNK).tolist())

    def minutes(self, end_s: int, count: int, some: slice = slice(None)) -> Amounts:
        """(count, series) of the last `count` minutes up to `end_s`, oldest first; zero where not held. Of
        all series, or a slice of them."""
        return self._rows_of(_MINUTE, end_s // MINUTE_S, count, some)

    def hours(self, end_hour: int, count: int, some: slice = slice(None)) -> Amounts:
        """The same of the closed hours before `end_hour`."""
        return self._rows_of(_HOUR, end_hour, count, some)

    def _rows_of(self, level: int, end: int, count: int, some: slice) -> Amounts:
        ring, newest = self.rings[level], self._newest(level)
        buckets = np.arange(end - count, end)
        rows = np.asarray(ring[buckets % len(ring), slice(*some.indices(len(self.names)))])
        rows[(buckets <= newest - len(ring)) | (buckets > newest)] = 0
        return rows

    def _newest(self, level: int) -> int:
        """The newest bucket held: the minute that is open, the hour that has closed."""
        return newest_bucket(level, self.head_s)

    def changes(self) -> Iterator[StateRow]:
        """State rows of what has changed since the last call."""
        for number in sorted(self._new):
            mine = slice(number * CHUNK, (number + 1) * CHUNK)
            names = [schema.name_bytes(*name) for name in self.names[mine]]
            value = schema.encode_names(schema.Names(names, self.first_hour[mine][: len(names)].tolist()))
            yield StateRow(schema.Key(schema.NAMES_ROW, GROUP, number).encode(), value)
        self._new.clear()
        for level, dirty in enumerate(self._dirty):
            newest = self._newest(level)
            for slot, number in np.argwhere(dirty).tolist():
                bucket = newest - (newest - slot) % len(dirty)
                first = number * CHUNK
                values = self.rings[level][slot, first : min(first + CHUNK, len(self.names))]
                key = schema.Key(schema.BUCKET_ROW, GROUP, number, level, slot)
                yield StateRow(key.encode(), schema.encode_quantities(bucket, values))
            dirty[:] = False

    def restore(self) -> "Restoring":
        return Restoring(self)


class Restoring:
    """Fills empty quantities: `load` every row, in any order, then `settle`."""

    def __init__(self, quantities: Quantities) -> None:
        self._quantities = quantities
        self._names: dict[int, schema.Names] = {}
        self._given: list[dict[tuple[int, int], int]] = [{}, {}]  # bucket by slot and chunk

    def load(self, key: schema.Key, value: bytes) -> None:
        if key.kind == schema.NAMES_ROW:
            self._names[key.chunk] = schema.decode_names(value)
            return
        bucket, values = schema.decode_quantities(value)
        first = key.chunk * CHUNK
        self._quantities.reserve(first + CHUNK)
        self._quantities.rings[key.level][key.slot, first : first + len(values)] = values
        self._given[key.level][key.slot, key.chunk] = bucket

    def settle(self, head_s: int) -> None:
        """All rows are in: name the series, and drop buckets that are held no more."""
        quantities = self._quantities
        for chunk in sorted(self._names):
            names = self._names[chunk]
            for name, first_hour in zip(names.names, names.first_hours, strict=True):
                number = quantities.recall(Name(*schema.decode_name(name)))
                quantities.first_hour[number] = first_hour
        quantities.head_s = head_s
        for level, given in enumerate(self._given):
            ring, newest = quantities.rings[level], newest_bucket(level, head_s)
            for (slot, chunk), bucket in given.items():
                if bucket != newest - (newest - slot) % len(ring):
                    ring[slot, chunk * CHUNK : (chunk + 1) * CHUNK] = 0


def newest_bucket(level: int, head_s: int) -> int:
    return head_s // HOUR_S - 1 if level == _HOUR else (head_s - 1) // MINUTE_S

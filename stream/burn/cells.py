"""Exact nano-dollars by slot and series, in 4 to 6 bytes instead of 8.

A cell's lower 32 bits lie in one array, the rest in a second one that is written only where it is not
zero: memory that is never written is never taken. 2^32 nano-dollars are $4.29 a bucket, which most
series stay below in 10 s and in a minute. 48 bits are $140,000 a bucket; a block that sees more
widens its second array, up to 64 bits.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.schema.windows import CHUNK

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# A block is taken at a time, so that nothing is ever copied to grow. Of it only the chunks in use are
# written: chunk by chunk, the slots of one after those of another.
BLOCK: Final = 16  # chunks


class Cells:
    """`slots` buckets of any number of series, all zero at first."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._chunks = 0
        self._blocks: list[_Block] = []

    @property
    def nbytes(self) -> int:
        """Bytes of the chunks in use, if every cell needs 6 bytes."""
        return self._chunks * self._slots * CHUNK * 6

    def reserve(self, chunks: int) -> None:
        self._chunks = chunks
        while len(self._blocks) * BLOCK < chunks:
            self._blocks.append(_Block(self._slots))

    def add(self, slots: Ints, series: Ints, nusd: Ints) -> None:
        """Add to cells, which may come more than once."""
        if not len(nusd):
            return
        cells = (series // CHUNK * self._slots + slots) * CHUNK + series % CHUNK
        order = np.argsort(cells)
        cells = cells[order]
        first = np.flatnonzero(np.diff(cells, prepend=-1))
        cells, nusd = cells[first], np.add.reduceat(nusd[order], first)
        size = BLOCK * self._slots * CHUNK
        edges = np.searchsorted(cells, size * np.arange(len(self._blocks) + 1))
        for number, block in enumerate(self._blocks):
            mine = slice(edges[number], edges[number + 1])
            if mine.start < mine.stop:
                block.add(cells[mine] - number * size, nusd[mine])

    def put(self, slot: int, chunk: int, nusd: NDArray[np.signedinteger]) -> None:
        """Overwrite a bucket of a chunk, from its first series on."""
        first = (chunk % BLOCK * self._slots + slot) * CHUNK
        self._blocks[chunk // BLOCK].put(np.arange(first, first + len(nusd)), nusd.astype(np.int64))

    def rows(self, slots: Ints, some: slice = slice(None)) -> Ints:
        """(slots, series), of all series or a slice of them."""
        first, last, _ = some.indices(self._chunks * CHUNK)
        low, high = first // CHUNK, -(-last // CHUNK)
        parts = [block.rows(chunks, slots) for block, chunks in self._some(low, high)]
        rows = np.concatenate(parts, axis=1) if parts else np.zeros((len(slots), 0), np.int64)
        return rows[:, first - low * CHUNK : last - low * CHUNK]

    def of(self, series: int, slots: Ints | slice) -> Ints:
        """Of one series."""
        chunk, place = divmod(series, CHUNK)
        return self._blocks[chunk // BLOCK].of(chunk % BLOCK, place, slots)

    def total(self, slots: slice) -> Ints:
        """Of every series, the sum over slots."""
        parts = [block.total(chunks, slots) for block, chunks in self._some(0, self._chunks)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def holds(self, slot: int) -> Bools:
        """Of every chunk, whether anything is in that slot."""
        return np.asarray(self.rows(np.array([slot])).reshape(-1, CHUNK).any(axis=1))

    def clear(self, slots: Ints) -> None:
        for block, chunks in self._some(0, self._chunks):
            block.clear(chunks, slots)

    def clear_all(self) -> None:
        self._blocks = []
        self.reserve(self._chunks)

    def _some(self, first: int, last: int) -> "Iterator[tuple[_Block, slice]]":
        """The blocks that hold chunks [first, last), each with which of its own these are."""
        for number in range(first // BLOCK, -(-last // BLOCK)):
            base = number * BLOCK
            yield self._blocks[number], slice(max(0, first - base), min(BLOCK, last - base))


class _Block:
    def __init__(self, slots: int) -> None:
        shape = (BLOCK, slots, CHUNK)
        self._low = np.zeros(shape, np.uint32)
        self._high: NDArray[np.signedinteger] = np.zeros(shape, np.int16)
        self._tall = np.zeros(BLOCK, np.bool_)  # which chunks have ever had anything in `_high`

    def rows(self, chunks: slice, slots: Ints) -> Ints:
        """(slots, series)"""
        found = self._low[chunks, slots].transpose(1, 0, 2).astype(np.int64)
        for chunk in np.flatnonzero(self._tall[chunks]).tolist():
            found[:, chunk] += self._high[chunks.start + chunk, slots].astype(np.int64) << 32
        return found.reshape(len(slots), -1)

    def of(self, chunk: int, place: int, slots: Ints | slice) -> Ints:
        return self._low[chunk, slots, place] + (self._high[chunk, slots, place].astype(np.int64) << 32)

    def total(self, chunks: slice, slots: slice) -> Ints:
        found = self._low[chunks, slots].sum(axis=1, dtype=np.int64)
        for chunk in np.flatnonzero(self._tall[chunks]).tolist():
            found[chunk] += self._high[chunks.start + chunk, slots].sum(axis=0, dtype=np.int64) << 32
        return np.asarray(found.ravel())

    def add(self, cells: Ints, nusd: Ints) -> None:
        held = self._low.reshape(-1)[cells] + (self._high.reshape(-1)[cells].astype(np.int64) << 32)
        self.put(cells, held + nusd)

    def put(self, cells: Ints, nusd: Ints) -> None:
        self._low.reshape(-1)[cells] = nusd.astype(np.uint32)  # modulo 2^32
        high = nusd >> 32
        changed = high != self._high.reshape(-1)[cells]
        if not changed.any():
            return
        cells, high = cells[changed], high[changed]
        limits = np.iinfo(self._high.dtype)
        if high.min() < limits.min or high.max() > limits.max:
            self._high = self._high.astype(np.int32)
        self._high.reshape(-1)[cells] = high
        self._tall[cells // self._low[0].size] = True

    def clear(self, chunks: slice, slots: Ints) -> None:
        for part in (self._low, self._high):
            if part[chunks, slots].any():
                part[chunks, slots] = 0

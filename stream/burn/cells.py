"""Exact nano-dollars by slot and series, in 4 or 5 bytes mostly, instead of 8.

A cell's lower 32 bits lie in one array. The rest lies in a second one, which a chunk has only when a bucket
has come to 2^32 nano-dollars, $4.29: most series stay below that in 10 s and in a minute. One byte of it
reaches to $545 a bucket, two to $140,000; a chunk that sees more gets as many as it needs, up to 64 bits.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.schema.windows import CHUNK

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# So many chunks are worked on at one go, and no more than that is copied when another one begins.
BLOCK: Final = 16


class Cells:
    """`slots` buckets of any number of series, all zero at first."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._chunks = 0
        self._blocks: list[_Block] = []

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self._blocks)

    def reserve(self, chunks: int) -> None:
        self._chunks = chunks
        while len(self._blocks) * BLOCK < chunks:
            self._blocks.append(_Block(self._slots))
        for number, block in enumerate(self._blocks):
            block.grow(min(BLOCK, chunks - number * BLOCK))

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
        self._blocks[chunk // BLOCK].put(chunk % BLOCK, slot, nusd.astype(np.int64))

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
        for block in self._blocks:
            block.clear(slots)

    def clear_all(self) -> None:
        self._blocks = []
        self.reserve(self._chunks)

    def _some(self, first: int, last: int) -> "Iterator[tuple[_Block, slice]]":
        """The blocks that hold chunks [first, last), each with which of its own these are."""
        for number in range(first // BLOCK, -(-last // BLOCK)):
            base = number * BLOCK
            yield self._blocks[number], slice(max(0, first - base), min(BLOCK, last - base))


class _Block:
    """Up to `BLOCK` chunks; chunk by chunk, the slots of one after those of another."""

    def __init__(self, slots: int) -> None:
        self._low = np.zeros((0, slots, CHUNK), np.uint32)
        self._high: dict[int, NDArray[np.signedinteger]] = {}  # by chunk: (slots, series)

    @property
    def nbytes(self) -> int:
        return self._low.nbytes + sum(high.nbytes for high in self._high.values())

    def grow(self, chunks: int) -> None:
        if chunks > len(self._low):
            grown = np.zeros((chunks, *self._low.shape[1:]), np.uint32)
            grown[: len(self._low)] = self._low
            self._low = grown

    def rows(self, chunks: slice, slots: Ints) -> Ints:
        """(slots, series)"""
        found = self._low[chunks, slots].transpose(1, 0, 2).astype(np.int64)
        for place, high in self._high_of(chunks):
            found[:, place] += high[slots].astype(np.int64) << 32
        return found.reshape(len(slots), -1)

    def of(self, chunk: int, place: int, slots: Ints | slice) -> Ints:
        found = self._low[chunk, slots, place].astype(np.int64)
        if chunk in self._high:
            found += self._high[chunk][slots, place].astype(np.int64) << 32
        return found

    def total(self, chunks: slice, slots: slice) -> Ints:
        found = self._low[chunks, slots].sum(axis=1, dtype=np.int64)
        for place, high in self._high_of(chunks):
            found[place] += high[slots].sum(axis=0, dtype=np.int64) << 32
        return np.asarray(found.ravel())

    def add(self, cells: Ints, nusd: Ints) -> None:
        """Each cell once, in order."""
        low = self._low.reshape(-1)
        sums = low[cells] + nusd
        low[cells] = sums.astype(np.uint32)  # modulo 2^32
        carried = sums >> 32
        some = np.flatnonzero(carried)
        if not len(some):
            return
        chunk, cells = np.divmod(cells[some], self._low[0].size)
        for mine in np.split(np.arange(len(some)), np.flatnonzero(np.diff(chunk)) + 1):
            slot, place = np.divmod(cells[mine], CHUNK)
            self._add_high(int(chunk[mine[0]]), slot, place, carried[some[mine]])

    def put(self, chunk: int, slot: int, nusd: Ints) -> None:
        """Overwrite the first series of a slot."""
        self._low[chunk, slot, : len(nusd)] = nusd.astype(np.uint32)  # modulo 2^32
        high = nusd >> 32
        if chunk in self._high:
            self._high[chunk][slot, : len(nusd)] = 0
        some = np.flatnonzero(high)
        if len(some):
            self._add_high(chunk, np.full(len(some), slot), some, high[some])

    def clear(self, slots: Ints) -> None:
        if self._low[:, slots].any():  # what was never written takes no memory, and shall not now
            self._low[:, slots] = 0
        for high in self._high.values():
            high[slots] = 0

    def _high_of(self, chunks: slice) -> "Iterator[tuple[int, NDArray[np.signedinteger]]]":
        """Of these chunks, those that have one, each with its place among them."""
        for chunk, high in self._high.items():
            if chunks.start <= chunk < chunks.stop:
                yield chunk - chunks.start, high

    def _add_high(self, chunk: int, slots: Ints, places: Ints, more: Ints) -> None:
        high = self._high.get(chunk)
        if high is None:
            high = self._high[chunk] = np.zeros(self._low.shape[1:], np.int8)
        sums = high[slots, places] + more
        # The type of a negative number is a signed one.
        needed = np.min_scalar_type(min(int(sums.min()), -1 - int(sums.max())))
        self._high[chunk] = high = high.astype(np.result_type(high, needed), copy=False)
        high[slots, places] = sums

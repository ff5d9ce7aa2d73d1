"""Filling the rings from their state rows, which come in any order and are not held."""

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.burn.rings import Ring, RingSet
from stream.schema import windows as schema
from stream.schema.spend import Name
from stream.schema.windows import CHUNK

Ints = NDArray[np.int64]

_NOTHING: Final = -1
_EMPTY: Final = np.zeros(CHUNK, np.int64)


class Restore:
    """Fills an empty `rings`: `load` each row, then `settle` once."""

    def __init__(self, rings: RingSet) -> None:
        self._rings = rings
        self._names: dict[int, list[bytes]] = {}
        # By level and chunk, which bucket's row each slot was given.
        self._given: list[defaultdict[int, Ints]] = [_given(ring) for ring in rings.rings]

    def load(self, key: schema.Key, value: bytes) -> None:
        rings, first = self._rings, key.chunk * CHUNK
        rings.reserve(first + CHUNK)
        match key.kind:
            case schema.NAMES_ROW:
                names = schema.decode_names(value)
                self._names[key.chunk] = names.names
                rings.first_hour[first : first + len(names.first_hours)] = names.first_hours
            case schema.TOTALS_ROW:
                rings.total_nusd[first : first + CHUNK] = schema.decode_totals(value)
            case schema.BUCKET_ROW:
                bucket, values = schema.decode_bucket(value)
                rings.rings[key.level].cells.put(key.slot, key.chunk, values)
                self._given[key.level][key.chunk][key.slot] = bucket

    def settle(self, head_s: int) -> None:
        """All rows are in: drop buckets that are held no more, and fold what only finer rings hold."""
        rings = self._rings
        for chunk in sorted(self._names):
            for name in self._names[chunk]:
                rings.recall(Name(*schema.decode_name(name)))
        rings.head_s = head_s
        for level, ring in enumerate(rings.rings):
            ring.head = (head_s - 1) // ring.spec.width_s
            held = ring.bucket(np.arange(ring.spec.slots))
            for chunk, given in self._given[level].items():
                gone = np.flatnonzero((given != _NOTHING) & (given != held))
                for slot in gone.tolist():
                    ring.cells.put(slot, chunk, _EMPTY)
                if level:
                    ring.explicit[:, chunk] = given == held
            if level:
                _fold(ring, rings.rings[level - 1])


def _given(ring: Ring) -> defaultdict[int, Ints]:
    return defaultdict(lambda: np.full(ring.spec.slots, _NOTHING, np.int64))


def _fold(ring: Ring, finer: Ring) -> None:
    ratio = ring.spec.width_s // finer.spec.width_s
    for bucket in range(max(ring.tail, -(-finer.tail // ratio)), ring.head + 1):
        slot = bucket % ring.spec.slots
        folded = finer.total(bucket * ratio, (bucket + 1) * ratio).reshape(-1, CHUNK)
        for chunk in np.flatnonzero(~ring.explicit[slot] & folded.any(axis=1)).tolist():
            ring.cells.put(slot, chunk, folded[chunk])

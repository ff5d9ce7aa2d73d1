"""Adds up columns by key: one pass, or one sort and one pass, whatever the number of rows."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Column = NDArray[Any]

# Adding into a table of all combinations takes 1 to 2 ns a row while the table stays in the processor's
# cache, a sort 5 ns and more. So many combinations a row are worth a table.
_TABLE: Final = 4
_SMALL: Final = 4096


def add_up(keys: Sequence[Ints], sums: Sequence[Column]) -> tuple[list[Ints], list[Column]]:
    """One row for each combination of keys that occurs, in rising order, with its sums.

    Integers are added exactly; floats in the order in which they come.
    """
    count = len(keys[0])
    lows = [int(key.min()) for key in keys]
    sizes = [int(key.max()) - low + 1 for key, low in zip(keys, lows, strict=True)]
    room = math.prod(sizes)
    if room >= 2**63:
        return _wide(keys, sums)
    code = keys[0] - lows[0]
    for key, low, size in zip(keys[1:], lows[1:], sizes[1:], strict=True):
        code = code * size + (key - low)
    if room <= _TABLE * count + _SMALL:
        codes = np.flatnonzero(np.bincount(code, minlength=room))
        added = [_tabled(code, column, room)[codes] for column in sums]
    else:
        order, ordered = _sorted(code, room)
        first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        codes = ordered[first]
        added = [np.add.reduceat(column[order], first) for column in sums]
    found = []
    for low, size in zip(lows[:0:-1], sizes[:0:-1], strict=True):
        rest = codes // size
        found.append(codes - rest * size + low)
        codes = rest
    return [codes + lows[0], *reversed(found)], added


def _tabled(code: Ints, column: Column, room: int) -> Column:
    if column.dtype.kind == "f":
        return np.bincount(code, column, room)
    table = np.zeros(room, np.int64)
    np.add.at(table, code, column)
    return table


def _sorted(code: Ints, room: int) -> tuple[Ints, Ints]:
    """A stable order, and the codes in it. With its position in the low bits every code is another number,
    so any sort is stable, and plain integers are sorted ten times faster than a stable order is found."""
    bits = len(code).bit_length()
    if room << bits >= 2**63:
        order = np.argsort(code, kind="stable")
        return order, code[order]
    both = np.sort((code << bits) | np.arange(len(code)))
    return both & ((1 << bits) - 1), both >> bits


def _wide(keys: Sequence[Ints], sums: Sequence[Column]) -> tuple[list[Ints], list[Column]]:
    """Where the ranges of the keys are too wide for one number."""
    order = np.lexsort(keys[::-1])
    differs = np.zeros(len(order), np.bool_)
    differs[0] = True
    for key in keys:
        ordered = key[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    first = np.flatnonzero(differs)
    return [key[order][first] for key in keys], [np.add.reduceat(column[order], first) for column in sums]

"""Medians that leave out what is not known."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAD_TO_SIGMA: Final = 1.4826


def median(values: Floats, at_least: int, axis: int = 0) -> Floats:
    """Medians along an axis that leave out NaN; NaN where fewer than `at_least` values are known."""
    values = np.moveaxis(values, axis, 0)
    count = len(values)
    if not count:
        return np.full(values.shape[1:], np.nan)
    ordered = np.sort(values, axis=0)  # NaN goes last
    known = (~np.isnan(values)).sum(axis=0)

    def at(place: Ints) -> Floats:
        return np.asarray(np.take_along_axis(ordered, place[None], axis=0)[0])

    low, high = at(np.maximum((known - 1) // 2, 0)), at(np.minimum(known // 2, count - 1))
    return np.where(known >= at_least, (low + high) / 2, np.nan)


def first_known(week: Floats, day: Floats, trailing: Floats) -> Floats:
    return np.where(np.isnan(week), np.where(np.isnan(day), trailing, day), week)

"""Exact money out of fast floats: a float result is taken only where it provably is the right integer.

Everything here works on columns. Whatever can't be proven goes, a few at a time, through `Fraction`.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NANO: Final = 1_000_000_000

# d with at most 9 decimals, read as a double and times 1e9, is off by at most n * 2**-52 (two roundings
# of 2**-53). Below 2**21 dollars n < 2**51, so the error is under half a nano-dollar and rint is right.
PROVABLE_USD: Final = float(2**21)
TWO_ROUNDINGS: Final = 2.0**-52


def nusd_of(cost_usd: Floats) -> tuple[Ints, Bools]:
    """Nano-dollars of each decimal that was read as a double, and whether that is proven exact."""
    scaled = cost_usd * 1e9
    nearest = np.rint(scaled)
    proven = (np.abs(cost_usd) < PROVABLE_USD) & (np.abs(scaled - nearest) <= np.abs(nearest) * TWO_ROUNDINGS)
    return np.where(proven, nearest, 0.0).astype(np.int64), proven


def multiply(amounts: Floats | Ints, factor: Floats | float, exact: Callable[[int], Fraction]) -> Ints:
    """`round_half_even(amount * factor)` for each amount, exactly.

    `factor` is the nearest double of each factor, `exact(index)` the factor itself. A double product is
    right unless it lies within its own error of a tie between two integers. A float amount stands for
    the decimal it prints as.
    """
    product = amounts.astype(np.float64) * factor
    nearest = np.rint(product)
    # Three roundings at most: the amount as a double, the factor as a double, the product.
    error = np.abs(product) * (2 * TWO_ROUNDINGS)
    proven = np.abs(np.abs(product - nearest) - 0.5) > error
    proven &= np.abs(product) < float(2**51)
    result = np.where(proven, nearest, 0.0).astype(np.int64)
    for index in np.flatnonzero(~proven).tolist():
        amount = amounts[index]
        decimal = Fraction(int(amount)) if isinstance(amount, np.integer) else Fraction(repr(float(amount)))
        result[index] = round(decimal * exact(index))
    return result

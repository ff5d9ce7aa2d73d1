"""What is measured at scale: single numbers, each with what was asked of it."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

MIB: Final = 2**20


class Figure(msgspec.Struct, frozen=True):
    """One number. `group` is what was measured, `name` at which size or of what; `at_most` is what it should
    not exceed, None where nothing was asked."""

    group: str
    name: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def within(self) -> bool:
        return self.at_most is None or self.value <= self.at_most


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]


def find(figures: Iterable[Figure], group: str, name: str) -> float:
    """Raises `KeyError` where that was not measured."""
    for figure in figures:
        if (figure.group, figure.name) == (group, name):
            return figure.value
    raise KeyError(f"{group}: {name}")


def shown(value: float) -> str:
    """Three digits are more than such a measurement is worth."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

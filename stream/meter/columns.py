"""What a batch of messages becomes: columns of its estimates as they were read, then of those that passed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream.meter.money import nusd_of
from stream.schema.usage import MISSING, Estimate, Head, Message

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_TIME_MS: Final = 253_402_300_799_000  # the end of the year 9999

HAS_COST: Final = 1  # flags of an estimate: without this one a price must be found
DUPLICATE: Final = 2
LATE: Final = 4


@dataclass(slots=True)
class Columns:
    """Estimates as they were read, in order. `message` says which message of the batch each is from,
    `repeated` whether that message has come before. Where `exact`, `cost_nusd` and `rest_ausd` are what the
    cost comes to; where not, that is still to be found out."""

    message: Ints
    repeated: Bools
    series: Ints
    start: Ints
    end: Ints
    quantity: Floats
    cost_usd: Floats
    cost_nusd: Ints
    rest_ausd: Ints
    exact: Bools

    @classmethod
    def of(
        cls,
        message: Ints,
        repeated: Bools,
        series: Ints,
        start: Ints,
        end: Ints,
        quantity: Floats,
        cost_usd: Floats,
    ) -> "Columns":
        """With what costs come to, where that can be proven."""
        stated = np.isfinite(cost_usd) & (cost_usd != MISSING)
        cost_nusd, exact = nusd_of(np.where(stated, cost_usd, 0.0))
        rest_ausd = np.zeros(len(cost_nusd), np.int64)
        start, end = (np.clip(times, -MAX_TIME_MS, MAX_TIME_MS) for times in (start, end))
        return cls(message, repeated, series, start, end, quantity, cost_usd, cost_nusd, rest_ausd, exact)

    @classmethod
    def joined(cls, parts: Sequence["Columns"]) -> "Columns":
        return parts[0] if len(parts) == 1 else cls(**_joined(parts, cls.__slots__))


@dataclass(slots=True)
class Pack:
    """Columns of the estimates of one batch that passed. `rest_ausd` is what a cost has below a
    nano-dollar, in 1e-18 USD."""

    series: Ints
    start: Ints
    end: Ints
    quantity: Floats
    flags: Ints
    cost_nusd: Ints
    rest_ausd: Ints

    def keep(self, mask: Bools) -> "Pack":
        return Pack(*(getattr(self, name)[mask] for name in self.__slots__))

    @classmethod
    def joined(cls, packs: Sequence["Pack"]) -> "Pack":
        return packs[0] if len(packs) == 1 else cls(**_joined(packs, cls.__slots__))


def _joined(parts: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}


@dataclass(slots=True)
class Rows:
    """Estimates as they are read one by one, a list a field, on their way to columns."""

    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    quantity: list[float] = field(default_factory=list)
    cost_usd: list[float] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    repeated: list[bool] = field(default_factory=list)

    def add(self, estimates: Sequence[Estimate | Message | Head]) -> None:
        self.start += [estimate.start for estimate in estimates]
        self.end += [estimate.end for estimate in estimates]
        self.quantity += [estimate.quantity for estimate in estimates]
        self.cost_usd += [estimate.cost_usd for estimate in estimates]

    def columns(self) -> Columns:
        return Columns.of(
            np.array(self.message, np.int64),
            np.array(self.repeated, np.bool_),
            np.array(self.series, np.int64),
            _times(self.start),
            _times(self.end),
            np.array(self.quantity),
            np.array(self.cost_usd),
        )


def _times(values: list[int]) -> Ints:
    """Epoch milliseconds; what no calendar holds is moved just beyond it, where the checks reject it."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([max(-MAX_TIME_MS, min(value, MAX_TIME_MS)) for value in values], np.int64)

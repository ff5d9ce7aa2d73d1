"""Everything worked out once per distinct label set, in columns that the hot path can index."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.meter.attribute import Attribution, Attributor
from stream.meter.calibrate import Factors
from stream.meter.decode import read_labels
from stream.meter.price import PriceBook
from stream.schema.spend import DRIVER, Name
from stream.scopes import TOTAL, UNMAPPED, partition_of

ACCEPTED: Final = 1
UNOWNED: Final = 2
_COUNTED: Final = {TOTAL: ACCEPTED, UNMAPPED: UNOWNED}

Key = tuple[bytes, bytes, str, str]  # envelope's labels, own labels, driver, sku: all as they came

INVALID: Final = -1
MAX_DRIVER_CHARS: Final = 128
MAX_SKU_CHARS: Final = 256
DAY_MS: Final = 86_400_000
_DAYS: Final = 1 << 24  # the year 9999 is 2,932,897 days from 1970, below 2**22


@dataclass(slots=True)
class Series:
    """One label set with a driver and a SKU. `targets` index the table's `names`: what the money adds
    to without a price, with one, and the remarks on calibrated money."""

    driver: str
    sku: str
    attribution: Attribution
    targets: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class SeriesTable:
    """Label sets met so far, numbered from 0, and the names they add to, each with the partition it lives
    in (`homes`) and whether its rows count as accepted or unmapped money (`counted`).

    Forgotten as a whole when it grows over its bound: numbers live only as long as one commit, so
    nothing else remembers them."""

    def __init__(
        self, attributor: Attributor, prices: PriceBook, factors: Factors, bound: int, spend_partitions: int
    ) -> None:
        self._attributor = attributor
        self._prices = prices
        self._factors = factors
        self._bound = bound
        self._partitions = spend_partitions
        self.clear()

    def clear(self) -> None:
        self.ids: dict[Key, int] = {}
        self.series: list[Series] = []
        self.names: list[Name] = []
        self.homes: list[int] = []
        self.counted: list[int] = []
        self._problem: tuple[Key, str] = ((b"", b"", "", ""), "")
        self._name_ids: dict[Name, int] = {}
        self._price_cache: dict[tuple[int, int], Fraction | None] = {}
        self._price_floats: dict[tuple[int, int], float] = {}

    @property
    def full(self) -> bool:
        return len(self.ids) >= self._bound

    def add(self, key: Key) -> int:
        """Number of a label set not met before, or INVALID with the sentence in `problem`."""
        shared, own, driver, sku = key
        labels, problem = _merged(shared, own)
        if not problem and (not driver or len(driver) > MAX_DRIVER_CHARS or len(sku) > MAX_SKU_CHARS):
            problem = f"driver must have 1 to {MAX_DRIVER_CHARS} characters, sku at most {MAX_SKU_CHARS}"
        if problem:
            self._problem = (key, problem)  # only the last: a flood of bad label sets must cost nothing
            return INVALID
        found = self._attributor.attribute(labels, driver)
        targets = (
            self._intern(found.rows + found.unpriced), self._intern(found.rows), self._intern(found.notes)
        )  # fmt: skip
        number = len(self.series)
        self.series.append(Series(driver, sku, found, targets))
        self.ids[key] = number
        return number

    def problem(self, key: Key) -> str:
        """Why this label set is INVALID."""
        if self._problem[0] != key:
            self.add(key)
        return self._problem[1]

    def names_of(self, number: int, role: int) -> NDArray[np.int64]:
        return self.series[number].targets[role]

    def prices(self, numbers: NDArray[np.int64], at_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Nano-dollars a unit of each, as the nearest double; NaN where the book has no price."""
        days = at_ms // DAY_MS  # prices take effect on a date
        first = int(days.min(initial=0))
        distinct, inverse = np.unique(numbers * _DAYS + (days - first), return_inverse=True)
        floats = [self._price_float(code // _DAYS, code % _DAYS + first) for code in distinct.tolist()]
        return np.array(floats, np.float64)[inverse]

    def _price_float(self, number: int, day: int) -> float:
        known = self._price_floats.get((number, day))
        if known is None:
            price = self.price(number, day * DAY_MS)
            known = self._price_floats[number, day] = float("nan" if price is None else price)
        return known

    def price(self, number: int, at_ms: int) -> Fraction | None:
        """Nano-dollars a unit, in force at `at_ms`; None where the book has no price."""
        key = (number, at_ms // DAY_MS)
        if key not in self._price_cache:
            series = self.series[number]
            found = self._prices.price(series.driver, series.sku, series.attribution.labels, at_ms)
            self._price_cache[key] = None if found is None else found.nusd_per_unit
        return self._price_cache[key]

    def factor(self, number: int) -> Fraction:
        """What the invoice said of earlier estimates like this one; 1 where nothing is known."""
        billing = self.series[number].attribution.billing
        return Fraction(1) if billing is None else self._factors.factor(*billing)

    def _intern(self, names: tuple[Name, ...]) -> NDArray[np.int64]:
        for name in names:
            if name not in self._name_ids:
                self._name_ids[name] = len(self.names)
                self.names.append(name)
                self.homes.append(partition_of(name.scope, self._partitions))
                self.counted.append(_COUNTED.get(name.scope, 0) if name.role == DRIVER else 0)
        return np.array([self._name_ids[name] for name in names], np.int64)


def _merged(shared: bytes, own: bytes) -> tuple[dict[str, str], str]:
    """Both label sets together, an estimate's own labels first; or what is wrong with them."""
    labels: dict[str, str] = {}
    for raw in (shared, own):
        read = read_labels(raw)
        if isinstance(read, str):
            return {}, read
        labels |= read
    return labels, ""

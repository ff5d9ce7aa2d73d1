"""Everything worked out once per distinct label set, in columns that the hot path can index."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.meter.attribute import Attribution, Attributor
from stream.meter.calibrate import Factors
from stream.meter.decode import read_labels
from stream.meter.price import PriceBook
from stream.schema import usage_columns
from stream.schema.spend import DRIVER, Name
from stream.scopes import TOTAL, UNMAPPED, partition_of

ACCEPTED: Final = 1
UNOWNED: Final = 2
NO_LABELS: Final = b"{}"
_COUNTED: Final = {TOTAL: ACCEPTED, UNMAPPED: UNOWNED}

Ints = NDArray[np.int64]
Key = tuple[bytes, bytes, str, str]  # envelope's labels, own labels, driver, sku: all as they came
Tail = tuple[bytes, str, str]  # a single estimate from its labels to its end, driver, sku

INVALID: Final = -1
ENVELOPE_BYTES: Final = 32 << 20  # 1,000 agents with 32 KB of series each
MAX_DRIVER_CHARS: Final = 128
MAX_SKU_CHARS: Final = 256
DAY_MS: Final = 86_400_000
UNPRICED: Final = 0  # which of a series' lists of names money adds to: it has no price,
PRICED: Final = 1  # it has one,
NOTE: Final = 2  # or it is a remark on calibrated money
_ROLES: Final = 3
_UNNUMBERED: Final = -1
_DAYS: Final = 1 << 24  # the year 9999 is 2,932,897 days from 1970, below 2**22


@dataclass(slots=True)
class Series:
    """One label set with a driver and a SKU."""

    driver: str
    sku: str
    attribution: Attribution


class _Column:
    """Whole numbers that are appended one by one and read as an array."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._array: Ints = np.zeros(0, np.int64)

    @property
    def array(self) -> Ints:
        fresh = self.rows[len(self._array) :]
        if fresh:
            self._array = np.concatenate((self._array, np.array(fresh, np.int64)))
        return self._array


class Targets:
    """Lists of names that money adds to, numbered: pods of one service share theirs."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, ...], int] = {}
        self._flat = _Column()
        self._first = _Column()
        self._first.rows.append(0)

    def number(self, names: tuple[int, ...]) -> int:
        found = self._ids.get(names)
        if found is None:
            found = self._ids[names] = len(self._ids)
            self._flat.rows += names
            self._first.rows.append(len(self._flat.rows))
        return found

    def fan_out(self, lists: Ints) -> tuple[Ints, Ints]:
        """For each member of each of these lists: which of `lists` it is of, and its name's number."""
        flat, first = self._flat.array, self._first.array
        begin = first[lists]
        length = first[lists + 1] - begin
        row = np.repeat(np.arange(len(lists)), length)
        within = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        return row, flat[begin[row] + within]


class SeriesTable:
    """Label sets met so far, numbered from 0, and the names they add to, each with the partition it lives
    in (`homes`) and whether its rows count as accepted or unmapped money (`counted`). Names get numbers only
    when money adds to them: few label sets are ever unpriced or calibrated.

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
        self.tails: dict[Tail, int] = {}
        self._envelopes: dict[tuple[bytes, bytes], Ints] = {}
        self._envelope_bytes = 0
        self.targets = Targets()
        self._attributions: dict[Attribution, int] = {}
        self._attributed = _Column()  # which of the attributions each series has
        self._lists: Ints = np.full((_ROLES, 0), _UNNUMBERED)  # of each role and attribution
        self.series: list[Series] = []
        self.names: list[Name] = []
        self._homes = _Column()
        self._counted = _Column()
        self._problem: tuple[Key, str] = ((b"", b"", "", ""), "")
        self._name_ids: dict[Name, int] = {}
        self._price_cache: dict[tuple[int, int], Fraction | None] = {}
        self._price_floats: dict[tuple[int, int], float] = {}

    @property
    def homes(self) -> Ints:
        return self._homes.array

    @property
    def counted(self) -> Ints:
        return self._counted.array

    @property
    def full(self) -> bool:
        return max(len(self.ids), len(self.tails)) >= self._bound

    def number(self, key: Key) -> int:
        """Number of a label set, or INVALID."""
        found = self.ids.get(key)
        return self.add(key) if found is None else found

    def numbers(self, labels: bytes, series: bytes) -> Ints | None:
        """Of an envelope in columns, the number of each of its series; None where one is INVALID or worse.

        Agents send the same list again and again, so it is known by its bytes.
        """
        known = self._envelopes.get((labels, series))
        if known is None:
            try:
                each = usage_columns.decode_list(series)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return None
            found = [self.number((labels, bytes(one.labels), one.driver, one.sku)) for one in each]
            if INVALID in found:
                return None
            self._envelope_bytes += len(labels) + len(series)
            if self._envelope_bytes > ENVELOPE_BYTES:
                self._envelopes.clear()
                self._envelope_bytes = len(labels) + len(series)
            known = self._envelopes[labels, series] = np.array(found, np.int64)
        return known

    def add(self, key: Key) -> int:
        """Number of a label set not met before, or INVALID with the sentence in `problem`."""
        shared, own, driver, sku = key
        labels, problem = _merged(shared, own)
        if not problem and (not driver or len(driver) > MAX_DRIVER_CHARS or len(sku) > MAX_SKU_CHARS):
            problem = f"driver must have 1 to {MAX_DRIVER_CHARS} characters, sku at most {MAX_SKU_CHARS}"
        if problem:
            self._problem = (key, problem)  # only the last: a flood of bad label sets must cost nothing
            return INVALID
        found = self._attributor.attribute(labels, driver, sku)
        number = len(self.series)
        self.series.append(Series(driver, sku, found))
        self._attributed.rows.append(self._attributions.setdefault(found, len(self._attributions)))
        self.ids[key] = number
        return number

    def add_tail(self, tail: Tail) -> int:
        """The same for the end of a message, which must be labels and one closing brace."""
        rest, driver, sku = tail
        if not rest.endswith(b"}"):
            return INVALID
        key = (NO_LABELS, rest[:-1], driver, sku)
        number = self.ids.get(key, INVALID)
        if number == INVALID:
            number = self.add(key)
        if number != INVALID:
            self.tails[tail] = number
        return number

    def problem(self, key: Key) -> str:
        """Why this label set is INVALID."""
        if self._problem[0] != key:
            self.add(key)
        return self._problem[1]

    def attributed(self, numbers: Ints) -> Ints:
        """Which attribution each series has, numbered as they were met."""
        return self._attributed.array[numbers]

    def lists(self, numbers: Ints, role: Ints | int) -> Ints:
        """Which list of names each series adds to, in the given role."""
        fresh = len(self._attributions) - self._lists.shape[1]
        if fresh:
            self._lists = np.concatenate((self._lists, np.full((_ROLES, fresh), _UNNUMBERED)), axis=1)
        attributed = self._attributed.array[numbers]
        lists: Ints = self._lists[role, attributed]
        missing = np.flatnonzero(lists == _UNNUMBERED)
        if len(missing):
            roles = np.broadcast_to(role, lists.shape)[missing]
            _, first = np.unique(attributed[missing] * _ROLES + roles, return_index=True)
            for each in np.sort(first):
                place = int(missing[each])
                found = self.series[int(numbers[place])].attribution
                self._lists[roles[each], attributed[place]] = self._numbered(int(roles[each]), found)
            lists = self._lists[role, attributed]
        return lists

    def _numbered(self, role: int, found: Attribution) -> int:
        names = found.notes if role == NOTE else found.rows
        if role == UNPRICED:
            names += found.unpriced
        return self.targets.number(tuple(map(self._intern, names)))

    def prices(self, numbers: Ints, at_ms: Ints) -> NDArray[np.float64]:
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

    def _intern(self, name: Name) -> int:
        number = self._name_ids.get(name)
        if number is None:
            number = self._name_ids[name] = len(self.names)
            self.names.append(name)
            self._homes.rows.append(partition_of(name.scope, self._partitions))
            self._counted.rows.append(_COUNTED.get(name.scope, 0) if name.role == DRIVER else 0)
        return number


def _merged(shared: bytes, own: bytes) -> tuple[dict[str, str], str]:
    """Both label sets together, an estimate's own labels first; or what is wrong with them."""
    labels: dict[str, str] = {}
    for raw in (shared, own):
        read = read_labels(raw)
        if isinstance(read, str):
            return {}, read
        labels |= read
    return labels, ""

"""The price book: list prices by driver, SKU, region and date, and the exact money of a quantity.

Format and matching are described in docs/prices.md. A price is an exact fraction of nano-dollars a unit,
so that quantities can be added up before they are priced and the product is rounded once.
"""

import csv
import datetime as dt
import difflib
import io
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Final

from stream.errors import UserError

COLUMNS: Final = (
    "provider", "driver", "sku", "region", "unit", "per", "price_usd", "effective_date", "source",
)  # fmt: skip
NANO: Final = 10**9
DAY_MS: Final = 86_400_000
# Dearer units do not exist: a whole rack of GPUs is below 10,000 USD an hour.
MOST_USD: Final = Decimal(1_000_000)
MISTAKES_SHOWN: Final = 20

_EPOCH: Final = dt.date(1970, 1, 1)
_SINCE_EVER: Final = -(2**63)
_DRIVER: Final = re.compile(r"[a-z][a-z0-9_]*")
_DECIMAL: Final = re.compile(r"\d{1,30}(\.\d{1,30})?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ANY: Final = ""

Key = tuple[str, str, str, str]  # driver, sku, region, provider


@dataclass(frozen=True, slots=True)
class Price:
    """What `per` units of a driver cost from `effective_date` (UTC) on; None: since ever.

    `unit` is the unit as its source words it, such as "GB-month"; `line` is its line in the book.
    """

    usd: Decimal
    per: Decimal
    unit: str
    effective_date: dt.date | None
    source: str
    line: int

    @property
    def nusd_per_unit(self) -> Fraction:
        """Nano-dollars for one unit of the driver, exactly."""
        return Fraction(self.usd) * NANO / Fraction(self.per)

    def nusd(self, quantity: Decimal | Fraction) -> int:
        """The price of a quantity in nano-dollars, rounded once, half to even.

        >>> Price(Decimal("0.09"), Decimal(10**9), "GB", None, "", 2).nusd(Decimal(15))  # 1.35 nUSD
        1
        """
        return round(Fraction(quantity) * self.nusd_per_unit)


class PriceBook:
    """Immutable. The most specific row that fits an estimate wins; of its versions, the one in force."""

    def __init__(self, prices: Mapping[Key, list[Price]]) -> None:
        """`prices` holds the versions of each row by rising date."""
        self._prices = {key: tuple(versions) for key, versions in prices.items()}
        self._days = {key: [_day(price) for price in versions] for key, versions in self._prices.items()}
        providers: dict[tuple[str, str, str], set[str]] = {}
        for driver, sku, region, provider in self._prices:
            providers.setdefault((driver, sku, region), set()).add(provider)
        self._only = {place: names.pop() for place, names in providers.items() if len(names) == 1}

    def __iter__(self) -> Iterator[Price]:
        return (price for versions in self._prices.values() for price in versions)

    def price(self, driver: str, sku: str, labels: Mapping[str, str], at_ms: int) -> Price | None:
        """The price in force at `at_ms` (UTC epoch milliseconds), or None: the estimate is unpriced.

        Of `labels` only `provider` and `region` count. A row without a SKU prices any SKU of its driver,
        a row without a region any region. SKU goes before region, region before provider. A row that is
        not in force yet gives way to the next less specific one.
        """
        day = at_ms // DAY_MS
        for key in self._candidates(driver, sku, labels.get("region", _ANY), labels.get("provider", _ANY)):
            versions = self._prices.get(key)
            if versions is not None and (index := bisect_right(self._days[key], day)):
                return versions[index - 1]
        return None

    def _candidates(self, driver: str, sku: str, region: str, provider: str) -> Iterator[Key]:
        for fitting_sku in dict.fromkeys((sku, _ANY)):
            for fitting_region in dict.fromkeys((region, _ANY)):
                if provider:
                    yield driver, fitting_sku, fitting_region, provider
                    yield driver, fitting_sku, fitting_region, _ANY
                else:
                    # Who sends `m5.large` without a provider means the only one that has it.
                    only = self._only.get((driver, fitting_sku, fitting_region), _ANY)
                    yield driver, fitting_sku, fitting_region, only


def load(path: Path | None) -> PriceBook:
    """Read a price book, or the list prices that come with burnline when `path` is None.

    Raises `UserError` naming every mistake with its line.
    """
    if path is None:
        text = resources.files("stream.meter").joinpath("list_prices.csv").read_text(encoding="utf-8")
        return parse(text, "list_prices.csv")
    try:
        return parse(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; mend prices.book") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text: save it as CSV UTF-8") from None


def parse(text: str, name: str) -> PriceBook:
    """The book in a CSV text; `name` is what errors call it."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    prices: dict[Key, list[Price]] = {}
    mistakes: list[str] = []
    try:
        if problem := _header_problem(next(reader, [])):
            raise UserError(f"{name} line 1: {problem}")
        for cells in reader:
            line = reader.line_num
            if not cells:
                continue
            try:
                key, price = _row(cells, line)
                _add(prices.setdefault(key, []), price)
            except ValueError as error:
                mistakes.append(f"{name} line {line}: {error}")
    except csv.Error as error:
        mistakes.append(f"{name} line {reader.line_num}: not CSV ({error}); is a quote not closed?")
    if mistakes:
        more = len(mistakes) - MISTAKES_SHOWN
        raise UserError("\n".join(mistakes[:MISTAKES_SHOWN] + ([f"and {more} more"] if more > 0 else [])))
    if not prices:
        raise UserError(f"{name} has no prices: add rows below the header, or leave prices.book out")
    for versions in prices.values():
        versions.sort(key=_day)
    return PriceBook(prices)


def _header_problem(header: list[str]) -> str:
    for column in header:
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, COLUMNS, n=1)
            return f"unknown column {column!r}; " + (f"did you mean {near[0]!r}?" if near else _wanted())
    return "" if tuple(header) == COLUMNS else _wanted()


def _wanted() -> str:
    return f"the header must be {','.join(COLUMNS)}"


def _row(cells: list[str], line: int) -> tuple[Key, Price]:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} cells where the header has {len(COLUMNS)}")
    row = dict(zip(COLUMNS, cells, strict=True))
    for column, cell in row.items():
        if cell != cell.strip():
            raise ValueError(f"{column} has blanks around {cell.strip()!r}: remove them")
    if not _DRIVER.fullmatch(row["driver"]):
        raise ValueError(f"driver is {row['driver']!r}; write lower-case words such as pod_hours")
    usd, per = _decimal(row, "price_usd"), _decimal(row, "per")
    if per == 0:
        raise ValueError("per is 0; write how many units the price is for, such as 1")
    if usd / per > MOST_USD:
        raise ValueError(f"price_usd over per is more than {MOST_USD} USD a unit: check both")
    price = Price(usd, per, row["unit"], _date(row["effective_date"]), row["source"], line)
    return (row["driver"], row["sku"], row["region"], row["provider"]), price


def _decimal(row: Mapping[str, str], column: str) -> Decimal:
    if _DECIMAL.fullmatch(row[column]):
        return Decimal(row[column])
    raise ValueError(f"{column} is {row[column]!r}; write a plain number of 0 or more, such as 0.0416")


def _date(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"effective_date is {text!r}; write a date such as 2026-01-01, or leave it empty")


def _day(price: Price) -> int:
    """Days from the epoch to the date a price takes effect."""
    return _SINCE_EVER if price.effective_date is None else (price.effective_date - _EPOCH).days


def _add(versions: list[Price], price: Price) -> None:
    for other in versions:
        if other.effective_date == price.effective_date:
            since = f"the date {price.effective_date}" if price.effective_date else "no date"
            raise ValueError(
                f"same provider, driver, sku and region as line {other.line}, both with {since}: "
                "remove one, or give each its effective_date"
            )
    versions.append(price)

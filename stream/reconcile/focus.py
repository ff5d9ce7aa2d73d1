"""FOCUS 1.0 to 1.4 exports (CSV, plain or gzip) as invoice lines. https://focus.finops.org

Money. Costs are read as exact decimals, often finer than a nano-dollar. Each snapshot keeps an exact
running total, and a row gets the difference of the rounded totals after and before it. So a row is off by
less than one nano-dollar, and a snapshot's rows add up to its exact total, rounded once, half to even.

Time. A charge is booked to its charge period. One longer than a month (a year paid at once) is booked to
the part of it in its billing period, whose invoice holds it. A correction stays on the days that it mends.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Final

from stream.collect.focus import NULLS, PROVIDERS
from stream.collect.inputfile import InputFile, Row, Table
from stream.collect.reader import LONGEST_PIECE_MS, ROW_LIMIT, Rejected
from stream.collect.values import COST_LIMIT_USD, EXACT, instant_ms, number
from stream.errors import UserError
from stream.schema.invoices import DAY_MS, Category, InvoiceLine, Snapshot

# OpenCost's word for cost that belongs to nothing in particular; a commitment's purchase names no service.
NO_SERVICE: Final = "__unallocated__"
# The longest commitments sold run 5 years; a longer charge period is a mistake in the export.
LONGEST_CHARGE_MS: Final = 5 * 366 * DAY_MS
_BLOCK_BYTES: Final = 1 << 20
_WATCH_ROWS: Final = 4096  # some ten times a second
_NEEDED: Final = frozenset(
    {
        "billedcost", "billingaccountid", "billingcurrency", "billingperiodstart", "billingperiodend",
        "chargecategory", "chargeperiodstart", "chargeperiodend", "servicename",
    }
)  # fmt: skip
_COSTS: Final = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
_CATEGORIES: Final = {category.value.lower(): category for category in Category}


@dataclass(slots=True)
class Export:
    """What was read: the lines, and the rows that could not be, with the reason and their bytes."""

    lines: list[InvoiceLine] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        return dict(Counter(row.reason for row in self.rejected).most_common())


def _unwatched(bytes_read: int) -> None: ...


def read(paths: Iterable[Path], append: bool = False, watch: Callable[[int], None] = _unwatched) -> Export:
    """Read all files of one delivery. `append` is for providers that deliver only what is new; `watch` is
    told now and then how many bytes of the files (as stored) are done.

    What is wrong with a row makes it `Rejected`; what is wrong with a file raises `UserError`.
    """
    files = sorted(paths, key=lambda path: path.name)
    delivery, totals, export = _fingerprint(files), _RunningTotals(), Export()
    for position, row in enumerate(_rows(files, watch), 1):
        if position > ROW_LIMIT:
            raise UserError(f"{_names(files)} has over {ROW_LIMIT:,} rows. Split it by billing period.")
        if isinstance(row, Rejected):
            export.rejected.append(row)
            continue
        try:
            export.lines.append(_line(row, totals, delivery, position, not append))
        except ValueError as error:
            export.rejected.append(row.rejected(str(error)))
    if not export.lines:
        why = next(iter(export.rejected_by_reason), "it has no rows")
        raise UserError(f"{_names(files)} has no invoice line that can be read: {why}.")
    return export


def _rows(files: Iterable[Path], watch: Callable[[int], None]) -> Iterator[Row | Rejected]:
    done_bytes = 0
    for path in files:
        with InputFile(path) as file:
            table = Table(file, NULLS)
            table.require(_NEEDED, "reconciliation with FOCUS")
            for number, row in enumerate(table):
                if number % _WATCH_ROWS == 0:
                    watch(done_bytes + file.bytes_read)
                yield row
        done_bytes += file.size_bytes


def _line(row: Row, totals: "_RunningTotals", delivery: str, position: int, replaces: bool) -> InvoiceLine:
    """Everything that can fail comes before the money, so that a rejected row leaves no trace in it."""
    currency = row.need("billingcurrency").upper()
    if currency != "USD":
        raise ValueError(f"BillingCurrency is {currency[:20]}: only USD can be reconciled")
    name = row.need("serviceprovidername", "providername")
    provider = PROVIDERS.get(name.lower(), name)
    billing_account = row.need("billingaccountid")
    category = _category(row)
    correction = _one_of(row, "chargeclass", ("correction",)) is not None
    billing_start_ms = instant_ms(row.need("billingperiodstart"))
    billing_end_ms = instant_ms(row.need("billingperiodend"))
    start_ms, end_ms = _booked(row, correction, billing_start_ms, billing_end_ms)
    status = _one_of(row, "commitmentdiscountstatus", ("used", "unused"))
    reservation = _one_of(row, "capacityreservationstatus", ("used", "unused"))
    costs = [_cost(row, name) for name in _COSTS]
    if costs[0] is None:
        raise ValueError("BilledCost is empty")
    snapshot = Snapshot(provider, billing_account, billing_start_ms)
    billed, effective, listed, contracted = (
        None if cost is None else totals.nusd(snapshot, column, cost)
        for column, cost in zip(_COSTS, costs, strict=True)
    )
    assert billed is not None
    return InvoiceLine(
        provider=provider,
        account=row.text("subaccountid") or billing_account,
        service=row.text("servicename") or NO_SERVICE,
        start_ms=start_ms,
        end_ms=end_ms,
        billing_account=billing_account,
        billing_period_start_ms=billing_start_ms,
        billing_period_end_ms=billing_end_ms,
        category=category,
        correction=correction,
        unused=category is Category.USAGE and "unused" in (status, reservation),
        commitment_status=status,
        billed_nusd=billed,
        effective_nusd=effective,
        list_nusd=listed,
        contracted_nusd=contracted,
        invoice_id=row.text("invoiceid"),
        currency=currency,
        delivery=delivery,
        row=position,
        row_hash=hashlib.blake2b(row.raw.strip().encode(), digest_size=8).hexdigest(),
        replaces=replaces,
    )


def _category(row: Row) -> Category:
    text = row.need("chargecategory")
    if text.lower() not in _CATEGORIES:
        raise ValueError(f"ChargeCategory is {text[:40]!r}, not one of {', '.join(Category)}")
    return _CATEGORIES[text.lower()]


def _one_of(row: Row, column: str, allowed: tuple[str, ...]) -> str | None:
    """A cell that may be null, in lower case. Guessing at another word would book money wrongly."""
    text = row.text(column)
    if text is not None and text.lower() not in allowed:
        raise ValueError(f"{column} is {text[:40]!r}, not {' or '.join(allowed)}")
    return text and text.lower()


def _booked(row: Row, correction: bool, billing_start_ms: int, billing_end_ms: int) -> tuple[int, int]:
    """The time to which the charge is booked."""
    start_ms, end_ms = instant_ms(row.need("chargeperiodstart")), instant_ms(row.need("chargeperiodend"))
    if end_ms < start_ms:
        raise ValueError("it ends before it starts")
    if end_ms - start_ms > LONGEST_PIECE_MS and not correction:
        clipped = max(start_ms, billing_start_ms), min(end_ms, billing_end_ms)
        if clipped[0] < clipped[1]:
            return clipped
    if end_ms - start_ms > LONGEST_CHARGE_MS:
        raise ValueError("its charge period is longer than 5 years")
    return start_ms, end_ms


def _cost(row: Row, column: str) -> Decimal | None:
    text = row.text(column.lower())
    if text is None:
        return None
    cost = number(text, column)
    if abs(cost) > COST_LIMIT_USD:
        raise ValueError(f"{column} is {text[:40]} USD, over the limit of {COST_LIMIT_USD:,}")
    return cost


class _RunningTotals:
    """Exact sums so far, by snapshot and column."""

    def __init__(self) -> None:
        self._totals: dict[tuple[Snapshot, str], tuple[Decimal, int]] = {}

    def nusd(self, snapshot: Snapshot, column: str, cost_usd: Decimal) -> int:
        """This row's share of the rounded total."""
        total, rounded = self._totals.get((snapshot, column), (Decimal(0), 0))
        total = EXACT.add(total, cost_usd)
        now = int(EXACT.scaleb(total, 9).to_integral_value(ROUND_HALF_EVEN, EXACT))
        self._totals[snapshot, column] = total, now
        return now - rounded


def _fingerprint(files: Iterable[Path]) -> str:
    """Names a delivery by what is in it: the same files again are the same delivery."""
    digest = hashlib.blake2b(digest_size=8)
    for path in files:
        with InputFile(path) as file:
            for line in file.byte_lines(_BLOCK_BYTES):
                digest.update(line)
    return digest.hexdigest()


def _names(files: Iterable[Path]) -> str:
    return ", ".join(path.name for path in files) or "the delivery"

"""`invoices`: the provider's own word on cost, one record a FOCUS row. Keyed by snapshot.

A snapshot is one billing period of one billing account: a provider delivers it whole, again and again,
until the period is closed. Rows may vanish between deliveries, so a delivery replaces the one before.
"""

import datetime as dt
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

DAY_MS: Final = 86_400_000
_EPOCH: Final = dt.date(1970, 1, 1)


class Category(StrEnum):
    """FOCUS ChargeCategory."""

    USAGE = "Usage"
    PURCHASE = "Purchase"
    TAX = "Tax"
    CREDIT = "Credit"
    ADJUSTMENT = "Adjustment"


class Snapshot(NamedTuple):
    provider: str
    billing_account: str
    billing_period_start_ms: int


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One FOCUS row in burnline's words. Money is in nano-dollars; None is a cost that the row lacks.

    `[start_ms, end_ms)` is the time the cost is booked to. `correction`: it mends a period that was
    invoiced before. `unused`: a commitment or reservation that nobody used. `invoice_id` is None until the
    invoice is issued. `delivery` names the export and `row` its row from 1, so that (snapshot, delivery,
    row) is the identity; `row_hash` tells whether two deliveries say the same. `replaces`: the delivery is
    its snapshot's new whole; otherwise it adds to what came before.
    """

    provider: str
    account: str
    service: str
    start_ms: int
    end_ms: int
    billing_account: str
    billing_period_start_ms: int
    billing_period_end_ms: int
    category: Category
    correction: bool
    unused: bool
    commitment_status: str | None
    billed_nusd: int
    effective_nusd: int | None
    list_nusd: int | None
    contracted_nusd: int | None
    invoice_id: str | None
    currency: str
    delivery: str
    row: int
    row_hash: str
    replaces: bool = True

    @property
    def day(self) -> str:
        """The UTC day on which the charge begins, `YYYY-MM-DD`."""
        return day_name(self.start_ms // DAY_MS)

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(self.provider, self.billing_account, self.billing_period_start_ms)


def day_name(day: int) -> str:
    """`YYYY-MM-DD` of a day counted from the epoch (UTC)."""
    return (_EPOCH + dt.timedelta(days=day)).isoformat()


def encode(line: InvoiceLine) -> bytes:
    return msgspec.json.encode(line)


def decode(value: bytes) -> InvoiceLine:
    """Raises `msgspec.MsgspecError` when it is no invoice line."""
    return msgspec.json.decode(value, type=InvoiceLine)


def key(line: InvoiceLine) -> bytes:
    return msgspec.json.encode(line.snapshot)

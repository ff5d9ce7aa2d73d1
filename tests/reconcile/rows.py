"""FOCUS rows and files for tests: a plain row of usage, changed where a test says so."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stream.reconcile.focus import Export, read
from stream.schema.invoices import InvoiceLine
from tests.collect.files import csv_file, ms

USAGE: Mapping[str, str] = {
    "BilledCost": "10.00",
    "EffectiveCost": "10.00",
    "ListCost": "12.00",
    "ContractedCost": "11.00",
    "BillingAccountId": "payer",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-03-01T00:00:00Z",
    "BillingPeriodEnd": "2026-04-01T00:00:00Z",
    "ChargePeriodStart": "2026-03-05T10:00:00Z",
    "ChargePeriodEnd": "2026-03-05T11:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeClass": "",
    "CommitmentDiscountStatus": "",
    "InvoiceId": "",
    "ProviderName": "AWS",
    "ServiceName": "Amazon EC2",
    "SubAccountId": "111",
}

# The 20th: the 5th is complete, and March is still open.
MID_MARCH_MS = ms("2026-03-20T12:00:00")
EC2 = ("aws", "111", "Amazon EC2")
DAY = "2026-03-05"


def export(path: Path, *changes: Mapping[str, str], append: bool = False, name: str = "focus.csv") -> Export:
    """What is read from a file with one row a change. A column set to `-` everywhere is left out."""
    rows = [{**USAGE, **change} for change in changes]
    header = [
        column for column in dict.fromkeys(key for row in rows for key in row) if rows[0][column] != "-"
    ]
    file = csv_file(path / name, header, [[row[column] for column in header] for row in rows])
    return read([file], append)


def lines(path: Path, *changes: Mapping[str, str]) -> Sequence[InvoiceLine]:
    found = export(path, *changes)
    assert not found.rejected, found.rejected
    return found.lines


def on(day: str, **changes: str) -> dict[str, str]:
    """A row of the hour from 10:00 of a day."""
    return {"ChargePeriodStart": f"{day}T10:00:00Z", "ChargePeriodEnd": f"{day}T11:00:00Z", **changes}

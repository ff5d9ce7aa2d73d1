"""FOCUS 1.0 to 1.4 exports as CSV: the FinOps Open Cost and Usage Specification, https://focus.finops.org.

Read with tolerance, since real exports stray: nulls are empty or `NULL`, times may lack the `Z`, numbers
may be quoted or written as `$10,000.00 `, columns may be missing. A negative cost is a credit and legal.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from stream.collect.inputfile import Row
from stream.collect.reader import LONGEST_PIECE_MS, Charge, Excluded, Format, Item, Meter
from stream.collect.reading import Reading
from stream.collect.units import measured
from stream.collect.values import instant_ms, tags
from stream.errors import UserError

NULLS: Final = frozenset({"", "null"})
# The label `provider` has one word a provider, as in the price book; another name stays as it stands.
PROVIDERS: Final = {
    "aws": "aws", "amazon web services": "aws", "microsoft": "azure", "microsoft azure": "azure",
    "azure": "azure", "google": "gcp", "google cloud": "gcp", "oracle": "oracle", "oracle cloud": "oracle",
}  # fmt: skip
_PERIOD: Final = frozenset({"chargeperiodstart", "chargeperiodend"})


def read(reading: Reading) -> Iterator[Charge | Item]:
    cost_column = reading.options.cost_column.lower()
    table = reading.table(_PERIOD | {cost_column}, NULLS)
    if "billingcurrency" not in table.columns and reading.options.currency is None:
        raise UserError(
            f"{reading.path.name} has no column BillingCurrency. Say its currency (option `currency`)."
        )
    return reading.charges(table, partial(_charge, reading, cost_column))


def _charge(reading: Reading, cost_column: str, row: Row) -> Charge | Excluded:
    start_ms, end_ms = _period(reading, row)
    category = row.text("chargecategory") or "Usage"
    consumed = row.text("consumedquantity") is not None and row.text("consumedunit") is not None
    kind = "consumed" if consumed else "pricing"
    driver, quantity = measured(
        row.text(f"{kind}unit"), reading.quantity(row.text(f"{kind}quantity"), f"{kind} quantity"), category
    )
    provider = row.text("serviceprovidername", "providername")
    labels = {
        "provider": provider and PROVIDERS.get(provider.lower(), provider),
        "account": row.text("subaccountid", "billingaccountid"),
        "service": row.text("servicename"),
        "region": row.text("regionid", "regionname"),
        "resource": row.text("resourceid"),
        "charge_category": category,
        "charge_class": row.text("chargeclass"),
    }
    cost = reading.cost_usd(row.need(cost_column), reading.options.cost_column, row.text("billingcurrency"))
    meter = Meter(driver, quantity, cost, row.text("skuid", "skupriceid"))
    return Charge(end_ms, row.number, start_ms, reading.labels(labels | _tags(reading, row)), (meter,))


def _period(reading: Reading, row: Row) -> tuple[int, int]:
    """The charge period; when it is longer than a month (a year paid at once) the part of it that lies in
    the billing period, because a billed cost belongs to the month whose invoice holds it."""
    start_ms, end_ms = instant_ms(row.need("chargeperiodstart")), instant_ms(row.need("chargeperiodend"))
    if end_ms - start_ms > LONGEST_PIECE_MS:
        invoiced = row.text("billingperiodstart"), row.text("billingperiodend")
        if invoiced[0] and invoiced[1]:
            first_ms, last_ms = max(start_ms, instant_ms(invoiced[0])), min(end_ms, instant_ms(invoiced[1]))
            if first_ms < last_ms:
                reading.notes["longer than a month, put in its billing period"] += 1
                return first_ms, last_ms
    return start_ms, end_ms


def _tags(reading: Reading, row: Row) -> dict[str, str]:
    try:
        return tags(row.text("tags"))
    except ValueError:
        reading.notes["tags could not be read, the row counts without them"] += 1
        return {}


FOCUS: Final = Format(
    "focus",
    "FOCUS 1.0 to 1.4 cost and usage export, CSV",
    "columns BilledCost, ChargePeriodStart, ChargePeriodEnd",
    (_PERIOD | {"billedcost"},),
    read,
)

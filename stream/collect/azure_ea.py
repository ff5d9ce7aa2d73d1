"""The Azure Enterprise Agreement usage export as CSV: one row a meter, resource and day.

https://learn.microsoft.com/azure/cost-management-billing/automate/understand-usage-details-fields.
Dates are US dates (`9/2/2023`). Tags are JSON, often without the outer braces. The cost is in the billing
currency: without an exchange rate every row of another currency than USD is rejected.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from stream.collect.inputfile import Row
from stream.collect.reader import DAY_MS, Charge, Excluded, Format, Item, Meter
from stream.collect.reading import Reading
from stream.collect.units import measured
from stream.collect.values import instant_ms, tags

_NULLS: Final = frozenset({""})
_NEEDED: Final = frozenset({"date", "costinbillingcurrency", "metercategory", "unitofmeasure", "quantity"})


def read(reading: Reading) -> Iterator[Charge | Item]:
    return reading.charges(reading.table(_NEEDED, _NULLS), partial(_charge, reading))


def _charge(reading: Reading, row: Row) -> Charge | Excluded:
    start_ms = instant_ms(row.need("date"))
    category = row.text("chargetype") or "Usage"
    driver, quantity = measured(
        row.text("unitofmeasure"), reading.quantity(row.text("quantity"), "Quantity"), category
    )
    labels = {
        "provider": "azure",
        "account": row.text("subscriptionid", "billingaccountid"),
        "service": row.text("metercategory"),
        "region": row.text("resourcelocation"),
        "resource": row.text("resourceid"),
        "resource_group": row.text("resourcegroup"),
        "charge_category": category,
    }
    try:
        labels |= tags(row.text("tags"))
    except ValueError:
        reading.notes["tags could not be read, the row counts without them"] += 1
    cost = reading.cost_usd(
        row.need("costinbillingcurrency"),
        "CostInBillingCurrency",
        row.text("billingcurrencycode", "billingcurrency"),
    )
    meter = Meter(driver, quantity, cost, row.text("meterid"))
    return Charge(start_ms + DAY_MS, row.number, start_ms, reading.labels(labels), (meter,))


AZURE_EA: Final = Format(
    "azure-ea",
    "Azure Enterprise Agreement usage export, daily, CSV",
    "columns Date, CostInBillingCurrency, MeterCategory, UnitOfMeasure",
    (_NEEDED,),
    read,
)

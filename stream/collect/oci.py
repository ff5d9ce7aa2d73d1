"""The Oracle Cloud cost report as CSV: one row a resource, SKU and hour.

https://docs.oracle.com/iaas/Content/Billing/Concepts/costusagereportsoverview.htm. Starts come as
`2023-11-13T05:00Z` and ends as `2023-11-13T06:00:00Z`; both are UTC. Amounts have 20 decimals and E-notation.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from stream.collect.inputfile import Row
from stream.collect.reader import Charge, Excluded, Format, Item, Meter
from stream.collect.reading import Reading
from stream.collect.units import measured
from stream.collect.values import instant_ms, tag_label

_NULLS: Final = frozenset({""})
_NEEDED: Final = frozenset(
    {"lineitem/intervalusagestart", "lineitem/intervalusageend", "cost/mycost", "cost/currencycode"}
)
_TAG_COLUMN: Final = "tags/"


def read(reading: Reading) -> Iterator[Charge | Item]:
    return reading.charges(reading.table(_NEEDED, _NULLS), partial(_charge, reading))


def _charge(reading: Reading, row: Row) -> Charge | Excluded:
    start_ms = instant_ms(row.need("lineitem/intervalusagestart"))
    end_ms = instant_ms(row.need("lineitem/intervalusageend"))
    driver, quantity = measured(
        row.text("cost/skuunitdescription"),
        reading.quantity(row.text("usage/billedquantity"), "usage/billedQuantity"),
        "Usage",
    )
    labels = {
        "provider": "oracle",
        "account": row.text("lineitem/tenantid"),
        "service": row.text("product/service"),
        "region": row.text("product/region"),
        "resource": row.text("product/resourceid"),
        "compartment": row.text("product/compartmentname", "product/compartmentid"),
        "charge_category": "Usage",
        "charge_class": "Correction" if row.text("lineitem/iscorrection") == "true" else None,
    }
    for tag, value in row.after_prefix(_TAG_COLUMN):
        labels[tag_label(tag)] = value
    cost = reading.cost_usd(row.need("cost/mycost"), "cost/myCost", row.text("cost/currencycode"))
    meter = Meter(driver, quantity, cost, row.text("cost/productsku"))
    return Charge(end_ms, row.number, start_ms, reading.labels(labels), (meter,))


OCI: Final = Format(
    "oci",
    "Oracle Cloud cost report, hourly, CSV",
    "columns lineItem/intervalUsageStart, lineItem/intervalUsageEnd, cost/myCost",
    (_NEEDED,),
    read,
)

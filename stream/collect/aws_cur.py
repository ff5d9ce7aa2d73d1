"""The legacy AWS Cost and Usage Report as CSV, with columns such as `lineItem/UnblendedCost`.

https://docs.aws.amazon.com/cur/latest/userguide/data-dictionary.html. Hourly or daily alike: the time of
a row is its usage start and end. `identity/LineItemId` repeats, so nothing is told apart by it. The text
`None` (in lineItem/Operation) is a value; only an empty cell is null.
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
    {"lineitem/unblendedcost", "lineitem/usagestartdate", "lineitem/usageenddate", "lineitem/lineitemtype"}
)
_TAG_COLUMN: Final = "resourceTags/"
# To the words of FOCUS where they are clear; another type (a discount, a negation) keeps its own name.
_CATEGORIES: Final = {
    "Usage": "Usage", "DiscountedUsage": "Usage", "SavingsPlanCoveredUsage": "Usage",
    "Tax": "Tax", "Credit": "Credit", "Refund": "Adjustment",
    "Fee": "Purchase", "RIFee": "Purchase",
    "SavingsPlanUpfrontFee": "Purchase", "SavingsPlanRecurringFee": "Purchase",
}  # fmt: skip


def read(reading: Reading) -> Iterator[Charge | Item]:
    return reading.charges(reading.table(_NEEDED, _NULLS), partial(_charge, reading))


def _charge(reading: Reading, row: Row) -> Charge | Excluded:
    start_ms = instant_ms(row.need("lineitem/usagestartdate"))
    end_ms = instant_ms(row.need("lineitem/usageenddate"))
    line_type = row.need("lineitem/lineitemtype")
    category = _CATEGORIES.get(line_type, line_type)
    driver, quantity = measured(
        row.text("pricing/unit"),
        reading.quantity(row.text("lineitem/usageamount"), "lineItem/UsageAmount"),
        category,
    )
    labels = {
        "provider": "aws",
        "account": row.text("lineitem/usageaccountid", "bill/payeraccountid"),
        "service": row.text("product/productname", "lineitem/productcode"),
        "region": row.text("product/regioncode", "product/region"),
        "resource": row.text("lineitem/resourceid"),
        "charge_category": category,
        "usage_type": row.text("lineitem/usagetype"),
        "operation": row.text("lineitem/operation"),
    }
    for tag, value in row.after_prefix(_TAG_COLUMN):
        labels[tag_label(tag.removeprefix("user:"))] = value
    cost = reading.cost_usd(
        row.need("lineitem/unblendedcost"), "lineItem/UnblendedCost", row.text("lineitem/currencycode")
    )
    meter = Meter(driver, quantity, cost, row.text("product/sku", "pricing/ratecode"))
    return Charge(end_ms, row.number, start_ms, reading.labels(labels), (meter,))


AWS_CUR: Final = Format(
    "aws-cur",
    "legacy AWS Cost and Usage Report, hourly or daily, CSV",
    "columns lineItem/UnblendedCost, lineItem/UsageStartDate, lineItem/LineItemType",
    (_NEEDED,),
    read,
)

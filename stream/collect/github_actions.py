"""The GitHub usage report as CSV: Actions minutes, storage and other products, by day.

Cost = Quantity × Price Per Unit ($) × Multiplier, in exact decimals; the header names the currency.
Two identical rows are two charges. A product that burnline does not know is a charge like any other: its
name is the label `service`, its driver comes from its unit.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from stream.collect.inputfile import Row
from stream.collect.reader import DAY_MS, Charge, Excluded, Format, Item, Meter
from stream.collect.reading import Reading
from stream.collect.units import measured
from stream.collect.values import EXACT, instant_ms, number

_NULLS: Final = frozenset({""})
_PRICE: Final = "price per unit ($)"
_NEEDED: Final = frozenset({"date", "product", "sku", "quantity", "unit type", _PRICE, "multiplier"})


def read(reading: Reading) -> Iterator[Charge | Item]:
    return reading.charges(reading.table(_NEEDED, _NULLS), partial(_charge, reading))


def _charge(reading: Reading, row: Row) -> Charge | Excluded:
    start_ms = instant_ms(row.need("date"))
    product = row.need("product")
    counted = number(row.need("quantity"), "Quantity")
    unit_price = number(row.need(_PRICE), "Price Per Unit ($)")
    factor = number(row.need("multiplier"), "Multiplier")
    driver, quantity = measured(
        row.text("unit type"), reading.quantity(row.text("quantity"), "Quantity"), "Usage"
    )
    labels = {
        "provider": "github",
        "account": row.text("owner"),
        "service": product,
        "repository": row.text("repository slug"),
        "workflow": row.text("actions workflow"),
        "user": row.text("username"),
        "charge_category": "Usage",
    }
    cost = EXACT.multiply(EXACT.multiply(counted, unit_price), factor)
    meter = Meter(
        "ci_minutes" if (product, driver) == ("Actions", "minutes") else driver,
        quantity,
        reading.cost_usd(str(cost), "the cost", "USD"),
        row.text("sku"),
    )
    return Charge(start_ms + DAY_MS, row.number, start_ms, reading.labels(labels), (meter,))


GITHUB_ACTIONS: Final = Format(
    "github-actions",
    "GitHub usage report (Actions, storage), daily, CSV",
    "columns Date, Product, SKU, Quantity, Unit Type, Price Per Unit ($), Multiplier",
    (_NEEDED,),
    read,
)

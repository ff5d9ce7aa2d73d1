"""Driver names from the units that bills are written in.

The name is the unit itself, in lower case and words joined by `_`, the last word in the plural: `GB-Mo`
is `gb_months`, `LCU-Hours` is `lcu_hours`. Nothing is guessed: hours of an unknown thing are `hours`, not
`node_hours`. A count in the unit multiplies the quantity: 0.0129 of `10K` are 129 `units`, 0.000002
`Million Datapoints` are 2 `datapoints`.
"""

import re
from decimal import Decimal
from typing import Final

from stream.collect.values import EXACT

WORDS: Final = {
    "hrs": "hour", "hr": "hour", "hours": "hour",
    "mo": "month", "mos": "month", "months": "month",
    "secs": "second", "sec": "second", "seconds": "second",
    "mins": "minute", "min": "minute", "minutes": "minute",
    "days": "day",
    "gigabyte": "gb", "gigabytes": "gb", "terabyte": "tb", "terabytes": "tb", "gbs": "gb",
    "units": "unit", "requests": "request", "count": "unit", "counts": "unit",
}  # fmt: skip
DRIVERS: Final = {"lambda_gb_seconds": "gb_seconds", "gb_data_transferreds": "gb_transferred"}
_DROPPED: Final = frozenset({"per", "of", "a"})
_NO_PLURAL: Final = frozenset({"kb", "mb", "gb", "tb", "pb", "kib", "mib", "gib", "tib", "pib", "iops"})
_COUNT: Final = re.compile(
    r"(\d{1,3}(?:,\d{3})+|\d{1,12})?\s*(k|m|thousand|million|billion)?(?![a-z0-9])\s*(.*)", re.DOTALL
)
_TIMES: Final = {"k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6, "billion": 10**9}


def driver_of(unit: str) -> tuple[str, Decimal]:
    """The driver and how many of it one unit is.

    >>> driver_of("GB-Mo"), driver_of("10K"), driver_of("1 Hour")
    (('gb_months', Decimal('1')), ('units', Decimal('10000')), ('hours', Decimal('1')))
    """
    text = unit.strip().lower()
    factor = Decimal(1)
    if (counted := _COUNT.fullmatch(text)) and (counted[1] or counted[2]):
        factor = Decimal((counted[1] or "1").replace(",", "")) * _TIMES.get(counted[2], 1)
        text = counted[3]
    words = [WORDS.get(word, word) for word in re.split(r"[^a-z0-9]+", text)]
    words = [word for word in words if word and word not in _DROPPED] or ["unit"]
    if not words[-1].endswith("s") and words[-1] not in _NO_PLURAL:
        words[-1] += "s"
    name = "_".join(words)
    return DRIVERS.get(name, name), factor


def measured(unit: str | None, quantity: Decimal | None, charge_category: str) -> tuple[str, Decimal | None]:
    """Driver and quantity of a row. Without a unit the driver is the kind of charge (`tax`, `credit`),
    and a quantity would mean nothing."""
    if unit is None:
        return re.sub(r"[^a-z0-9]+", "_", charge_category.lower()), None
    driver, factor = driver_of(unit)
    return driver, None if quantity is None else EXACT.multiply(quantity, factor)

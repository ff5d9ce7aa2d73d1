"""Single function invocations as CSV: app, func, end_timestamp, duration (seconds; the 2021 Azure trace).

Rows are in order of start while a row is known at its end, so the file is a real stream with late
events; it is passed on in file order. There is no memory in it, so only `invocations` are counted.
Second 0 is the option `epoch_start`.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Final

from stream.collect.inputfile import Row
from stream.collect.reader import Charge, Excluded, Format, Item, Meter
from stream.collect.reading import Reading
from stream.collect.values import seconds_ms

_NULLS: Final = frozenset({""})
_NEEDED: Final = frozenset({"app", "func", "end_timestamp", "duration"})
_INVOCATION: Final = (Meter("invocations", Decimal(1), None, "functions.invocations"),)


def read(reading: Reading) -> Iterator[Charge | Item]:
    zero_ms = int(reading.options.epoch_start.timestamp()) * 1000
    return reading.charges(reading.table(_NEEDED, _NULLS), partial(_charge, reading, zero_ms))


def _charge(reading: Reading, zero_ms: int, row: Row) -> Charge | Excluded:
    end_ms = zero_ms + seconds_ms(row.need("end_timestamp"), "end_timestamp")
    start_ms = end_ms - seconds_ms(row.need("duration"), "duration")
    labels = reading.labels({"app": row.need("app"), "function": row.need("func")})
    return Charge(end_ms, row.number, start_ms, labels, _INVOCATION)


AZURE_INVOCATIONS: Final = Format(
    "azure-invocations",
    "single function invocations with end and duration, CSV, in file order",
    "columns app, func, end_timestamp, duration",
    (_NEEDED,),
    read,
    arrival_order=True,
)

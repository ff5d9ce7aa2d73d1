"""Invocations per function and minute of one day, with run time and memory beside it (the 2019 Azure trace).

Give the file of counts (`..._inv.csv`); `..._run.csv` and `..._mem.csv` are found by name, or named by the
options `run` and `mem`. Drivers: `invocations`, and `gb_seconds` = invocations × Average / 1000 ×
AverageAllocatedMb / 1024, exact. That is an estimate: averages of a day multiplied, and memory is known by
app, so an app with several functions counts its memory for each. The day is not named in the file: it is
the option `day`. Minutes come out in order; all counts are held in memory (12 kB a function).
"""

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.collect.inputfile import Row
from stream.collect.reader import Charge, Excluded, Format, Item, Meter, Rejected
from stream.collect.reading import Reading
from stream.collect.values import EXACT

_NULLS: Final = frozenset({""})
_KEYS: Final = ("hashowner", "hashapp", "hashfunction")
_NEEDED: Final = frozenset(_KEYS) | {"minute_1"}
_MINUTE_MS: Final = 60_000


class _Function(NamedTuple):
    row: int
    labels: msgspec.Raw
    gb_seconds_each: Decimal | None
    counts: "array[int]"


def read(reading: Reading) -> Iterator[Charge | Item]:
    run = _averages(reading, "run", _KEYS, "average")
    memory = _averages(reading, "mem", _KEYS[:2], "averageallocatedmb")
    functions: list[_Function] = []
    minutes: list[int] = []
    for row in reading.rows_of(reading.table(_NEEDED, _NULLS)):
        if isinstance(row, Rejected):
            yield row
            continue
        minutes = minutes or _minute_columns(row)
        try:
            function = _function(reading, row, minutes, run, memory)
        except ValueError as error:
            yield row.rejected(str(error))
            continue
        if any(function.counts):
            functions.append(function)
        else:
            yield Excluded(row.number, "never invoked")
    yield from _by_minute(functions, len(minutes), reading)


def _minute_columns(row: Row) -> list[int]:
    columns: list[int] = []
    while (index := row.index_of(f"minute_{len(columns) + 1}")) is not None:
        columns.append(index)
    return columns


def _function(
    reading: Reading,
    row: Row,
    minutes: list[int],
    run: dict[tuple[str, ...], Decimal],
    memory: dict[tuple[str, ...], Decimal],
) -> _Function:
    owner, app, function = (row.need(key) for key in _KEYS)
    counts = array("Q", (_count(row.at(index)) for index in minutes))
    labels = reading.labels({"app": app, "function": function, "owner": owner})
    average_ms, average_mb = run.get((owner, app, function)), memory.get((owner, app))
    if average_ms is None or average_mb is None:
        reading.notes["no run time or memory: invocations only"] += 1
        return _Function(row.number, labels, None, counts)
    seconds, gib = EXACT.divide(average_ms, Decimal(1000)), EXACT.divide(average_mb, Decimal(1024))
    return _Function(row.number, labels, EXACT.multiply(seconds, gib), counts)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise ValueError(f"{text[:40]!r} is not a count of invocations")
    return int(text)


def _by_minute(functions: list[_Function], minutes: int, reading: Reading) -> Iterator[Charge]:
    midnight_ms = int(datetime.combine(reading.options.day, time(), UTC).timestamp()) * 1000
    for minute in range(minutes):
        start_ms = midnight_ms + minute * _MINUTE_MS
        for function in functions:
            if count := function.counts[minute]:
                yield Charge(
                    start_ms + _MINUTE_MS, function.row, start_ms, function.labels, _meters(function, count)
                )


def _meters(function: _Function, count: int) -> tuple[Meter, ...]:
    invocations = Meter("invocations", Decimal(count), None, "functions.invocations")
    if function.gb_seconds_each is None:
        return (invocations,)
    gb_seconds = EXACT.multiply(function.gb_seconds_each, Decimal(count))
    return invocations, Meter("gb_seconds", gb_seconds, None, "functions.gb_seconds")


def _averages(
    reading: Reading, kind: str, keys: tuple[str, ...], column: str
) -> dict[tuple[str, ...], Decimal]:
    path = getattr(reading.options, kind) or _sibling(reading.path, kind)
    if path is None:
        return {}
    averages = {}
    with reading.beside(path, frozenset(keys) | {column}) as table:
        for row in table:
            try:
                if isinstance(row, Rejected):
                    raise ValueError(row.reason)
                average = reading.quantity(row.need(column), column)
                if average is not None:
                    averages[tuple(row.need(key) for key in keys)] = average
            except ValueError:
                reading.notes[f"a row of the {kind} file could not be read"] += 1
    return averages


def _sibling(path: Path, kind: str) -> Path | None:
    before, found, after = path.name.rpartition("_inv")
    sibling = path.with_name(f"{before}_{kind}{after}")
    return sibling if found and sibling.is_file() else None


AZURE_FUNCTIONS: Final = Format(
    "azure-functions",
    "function invocations per minute of a day, with _run and _mem files beside it, CSV",
    "columns HashOwner, HashApp, HashFunction, minute_1",
    (_NEEDED,),
    read,
    arrival_order=True,
)

"""Lists of pods with their requests, start and end (Alibaba cluster traces), as CSV.

Two layouts: pods (`name`, `cpu_milli`, `memory_mib`, `num_gpu`, `gpu_milli`) and instances
(`instance_sn`, `cpu_request`, `gpu_request`, `memory_request` in GiB). Drivers `cpu_core_hours`,
`memory_gib_hours`, `gpu_hours`, priced by the meter's price book.

A pod costs from scheduled_time to deletion_time. Never scheduled: excluded. Not deleted: it runs to the
end of the trace, the latest time in the file. An instance without any start began before the trace, at
second 0. Times are seconds from the option `epoch_start`. A pod is cut into pieces of at most a day;
a quantity is rounded once, to 1e-12, and its pieces add up to it.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Final

from stream.collect.inputfile import Row
from stream.collect.packing import SHARE_DIGITS
from stream.collect.reader import DAY_MS, LONGEST_CHARGE_MS, Charge, Excluded, Format, Item, Meter, Rejected
from stream.collect.reading import Reading
from stream.collect.values import EXACT, ROUNDED, number, seconds_ms

_NULLS: Final = frozenset({""})
_TIMES: Final = ("creation_time", "scheduled_time", "deletion_time")
_POD: Final = frozenset({"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", *_TIMES})
_INSTANCE: Final = frozenset({"instance_sn", "cpu_request", "memory_request", "gpu_request", *_TIMES})
_HOUR_MS: Final = Decimal(3_600_000)
_SMALLEST: Final = Decimal(1).scaleb(-SHARE_DIGITS)


def read(reading: Reading) -> Iterator[Charge | Item]:
    table = reading.table(frozenset(_TIMES), _NULLS)
    if not (table.columns.keys() >= _POD or table.columns.keys() >= _INSTANCE):
        table.require(_POD, "pods")
    rows = list(reading.rows_of(table))
    end_ms = max((_latest_ms(row) for row in rows if isinstance(row, Row)), default=0)
    for row in rows:
        if isinstance(row, Rejected):
            yield row
        else:
            yield reading.charge_of(row, partial(_charge, reading, end_ms))


def _latest_ms(row: Row) -> int:
    """The row's latest time; 0 where the row will be rejected: one wild time must not move the end."""
    try:
        times_ms = [seconds_ms(row.text(column) or "0", column) for column in _TIMES]
    except ValueError:
        return 0
    latest_ms = max(times_ms)
    return latest_ms if latest_ms - times_ms[1] <= LONGEST_CHARGE_MS else 0


def _charge(reading: Reading, trace_end_ms: int, row: Row) -> Charge | Excluded:
    instance = row.text("instance_sn")
    created, scheduled, deleted = (row.text(column) for column in _TIMES)
    if scheduled is None:
        if instance is None or created is not None:
            return Excluded(row.number, "never scheduled")
        reading.notes["no start: began before the trace, counted from its start"] += 1
    start_ms = seconds_ms(scheduled or "0", "scheduled_time")
    end_ms = trace_end_ms if deleted is None else seconds_ms(deleted, "deletion_time")
    if deleted is None:
        reading.notes["no end: counted to the end of the trace"] += 1
    if start_ms == end_ms:
        return Excluded(row.number, "ran for no time")
    labels = {
        "pod": instance or row.need("name"),
        "app": row.text("app_name"),
        "role": row.text("role"),
        "qos": row.text("qos"),
        "phase": row.text("pod_phase"),
        "gpu_spec": row.text("gpu_spec"),
    }
    sizes = _instance_sizes(row) if instance else _pod_sizes(row)
    meters = tuple(
        Meter(driver, _over(size, end_ms - start_ms), None, f"pods.{driver}")
        for driver, size in sizes.items()
        if size
    )
    if not meters:
        return Excluded(row.number, "requests nothing")
    zero_ms = int(reading.options.epoch_start.timestamp()) * 1000
    return Charge(zero_ms + end_ms, row.number, zero_ms + start_ms, reading.labels(labels), meters)


def _pod_sizes(row: Row) -> dict[str, Decimal]:
    """Cores, GiB and GPUs; `gpu_milli` is the share of each of `num_gpu` GPUs, in thousandths."""
    gpu_milli = EXACT.multiply(_size(row, "num_gpu"), _size(row, "gpu_milli"))
    return {
        "cpu_core_hours": EXACT.divide(_size(row, "cpu_milli"), Decimal(1000)),
        "memory_gib_hours": EXACT.divide(_size(row, "memory_mib"), Decimal(1024)),
        "gpu_hours": EXACT.divide(gpu_milli, Decimal(1000)),
    }


def _instance_sizes(row: Row) -> dict[str, Decimal]:
    return {
        "cpu_core_hours": _size(row, "cpu_request"),
        "memory_gib_hours": _size(row, "memory_request"),
        "gpu_hours": _size(row, "gpu_request"),
    }


def _size(row: Row, column: str) -> Decimal:
    size = number(row.need(column), column)
    if size < 0:
        raise ValueError(f"{column} is negative")
    return size


def _over(size: Decimal, duration_ms: int) -> Decimal:
    exact = ROUNDED.divide(ROUNDED.multiply(size, duration_ms), _HOUR_MS)
    return exact.quantize(_SMALLEST, context=ROUNDED)


PODS: Final = Format(
    "pods",
    "pods or instances with requests, start and end, CSV",
    "columns name, cpu_milli, scheduled_time, or instance_sn, cpu_request, scheduled_time",
    (_POD, _INSTANCE),
    read,
    piece_ms=DAY_MS,
)

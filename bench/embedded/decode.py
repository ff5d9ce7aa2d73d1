"""The limit: the same bytes decoded into the same structs, and nothing else."""

from pathlib import Path

from bench.process import Measured, Stopwatch, Task, contend, forget_peak
from bench.workload import Variant, Workload
from stream.schema import usage, usage_columns


def measure(task: Task) -> Measured:
    work = Workload.load(Path(task.workload))
    values = work.values[task.drop :]
    count_of = _in_columns if work.variant is Variant.COLUMNS else _ordinary
    forget_peak()
    stopwatch, count = Stopwatch(), 0
    for value in values:
        count += count_of(value)
    return stopwatch.stop(count)


def _ordinary(value: bytes) -> int:
    if value.startswith(b"["):
        return len(usage.decode_array(value))
    message = usage.decode_message(value)
    return 1 if not isinstance(message.estimates, list) else len(message.estimates)


def _in_columns(value: bytes) -> int:
    return len(usage_columns.decode(value).columns.series)


if __name__ == "__main__":
    contend(measure)

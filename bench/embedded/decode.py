"""The limit: the same bytes decoded into the same structs, and nothing else."""

from pathlib import Path

from bench.process import Measured, Stopwatch, Task, contend, forget_peak
from bench.workload import Workload
from stream.schema import usage


def measure(task: Task) -> Measured:
    work = Workload.load(Path(task.workload))
    values = work.values[task.drop :]
    forget_peak()
    stopwatch, count = Stopwatch(), 0
    for value in values:
        if value.startswith(b"["):
            count += len(usage.decode_array(value))
            continue
        message = usage.decode_message(value)
        count += 1 if not isinstance(message.estimates, list) else len(message.estimates)
    return stopwatch.stop(count)


if __name__ == "__main__":
    contend(measure)

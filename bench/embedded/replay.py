"""What `burnline replay` does: meter, windows, detectors and alerts, with every commit on disk."""

from pathlib import Path

from bench.process import Measured, Stopwatch, Task, contend, forget_peak
from bench.workload import Workload
from stream.config import Config
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from stream.shell.embedded.replay import Replay
from stream.shell.garbage import collect_rarely


def measure(task: Task) -> Measured:
    collect_rarely()  # as the command does
    work = Workload.load(Path(task.workload))
    file = Path(task.folder) / "burnline.db"
    node = Node(Config(), Database(file))
    replay = Replay(node)
    forget_peak()
    stopwatch = Stopwatch()
    for value, arrived_ms in zip(work.values[task.drop :], work.arrived_ms[task.drop :], strict=True):
        for _ in replay.message(value, arrived_ms):
            pass
    replay.commit()
    measured = stopwatch.stop(0)
    node.database.close()
    # What counts is what a restart finds.
    again = Node(Config(), Database(file))
    counters, windows = again.meter.counters, again.burn.windows
    assert counters.balanced
    measured.counted = counters.accepted_events
    measured.scopes_nusd = dict(zip(windows.scope_names, windows.scopes.total_nusd.tolist(), strict=False))
    return measured


if __name__ == "__main__":
    contend(measure)

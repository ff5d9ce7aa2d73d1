"""Each contender is a process of its own: started with a task, it leaves what it measured in a file."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

TIMEOUT_S: Final = 600
_SAMPLE_S: Final = 0.02
_TAIL: Final = 2000  # characters of what a failed contender said


class Task(msgspec.Struct):
    """What a contender is to work through. `folder` is empty and its own; `drop` messages are to be left
    out, a planted loss that the check must catch. The Kafka fields stay empty for the others."""

    workload: str
    folder: str
    drop: int = 0
    bootstrap: str = ""
    prefix: str = ""
    messages: int = 0
    partitions: int = 4


class Steady(msgspec.Struct):
    """After the first third of the messages: what was compiled on the way is compiled by then."""

    counted: int
    cpu_s: float


class Measured(msgspec.Struct):
    """From the first message to the last commit. `counted` is how many estimates the contender has
    counted, `peak_bytes` the most memory it took on top of the messages, `scopes_nusd` what each scope
    came to (empty for a contender that only reads)."""

    counted: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    scopes_nusd: dict[str, int] = {}
    steady: Steady | None = None


class Failed(Exception):
    """A contender ended without a result; the message says how."""


class Stopwatch:
    """Wall time and this process's CPU time (all threads), and the memory added, since it was made."""

    def __init__(self) -> None:
        self._held_bytes = memory_bytes("VmRSS")
        self._cpu_s = time.process_time()
        self._wall_s = time.perf_counter()

    def stop(self, counted: int, scopes_nusd: dict[str, int] | None = None) -> Measured:
        wall_s, cpu_s = time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s
        added_bytes = max(0, memory_bytes("VmHWM") - self._held_bytes)
        return Measured(counted, wall_s, cpu_s, added_bytes, scopes_nusd or {})


class Starter:
    """A stopwatch that starts by itself, at the last moment when `count()` was still 0.

    A thread looks every 20 ms: how long a client takes to join its group is not what is measured.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self.stopwatch = Stopwatch()
        self._count = count
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            fresh = Stopwatch()
            if self._count():
                return
            self.stopwatch = fresh
            time.sleep(_SAMPLE_S)


def forget_peak() -> None:
    """Let the peak of memory start again from what is held now: loading a workload takes it twice."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM


def memory_bytes(field: str) -> int:
    """0 where the system has no /proc."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
    return 0


def run(module: str, task: Task) -> Measured:
    """Run a contender to its end. Raises `Failed` if it crashes or hangs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task.folder = str(folder / "work")
        Path(task.folder).mkdir()
        (folder / "task").write_bytes(msgspec.json.encode(task))
        command = [sys.executable, "-m", module, str(folder / "task"), str(folder / "result")]
        # One core is what is measured: no thread pool of a linear algebra library.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with (folder / "log").open("wb") as log:
            try:
                done = subprocess.run(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    timeout=TIMEOUT_S, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise Failed(f"{module} was not done after {TIMEOUT_S} s:\n{_tail(folder)}") from None
        if done.returncode or not (folder / "result").exists():
            raise Failed(f"{module} ended with status {done.returncode}:\n{_tail(folder)}")
        return msgspec.json.decode((folder / "result").read_bytes(), type=Measured)


def _tail(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-_TAIL:]


def contend(measure: Callable[[Task], Measured]) -> None:
    """What a contender's process does: read the task, measure, leave the result."""
    task = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Task)
    leave(measure(task))


def leave(measured: Measured) -> None:
    """Leave the result for the harness. Whole or not at all: a process may end right after."""
    target = Path(sys.argv[2])
    target.with_suffix(".part").write_bytes(msgspec.json.encode(measured))
    target.with_suffix(".part").rename(target)

"""The burn stage alone, in a process of its own: how its time and memory grow with the scopes."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.process import Failed, memory_bytes
from bench.scale.estate import COMPONENTS, DAY_S, HOUR_S, Estate, config, filled, take
from bench.scale.figures import Figure
from stream.burn.stage import Burn
from stream.shell.garbage import collect_rarely

# Monday 2026-01-05 00:00 UTC and 40 days: every ring is full, and a month has 13 days behind it.
_END_S: Final = 1_767_571_200 + 40 * DAY_S + 1800
_TICKS_AT: Final = 10_000  # scopes for which a tick's limit was asked
_HOURS: Final = 3
_EMPTY: Final = 1000
_TIMEOUT_S: Final = 600


class Curve(msgspec.Struct):
    """At so many scopes. A second: a record with money for every component of every scope, and a commit.
    Empty: a record of a meter that had nothing for this partition. A look: all detectors over all scopes at
    a closed bucket; some of them look once a minute only."""

    scopes: int
    second_cpu_s: float
    empty_cpu_s: float
    look_cpu_ms: float
    minute_look_cpu_ms: float
    hour_look_cpu_ms: float
    held_bytes: int


def figures(sizes: tuple[int, ...], told: Callable[[str], None]) -> Iterator[Figure]:
    """At each size."""
    for scopes in sizes:
        told(f"burn stage, {scopes:,} scopes")
        curve = _run(scopes)
        size = f"{scopes:,} scopes"
        rows = scopes * COMPONENTS
        yield Figure("burn: CPU a million rows of spend", size, curve.second_cpu_s / rows * 1e6, "s")
        yield Figure("burn: CPU of a record without rows", size, curve.empty_cpu_s * 1e6, "µs")
        limit = 100.0 if scopes == _TICKS_AT else None
        yield Figure("burn: a look of all detectors", size, curve.look_cpu_ms, "ms", limit)
        yield Figure("burn: a look at a full minute", size, curve.minute_look_cpu_ms, "ms", limit)
        yield Figure("burn: a look at a full hour", size, curve.hour_look_cpu_ms, "ms")
        yield Figure("burn: memory of the stage", size, curve.held_bytes / 2**20, "MiB")


def _run(scopes: int) -> Curve:
    """In a process of its own, where nothing has used the memory before."""
    with tempfile.TemporaryDirectory() as name:
        result = Path(name) / "result"
        command = [sys.executable, "-m", "bench.scale.stage", str(scopes), str(result)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise Failed(f"the burn stage at {scopes:,} scopes ended with {done.returncode}:\n{done.stderr}")
        return msgspec.json.decode(result.read_bytes(), type=Curve)


def measure(scopes: int) -> Curve:
    collect_rarely()  # as the worker does
    estate = Estate(scopes)
    empty_bytes = memory_bytes("VmRSS")
    burn = Burn(0, config(scopes), 1, 1)
    filled(estate, burn, _END_S, written=False)
    burn.commit(0)
    looks = _timed_looks(burn)
    spent_cpu_s = []
    for second in range(1, 131):
        record = estate.record((_END_S + second - 1) // 10, _END_S + second, 0.1)
        looked = len(looks)
        began_s = time.process_time()
        take(burn, record)
        burn.commit(0)
        spent_cpu_s.append(time.process_time() - began_s - sum(took for _, took in looks[looked:]))
    empty = Estate(0).record(0, _END_S)
    began_s = time.process_time()
    for _ in range(_EMPTY):
        take(burn, empty)
    empty_cpu_s = (time.process_time() - began_s) / _EMPTY
    usual = looks[1:]  # the first knows no names yet
    each_minute = [took for time_s, took in usual if time_s % 60 == 0]
    others = [took for time_s, took in usual if time_s % 60]
    for hour in range(1, _HOURS + 1):
        hour_s = (_END_S // HOUR_S + hour) * HOUR_S
        for at_s in (hour_s - 10, hour_s):
            take(burn, estate.record(at_s // 10 - 1, at_s))
            burn.commit(0)
    hours = [took for time_s, took in looks if time_s % HOUR_S == 0]
    return Curve(
        scopes, median(spent_cpu_s), empty_cpu_s, 1e3 * median(others), 1e3 * median(each_minute),
        1e3 * median(hours), memory_bytes("VmRSS") - empty_bytes,
    )  # fmt: skip


def _timed_looks(burn: Burn) -> list[tuple[int, float]]:
    looks: list[tuple[int, float]] = []
    look: Callable[[int, int], None] = burn._look

    def timed(last_s: int, time_s: int) -> None:
        began_s = time.process_time()
        look(last_s, time_s)
        looks.append((time_s, time.process_time() - began_s))

    burn._look = timed  # type: ignore[method-assign]
    return looks


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(measure(int(sys.argv[1]))))

"""Runs a peer and measures it from outside: wall time, and CPU time and memory of its process group."""

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.process import Failed, Measured, Steady

TIMEOUT_S: Final = 600
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_LONGEST: Final = 300  # characters of what a failed peer said


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of a group; those that have ended and were waited for by one of them are in it."""

    cpu_s: float
    held_bytes: int
    peak_bytes: int

    @classmethod
    def of(cls, group: int) -> "Usage":
        ticks = held_bytes = peak_bytes = 0
        for process in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                # Asked first because it is cheap: all this happens 20 times a second beside the peer.
                if os.getpgid(int(process)) != group:
                    continue
                # proc(5): what follows the name in parentheses begins with the third field
                fields = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
                status = Path("/proc", process, "status").read_text()
                held_bytes += _bytes_of("VmRSS:", status)
                peak_bytes += _bytes_of("VmHWM:", status)
        return cls(ticks / _TICKS_A_SECOND, held_bytes, peak_bytes)


def _bytes_of(field: str, status: str) -> int:
    """0 for a process that has ended and only waits to be waited for."""
    _, found, rest = status.partition(field)
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else 0


@dataclass(frozen=True, slots=True)
class Sample:
    counted: int
    wall_s: float
    usage: Usage


def run(command: Sequence[str], messages: int, folder: Path) -> Measured:
    """Start a peer and see it through. Raises `Failed` if it crashes, hangs or does not keep to the rules."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    try:
        return summary(list(_samples(process)), messages)
    except Failed as failure:
        raise Failed(f"{failure}: {last_words((folder / 'log').read_text(errors='replace'))}") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def last_words(log: str) -> str:
    """The line that says what went wrong: of a stack trace the innermost cause, not where it was thrown."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [
        line for line in lines if re.match(r"(Caused by: |Exception in |[\w.]*(Error|Exception)\b)", line)
    ]
    return (telling or lines or ["it said nothing"])[-1][:_LONGEST]


def _samples(process: "subprocess.Popen[bytes]") -> Iterator[Sample]:
    """A sample at each count that the peer tells, the last one when it is done."""
    counted = 0
    for line in _lines(process):
        match line.split():
            case [b"count", number] if number.isdigit():
                counted = int(number)
                yield Sample(counted, time.monotonic(), Usage.of(process.pid))
            case [b"done"]:
                # Dead or alive: a process that has ended keeps its CPU time until it is waited for.
                yield Sample(counted, time.monotonic(), Usage.of(process.pid))
                return
    raise Failed(f"ended with status {process.wait()} before it was done")


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    assert process.stdout is not None
    ends = time.monotonic() + TIMEOUT_S
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, ends - time.monotonic())):
            read = os.read(process.stdout.fileno(), 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            yield from lines
    raise Failed(f"was not done after {TIMEOUT_S} s")


def summary(samples: Sequence[Sample], messages: int) -> Measured:
    """From the last sample before the first message to the last one; steady after a third of the messages,
    when the JVM has compiled what is hot."""
    last = samples[-1]
    zeros = [sample for sample in samples if not sample.counted]
    if not zeros or not last.counted:
        raise Failed("did not tell its count from 0 on")
    first = zeros[-1]
    third = next(sample for sample in samples if sample.counted >= min(messages / 3, last.counted))
    steady = Steady(last.counted - third.counted, last.usage.cpu_s - third.usage.cpu_s)
    return Measured(
        last.counted,
        last.wall_s - first.wall_s,
        last.usage.cpu_s - first.usage.cpu_s,
        max(sample.usage.peak_bytes for sample in samples) - first.usage.held_bytes,
        steady=steady if steady.counted and steady.cpu_s else None,
    )

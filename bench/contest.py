"""Rounds of contenders: who runs on what, whether the answer was right, and the ratios between them."""

import statistics
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import msgspec

from bench.process import Failed, Measured, Task, run
from bench.workload import Oracle

_SHOWN: Final = 3  # wrong scopes named in a message


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the table: a module that is run as a process, on a workload prepared beforehand.

    `scopes` tells the kinds of scope (`total`, `team`, `service`) whose sums it must give.
    """

    name: str
    module: str
    about: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ratio:
    """Estimates per CPU second of one contender over those of another, within one round."""

    name: str
    of: str
    to: str
    about: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What one contender gets in one round; `settle` may complete what it measured (by reading the log)."""

    contender: Contender
    task: Task
    oracle: Oracle
    settle: Callable[[Measured], None] | None = None


class Spread(msgspec.Struct):
    """Over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))


class Row(msgspec.Struct):
    """One contender over all rounds. Rates are estimates a second. `wrong` says what was wrong, if so."""

    name: str
    about: str
    rounds: int = 0
    estimates: int = 0
    per_wall_s: Spread | None = None
    per_cpu_s: Spread | None = None
    peak_bytes: int = 0
    wrong: str = ""


class Results(msgspec.Struct):
    rows: list[Row]
    ratios: dict[str, Spread]
    abouts: dict[str, str]


def play(
    rounds: Iterable[Callable[[], AbstractContextManager[list[Entry]]]],
    ratios: Iterable[Ratio],
    told: Callable[[str], None],
) -> Results:
    """Play every round and gather the results. `told` hears of each contender before it runs."""
    measured: dict[str, list[Measured]] = {}
    rows: dict[str, Row] = {}
    for opened in rounds:
        with opened() as entries:
            for entry in entries:
                name = entry.contender.name
                row = rows.setdefault(name, Row(name, entry.contender.about))
                told(name)
                try:
                    found = run(entry.contender.module, entry.task)
                    if entry.settle is not None:
                        entry.settle(found)
                    row.wrong = row.wrong or fault(entry.contender, found, entry.oracle)
                except Failed as failure:
                    row.wrong = row.wrong or str(failure)
                    continue
                measured.setdefault(name, []).append(found)
    for name, runs in measured.items():
        _summarise(rows[name], runs)
    paired = {ratio: list(_pairs(ratio, measured)) for ratio in ratios}
    spreads = {ratio.name: Spread.of(values) for ratio, values in paired.items() if values}
    return Results(list(rows.values()), spreads, {ratio.name: ratio.about for ratio in paired})


def fault(contender: Contender, measured: Measured, oracle: Oracle) -> str:
    """What is wrong with an answer; empty if it is exactly the oracle's."""
    if measured.counted != oracle.estimates:
        return f"counted {measured.counted:,} estimates instead of {oracle.estimates:,}"
    expected = {
        scope: nusd
        for scope, nusd in oracle.scopes_nusd.items()
        if scope.partition("=")[0] in contender.scopes
    }
    missed = [scope for scope, nusd in expected.items() if measured.scopes_nusd.get(scope) != nusd]
    if not missed:
        return ""
    shown = ", ".join(
        f"{scope} {measured.scopes_nusd.get(scope, 0)} instead of {expected[scope]}"
        for scope in missed[:_SHOWN]
    )
    return f"{len(missed)} of {len(expected)} sums are wrong (nano-dollars): {shown}"


def _summarise(row: Row, runs: list[Measured]) -> None:
    row.rounds = len(runs)
    row.estimates = runs[-1].counted
    row.per_wall_s = Spread.of(run.counted / run.wall_s for run in runs)
    row.per_cpu_s = Spread.of(run.counted / run.cpu_s for run in runs)
    row.peak_bytes = max(run.peak_bytes for run in runs)


def _pairs(ratio: Ratio, measured: dict[str, list[Measured]]) -> Iterator[float]:
    pairs = zip(measured.get(ratio.of, []), measured.get(ratio.to, []), strict=False)
    for one, other in pairs:
        yield (one.counted / one.cpu_s) / (other.counted / other.cpu_s)

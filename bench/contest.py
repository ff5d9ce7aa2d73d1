"""Rounds of contenders: who runs on what, whether the answer was right, and the ratios between them."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from bench.process import Failed, Measured
from bench.workload import Oracle

_SHOWN: Final = 3  # wrong scopes named in a message


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the table. `scopes` tells the kinds of scope (`total`, `team`, `service`) whose sums it
    must give."""

    name: str
    about: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ratio:
    """The rate of one contender over that of another, within one round."""

    name: str
    of: str
    to: str
    about: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One contender in one round: how it is run and measured, and what it must come to."""

    contender: Contender
    measure: Callable[[], Measured]
    oracle: Oracle


class NotRun(Exception):
    """A contender that is not burnline's own could not be installed or run; the message says why."""


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
    """One contender over all rounds. Rates are estimates a second. `wrong` says what was wrong, if so,
    `not_run` why there is nothing to tell."""

    name: str
    about: str
    rounds: int = 0
    estimates: int = 0
    per_wall_s: Spread | None = None
    per_cpu_s: Spread | None = None
    per_cpu_s_steady: Spread | None = None
    peak_bytes: int = 0
    wrong: str = ""
    not_run: str = ""


class Results(msgspec.Struct):
    """`ratios` are of rates per CPU second, `ratios_wall` of rates per second. `ratios_steady` are of the
    whole run of the one over the steady part of the other, per CPU second."""

    rows: list[Row]
    ratios: dict[str, Spread]
    abouts: dict[str, str]
    ratios_steady: dict[str, Spread] = {}
    ratios_wall: dict[str, Spread] = {}

    def add(self, more: "Results") -> None:
        self.rows += more.rows
        self.ratios |= more.ratios
        self.abouts |= more.abouts
        self.ratios_steady |= more.ratios_steady
        self.ratios_wall |= more.ratios_wall


_Rounds: TypeAlias = list[dict[str, Measured]]
_Rate: TypeAlias = Callable[[Measured], float | None]


def play(
    rounds: Iterable[Callable[[], AbstractContextManager[list[Entry]]]],
    ratios: Sequence[Ratio],
    told: Callable[[str], None],
) -> Results:
    """Play every round and gather the results. `told` hears of each contender before it runs.

    A contender that could not be run in one of the rounds has no rates, only the reason."""
    measured: _Rounds = []
    rows: dict[str, Row] = {}
    for opened in rounds:
        measured.append({})
        with opened() as entries:
            for entry in entries:
                name = entry.contender.name
                row = rows.setdefault(name, Row(name, entry.contender.about))
                told(name)
                try:
                    found = measured[-1][name] = entry.measure()
                    row.wrong = row.wrong or fault(entry.contender, found, entry.oracle)
                except Failed as failure:
                    row.wrong = row.wrong or str(failure)
                except NotRun as reason:
                    row.not_run = row.not_run or str(reason)
    for row in rows.values():
        if row.not_run:
            for one in measured:
                one.pop(row.name, None)
        _summarise(row, [one[row.name] for one in measured if row.name in one])
    return Results(
        list(rows.values()),
        _spreads(ratios, measured, per_cpu_s, per_cpu_s),
        {ratio.name: ratio.about for ratio in ratios},
        _spreads(ratios, measured, per_cpu_s, per_cpu_s_steady),
        _spreads(ratios, measured, per_wall_s, per_wall_s),
    )


def per_cpu_s(measured: Measured) -> float | None:
    return measured.counted / measured.cpu_s


def per_cpu_s_steady(measured: Measured) -> float | None:
    return measured.steady.counted / measured.steady.cpu_s if measured.steady else None


def per_wall_s(measured: Measured) -> float | None:
    return measured.counted / measured.wall_s


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
    if not runs:
        return
    row.rounds = len(runs)
    row.estimates = runs[-1].counted
    row.per_wall_s = _spread(map(per_wall_s, runs))
    row.per_cpu_s = _spread(map(per_cpu_s, runs))
    row.per_cpu_s_steady = _spread(map(per_cpu_s_steady, runs))
    row.peak_bytes = max(run.peak_bytes for run in runs)


def _spread(rates: Iterable[float | None]) -> Spread | None:
    found = [rate for rate in rates if rate is not None]
    return Spread.of(found) if found else None


def _spreads(ratios: Iterable[Ratio], rounds: _Rounds, of: _Rate, to: _Rate) -> dict[str, Spread]:
    """Of each ratio that at least one round has both sides of."""
    found = {ratio.name: _spread(_quotients(ratio, rounds, of, to)) for ratio in ratios}
    return {name: spread for name, spread in found.items() if spread is not None}


def _quotients(ratio: Ratio, rounds: _Rounds, of: _Rate, to: _Rate) -> Iterator[float]:
    for measured in rounds:
        if ratio.of in measured and ratio.to in measured:
            one, other = of(measured[ratio.of]), to(measured[ratio.to])
            if one is not None and other is not None:
                yield one / other

"""What a run is kept and shown as: JSON, a table, and a comparison with the recorded ratios."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.contest import Results, Row, Spread
from bench.scale.figures import Figure, shown

RESULTS: Final = Path(__file__).parent / "results"
LATEST: Final = RESULTS / "latest.json"
RECORDED: Final = RESULTS / "recorded.json"
# Ratios within one round still swing by a fifth on a busy machine with two cores.
TOLERANCE: Final = 0.2
# A neighbour may take one of two cores for as long as a contender runs.
WALL_TOLERANCE: Final = 0.5


class Machine(msgspec.Struct):
    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str


class Report(msgspec.Struct):
    """`settings` are what must be equal for two reports to be compared."""

    machine: Machine
    settings: dict[str, int]
    results: Results
    scale: list[Figure] = []


def machine() -> Machine:
    return Machine(
        _processor(),
        os.cpu_count() or 0,
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def encode(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def keep(report: Report) -> None:
    LATEST.write_bytes(encode(report))


def show(report: Report, console: Console) -> None:
    facts = report.machine
    console.print(
        f"{facts.processor}, {facts.cores} cores, {facts.memory_bytes / 2**30:.0f} GiB, {facts.system}, "
        f"Python {facts.python}",
        style="dim",
        highlight=False,
    )
    if report.results.rows:
        console.print(_rows(report.results))
        console.print(_ratios(report.results))
    if report.scale:
        console.print(_scale(report.scale))


def _rows(results: Results) -> Table:
    table = Table(
        "contender", "estimates", "k a CPU second", "steady", "k a second", "MiB added", header_style="dim"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for row in results.rows:
        name = f"{row.name}\n[dim]{row.about}[/]"
        if row.wrong:
            table.add_row(name, "[red]WRONG[/]")
        elif row.not_run:
            table.add_row(f"{name}\n[yellow]not run: {escape(row.not_run)}[/]", "–")
        else:
            rates = map(_thousands, (row.per_cpu_s, row.per_cpu_s_steady, row.per_wall_s))
            table.add_row(name, f"{row.estimates:,}", *rates, f"{row.peak_bytes / 2**20:.0f}")
    return table


def _ratios(results: Results) -> Table:
    table = Table("ratio in the same round", "per CPU second", "steady", "per second", header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    kinds = (results.ratios, results.ratios_steady, results.ratios_wall)
    for name, about in results.abouts.items():
        if any(name in kind for kind in kinds):
            table.add_row(f"{name}\n[dim]{about}[/]", *(_times(kind.get(name)) for kind in kinds))
    return table


def _scale(figures: list[Figure]) -> Table:
    table = Table("at scale", "", "measured", "asked", header_style="dim")
    for column in table.columns[2:]:
        column.justify = "right"
    before = ""
    for one in figures:
        asked = "" if one.at_most is None else f"≤ {shown(one.at_most)}"
        value = f"{shown(one.value)} {one.unit}"
        table.add_row(
            "" if one.group == before else one.group,
            one.name,
            value if one.within else f"[yellow]{value}[/]",
            asked,
        )
        before = one.group
    return table


def _times(spread: Spread | None) -> str:
    return "–" if spread is None else f"{spread.median:.3g} ×\n{spread.low:.3g} – {spread.high:.3g}"


def _thousands(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{spread.median / 1000:,.1f}\n{spread.low / 1000:,.1f} – {spread.high / 1000:,.1f}"


def regressions(report: Report) -> list[str] | None:
    """Ratios that are worse than recorded by more than the tolerance, beyond the recorded spread, or that
    a contender which could not be run keeps from being compared.

    None where nothing comparable is recorded.
    """
    if not RECORDED.exists():
        return None
    recorded = msgspec.json.decode(RECORDED.read_bytes(), type=Report)
    if any(recorded.settings.get(key) != value for key, value in report.settings.items()):
        return None
    found, known = report.results, recorded.results
    return [
        *_worse("", found.ratios, known.ratios, TOLERANCE),
        *_worse(", steady", found.ratios_steady, known.ratios_steady, TOLERANCE),
        *_worse(", by wall clock", found.ratios_wall, known.ratios_wall, WALL_TOLERANCE),
        *(
            f"{row.name}: recorded, but not run now"
            for row in found.rows
            if row.not_run and _measured(known, row)
        ),
    ]


def _worse(
    kind: str, found: dict[str, Spread], recorded: dict[str, Spread], tolerance: float
) -> Iterator[str]:
    for name, now in found.items():
        known = recorded.get(name)
        if known is not None and now.median < known.low * (1 - tolerance):
            yield (
                f"{name}{kind}: {now.median:.3g} × now, recorded {known.median:.3g} × "
                f"({known.low:.3g} – {known.high:.3g})"
            )


def _measured(recorded: Results, row: Row) -> bool:
    return any(known.name == row.name and known.per_cpu_s is not None for known in recorded.rows)

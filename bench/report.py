"""What a run is kept and shown as: JSON, a table, and a comparison with the recorded ratios."""

import os
import platform
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.contest import Results, Spread

RESULTS: Final = Path(__file__).parent / "results"
LATEST: Final = RESULTS / "latest.json"
RECORDED: Final = RESULTS / "recorded.json"
# Ratios within one round still swing by a fifth on a busy machine with two cores.
TOLERANCE: Final = 0.2


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
    table = Table("contender", "estimates", "k a CPU second", "k a second", "MiB added", header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in report.results.rows:
        name = f"{row.name}\n[dim]{row.about}[/]"
        if row.wrong:
            table.add_row(name, "[red]WRONG[/]")
        else:
            rates = (_thousands(row.per_cpu_s), _thousands(row.per_wall_s))
            table.add_row(name, f"{row.estimates:,}", *rates, f"{row.peak_bytes / 2**20:.0f}")
    console.print(table)
    table = Table("ratio, per CPU second in the same round", "median", "lowest – highest", header_style="dim")
    for name, spread in report.results.ratios.items():
        table.add_row(
            f"{name}\n[dim]{report.results.abouts[name]}[/]",
            f"{spread.median:.3g} ×",
            f"{spread.low:.3g} – {spread.high:.3g}",
        )
    console.print(table)


def _thousands(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{spread.median / 1000:,.1f}\n{spread.low / 1000:,.1f} – {spread.high / 1000:,.1f}"


def regressions(report: Report) -> list[str] | None:
    """Ratios that are worse than recorded by more than the tolerance, beyond the recorded spread.

    None where nothing comparable is recorded.
    """
    if not RECORDED.exists():
        return None
    recorded = msgspec.json.decode(RECORDED.read_bytes(), type=Report)
    if any(recorded.settings.get(key) != value for key, value in report.settings.items()):
        return None
    worse = []
    for name, found in report.results.ratios.items():
        known = recorded.results.ratios.get(name)
        if known is not None and found.median < known.low * (1 - TOLERANCE):
            worse.append(
                f"{name}: {found.median:.3g} × now, recorded {known.median:.3g} × "
                f"({known.low:.3g} – {known.high:.3g})"
            )
    return worse

"""The run on record: what later runs are compared with, and the tables that docs/performance.md shows."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench import report
from bench.contest import Row, Spread
from bench.report import Report
from bench.scale import sizing
from bench.scale.figures import MIB, Figure, shown
from bench.workload import Variant

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
SIZING: Final = PAGE.with_name("sizing.md")
SCALE: Final = report.RESULTS / "scale.json"
BEGIN: Final = "<!-- by make bench -->\n"
BEGIN_SCALE: Final = "<!-- by make bench, at scale -->\n"
END: Final = "<!-- end -->\n"


def record(found: Report) -> None:
    """Keep this run as the one on record, and its tables in the page; what was not run keeps its own."""
    if found.results.rows:
        report.RECORDED.write_bytes(report.encode(msgspec.structs.replace(found, scale=[])))
        put(PAGE, BEGIN, tables(found))
    if found.scale:
        SCALE.write_bytes(msgspec.json.format(msgspec.json.encode(found.scale), indent=1) + b"\n")
        put(PAGE, BEGIN_SCALE, scale_table(found.scale))
    put(SIZING, BEGIN, sizing_tables())


def sizing_tables() -> str:
    """What docs/sizing.md works out from both runs on record."""
    figures = msgspec.json.decode(SCALE.read_bytes(), type=list[Figure])
    known = msgspec.json.decode(report.RECORDED.read_bytes(), type=Report)
    [meter] = [row for row in known.results.rows if row.name == f"meter {Variant.SHARED}"]
    assert meter.per_cpu_s is not None
    return sizing.page(
        sizing.measured(figures, meter.per_cpu_s.median, Variant.SHARED, meter.peak_bytes / MIB)
    )


def put(path: Path, begin: str, text: str) -> None:
    """Replace what lies between this mark and the next end."""
    before, _, rest = path.read_text("utf-8").partition(begin)
    path.write_text(f"{before}{begin}{text}{END}{rest.partition(END)[2]}", "utf-8")


def scale_table(figures: Iterable[Figure]) -> str:
    """What was measured at scale, as Markdown."""
    lines = ["| what | of | measured | asked |", "|---|---|---|---|"]
    for one in figures:
        asked = "" if one.at_most is None else f"≤ {shown(one.at_most)} {one.unit}"
        lines.append(f"| {one.group} | {one.name} | {shown(one.value)} {one.unit} | {asked} |")
    return "".join(f"{line}\n" for line in lines)


def tables(found: Report) -> str:
    """All that was measured, as Markdown: thousands of estimates a second, and ratios."""
    rows = [row for row in found.results.rows if row.per_cpu_s is not None]
    lines = [
        "| contender | estimates | per CPU second | steady | per second | MiB added |",
        "|---|---|---|---|---|---|",
        *map(_contender, rows),
        "",
        "| ratio, per CPU second | median (lowest – highest) | to the steady part |",
        "|---|---|---|",
        *_ratios(found),
    ]
    return "".join(f"{line}\n" for line in lines)


def _contender(row: Row) -> str:
    rates = (_rate(spread) for spread in (row.per_cpu_s, row.per_cpu_s_steady, row.per_wall_s))
    return f"| {row.name} | {row.estimates:,} | {' | '.join(rates)} | {row.peak_bytes / 2**20:.0f} |"


def _ratios(found: Report) -> Iterator[str]:
    for name, ratio in found.results.ratios.items():
        steady = found.results.ratios_steady.get(name)
        yield f"| {name} | {_shown(ratio)} | {'' if steady is None else _shown(steady)} |"


def _rate(spread: Spread | None) -> str:
    return "" if spread is None else _spread(spread, 1000)


def _shown(spread: Spread) -> str:
    return _spread(spread, 1)


def _spread(spread: Spread, unit: int) -> str:
    median, low, high = (_digits(value / unit) for value in (spread.median, spread.low, spread.high))
    return f"{median} ({low} – {high})"


def _digits(value: float) -> str:
    """Three digits are more than such a measurement is worth."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

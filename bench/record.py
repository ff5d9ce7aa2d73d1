"""The run on record: what later runs are compared with, and the tables that docs/performance.md shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench import report
from bench.contest import Row, Spread
from bench.report import Report

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- by make bench -->\n"
END: Final = "<!-- end -->\n"


def record(found: Report) -> None:
    """Keep this run as the one on record, and its tables in the page."""
    report.RECORDED.write_bytes(report.encode(found))
    page = PAGE.read_text("utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{tables(found)}{END}{after}", "utf-8")


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

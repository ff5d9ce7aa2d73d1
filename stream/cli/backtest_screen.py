"""How a backtest is shown in a terminal of 80 columns."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream.alerts import text
from stream.backtest.compare import Difference
from stream.backtest.known import Judged
from stream.backtest.problems import Problem
from stream.backtest.report import Report, Threshold, Value

_DAY_S: Final = 86_400
_MOST: Final = 12
_COLUMNS: Final = 64
_BARS: Final = " ▁▂▃▄▅▆▇█"


def show(report: Report, console: Console) -> None:
    console.print(
        f"[bold]{text.clock(report.start_s)} to {text.clock(report.end_s)}[/],"
        f" {_days(report.end_s - report.start_s)},"
        f" {text.usd_of(report.total_nusd)} in {report.scopes:,} scopes",
        highlight=False,
    )
    for line in _picture(report):
        console.print(line, highlight=False)
    pages = [one for one in report.problems if one.pages]
    tickets = [one for one in report.problems if not one.pages]
    _problems(console, "page", pages)
    _problems(console, "ticket", tickets)
    if report.digests:
        console.print(f"{_counted(report.digests, 'digest')} of what is smaller", highlight=False)
    if report.judged is not None:
        console.print(_judged(report.judged), highlight=False)
    if report.difference is not None:
        _difference(console, report.difference)
    _thresholds(console, report.thresholds)
    for caveat in report.caveats:
        console.print(f"[dim]·[/] {escape(caveat)}", highlight=False)
    for file in report.files:
        rejected = (
            f", [bold]{file.rejected:,} rejected[/]: {escape(file.first_rejected)}" if file.rejected else ""
        )
        console.print(
            f"{escape(file.name)}: {file.format}, {file.rows:,} rows, {file.read:,} read{rejected}",
            highlight=False,
        )
    if not report.balanced:
        console.print("[red]sent, accepted, duplicate and rejected estimates do not balance[/]")


def _picture(report: Report) -> list[str]:
    """The total's rate in columns, the dearest 5 minutes of each; below, P for pages and t for tickets."""
    points, span_s = report.course, max(report.end_s - report.start_s, 1)
    if len(points) < 2:
        return []

    def column(time_s: int) -> int:
        return min(max((time_s - report.start_s) * _COLUMNS // span_s, 0), _COLUMNS - 1)

    high = [0.0] * _COLUMNS
    for before, point in pairwise(points):
        first, last = column(before.time_s), column(point.time_s)
        for place in range(min(first + 1, last), last + 1):  # all that a coarse row covers
            high[place] = max(high[place], point.usd_per_hour)
    most = max(high) or 1.0
    marks = [" "] * _COLUMNS
    for problem in sorted(report.problems, key=lambda one: one.pages):
        marks[column(problem.paged_s or problem.told_s)] = "P" if problem.pages else "t"
    bars = "".join(_BARS[min(max(round(rate / most * 8), 1 if rate > 0 else 0), 8)] for rate in high)
    told = "".join(marks).rstrip()
    label = f"{text.usd(most)}/h"
    lines = [f"[dim]{label:>10}[/] {bars}"]
    return [*lines, f"{'':>10} {told}"] if told else lines


def _problems(console: Console, what: str, found: Sequence[Problem]) -> None:
    gone = sum(one.until_page_nusd if one.until_page_nusd is not None else one.until_nusd for one in found)
    in_all = sum(one.in_all_nusd for one in found)
    if not found:
        console.print(f"\n[bold]no {what}s[/]", highlight=False)
        return
    console.print(
        f"\n[bold]{_counted(len(found), what)}[/], {text.usd_of(gone)} beyond normal gone by then,"
        f" {text.usd_of(in_all)} in all",
        highlight=False,
    )
    _table(console, found)


def _table(console: Console, found: Sequence[Problem]) -> None:
    """The dearest, in order of time."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("when (UTC)", "scope", "by", "burns", "×", "gone", "in all"):
        right = name in ("burns", "×", "gone", "in all")
        table.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    dearest = sorted(found, key=lambda one: -one.in_all_nusd)[:_MOST]
    for one in sorted(dearest, key=lambda one: one.paged_s or one.told_s):
        until = one.until_page_nusd if one.until_page_nusd is not None else one.until_nusd
        table.add_row(
            text.clock(one.paged_s or one.told_s).removesuffix(" UTC"),
            escape(one.scope),
            one.detector,
            f"{text.usd(one.burn_usd_per_hour)}/h",
            text.ratio(one.burn_usd_per_hour, one.baseline_usd_per_hour).removeprefix("×"),
            text.usd_of(until),
            text.usd_of(one.in_all_nusd) + ("" if one.end_s else "…"),
        )
    console.print(table)
    if len(found) > _MOST:
        console.print(f"and {len(found) - _MOST:,} that cost less (all of them: --json)", highlight=False)


def _thresholds(console: Console, thresholds: Sequence[Threshold]) -> None:
    if not thresholds:
        return
    changing = [each for each in thresholds if each.matters]
    scales = sorted({value.scale for each in thresholds for value in each.values})
    if changing:
        console.print(
            "\n[bold]What each threshold would tell: pages+tickets[/], the present value ×", highlight=False
        )
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
        table.add_column("threshold", no_wrap=True, overflow="ellipsis")
        table.add_column("now", justify="right")
        for scale in scales:
            table.add_column("1" if scale == 1 else f"{scale:g}", justify="right")
        for each in changing:
            values = {value.scale: value for value in each.values}
            cells = [_cell(values.get(scale)) for scale in scales]
            table.add_row(f"{each.detector} {each.setting}", f"{each.now:g}", *cells)
            judged = [_scored(values.get(scale)) for scale in scales]
            if any(judged):
                table.add_row("[dim]  recall/precision, %[/]", "", *judged)
            elif len({value.gone_nusd for value in each.values}) > 1:
                dollars = [_gone(values.get(scale)) for scale in scales]
                table.add_row("[dim]  gone by the page[/]", "", *dollars)
        console.print(table)
    idle = len(thresholds) - len(changing)
    if idle:
        console.print(
            f"[dim]{_counted(idle, 'threshold')} would change nothing from ×{scales[0]:g} to ×{scales[-1]:g}"
            " (which: --json).[/]",
            highlight=False,
        )


def _cell(value: Value | None) -> str:
    if value is None:
        return "[dim]-[/]"
    told = f"{value.pages}+{value.tickets}"
    return f"[bold]{told}[/]" if value.scale == 1 else told


def _gone(value: Value | None) -> str:
    return "" if value is None else f"[dim]{text.usd_of(value.gone_nusd)}[/]"


def _scored(value: Value | None) -> str:
    if value is None or value.judged is None:
        return ""
    precision = value.judged.precision
    return f"[dim]{value.judged.recall * 100:.0f}/{'-' if precision is None else f'{precision * 100:.0f}'}[/]"


def _judged(judged: Judged) -> str:
    said = (
        f"\nOf {_counted(judged.incidents, 'known incident')} [bold]{judged.paged} paged[/]"
        f" (recall {judged.recall:.0%}), {judged.told} were told at all; {judged.right_pages} of"
        f" {_counted(judged.pages, 'page')} were about one"
    )
    if judged.precision is not None:
        said += f" (precision {judged.precision:.0%})"
    if judged.delays_s:
        middle = sorted(judged.delays_s)[len(judged.delays_s) // 2]
        said += f"; the page came {middle / 60:,.0f} min after the start (median)"
    return said


def _difference(console: Console, found: Difference) -> None:
    console.print(
        f"\n[bold]Beside what is configured[/]: {found.pages_now} -> {_counted(found.pages_tried, 'page')},"
        f" {found.tickets_now} -> {_counted(found.tickets_tried, 'ticket')}",
        highlight=False,
    )
    for title, problems in (("pages that appear", found.appear), ("pages that go", found.go)):
        if problems:
            console.print(f"{title}:", highlight=False)
            _table(console, problems)
    for moved in found.moved[:_MOST]:
        word = "later" if moved.later_s > 0 else "sooner"
        console.print(
            f"{abs(moved.later_s) / 60:,.1f} min {word}: {escape(moved.problem.scope)},"
            f" {text.clock(moved.problem.paged_s or 0)}",
            highlight=False,
        )
    if not (found.appear or found.go or found.moved):
        console.print("the pages are the same, at the same times", highlight=False)


def _days(span_s: int) -> str:
    days = f"{span_s / _DAY_S:.3g}"
    return f"{days} day{'' if days == '1' else 's'}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"

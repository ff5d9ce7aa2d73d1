"""`burnline gameday`: labelled disasters, and how soon burnline tells of each."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream.errors import UserError
from stream.gameday.game import QUIET_SERVICES, SERVICES, Game, names, play
from stream.gameday.report import Kind, Report, Total, report


def gameday(
    seeds: Annotated[int, typer.Option(min=1, help="How many estates; each has every scenario.")] = 2,
    first: Annotated[int, typer.Option(help="The first seed.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option(help="Play these scenarios alone; give it once for each.")
    ] = None,
    services: Annotated[int, typer.Option(min=40, help="Services of an estate.")] = SERVICES,
    quiet_services: Annotated[int, typer.Option(min=40, help="Services of the quiet one.")] = QUIET_SERVICES,
    quiet_days: Annotated[
        int, typer.Option(min=0, help="How long nothing happens to the quiet one; 0 leaves it out.")
    ] = 30,
    json: Annotated[Path | None, typer.Option(help="Write the report there, as JSON.")] = None,
) -> None:
    """Play labelled disasters and quiet times against burnline, and against three simpler monitors.

    Each estate has five weeks of history with seasons, growth, noise and everyday bursts. The real stages
    run, with their default settings; what counts is what people would have got, and when.

    Example: burnline gameday --seeds 1 --only runaway_autoscaler --quiet-days 0
    """
    unknown = sorted(set(only or []) - set(names()))
    if unknown:
        raise UserError(f"there is no scenario {unknown[0]!r}; there are {', '.join(names())}")
    game = Game(list(range(first, first + seeds)), only or names(), services, quiet_services, quiet_days)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("history", total=None)

        def told(what: str, done: int, total: int) -> None:
            progress.update(bar, description=what, completed=done, total=total)

        found = report(play(game, told), quiet_days)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    show(found, Console())


def show(found: Report, console: Console) -> None:
    """Two tables that fit into 80 columns: every scenario, and every monitor; then what was false."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    for name in ("", "told", "after\np50", "after\np95", "lost", "driver", "deploy", "false\npages",
                 "false\ntickets"):  # fmt: skip
        table.add_column(name, justify="right" if name else "left", vertical="bottom", no_wrap=True)
    wanted = ""
    for kind in found.kinds:
        if kind.expected != wanted:
            wanted = kind.expected
            table.add_row(f"[bold]{wanted} wanted[/bold]")
        table.add_row(*_kind(kind))
    console.print(table)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", *(total.monitor for total in found.totals)):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    columns = [_total(total) for total in found.totals]
    for name, *figures in zip(_MEASURES, *columns, strict=True):
        if any(figures):
            table.add_row(name, *figures)
    console.print(table)
    for one in found.outcomes:
        if one.monitor == "burnline" and one.false:
            console.print(f"seed {one.seed}, {one.scenario}: {'; '.join(one.false[:6])}", highlight=False)


def _kind(kind: Kind) -> list[str]:
    wanted = kind.expected != "nothing"
    return [
        kind.scenario.replace("_", " "), f"{kind.told}/{kind.games}" if wanted else "",
        _time(kind.delay_p50_s), _time(kind.delay_p95_s), _usd(kind.lost_usd) if wanted else "",
        f"{kind.right_driver}/{kind.asked_driver}" if kind.asked_driver else "",
        f"{kind.right_deploy}/{kind.told}" if kind.told else "",
        str(kind.false_pages or ""), str(kind.false_tickets or ""),
    ]  # fmt: skip


_MEASURES: Final = (
    "page recall", "page precision", "10× burn, p95", "3× burn, p95", "lost before a page", "ticket recall",
    "ticket precision", "right driver", "right deploy", "false pages a month",
)  # fmt: skip


def _total(total: Total) -> list[str]:
    """In the order of `_MEASURES`."""
    month = total.quiet_false_pages_a_month
    return [
        _percent(total.page_recall), _percent(total.page_precision), _time(total.delay_10x_p95_s),
        _time(total.delay_3x_p95_s), _usd(total.lost_usd), _percent(total.ticket_recall),
        _percent(total.ticket_precision), _percent(total.right_driver), _percent(total.right_deploy),
        "" if month is None else f"{month:,.1f}",
    ]  # fmt: skip


def _usd(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:.2f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 10 * 3600 else f"{seconds / 3600:.0f} h"

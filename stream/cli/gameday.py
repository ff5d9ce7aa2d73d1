"""`burnline gameday`: labelled disasters, and how soon burnline tells of each."""

from pathlib import Path
from typing import Annotated

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
    _show(found, Console())


def _show(found: Report, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("scenario", "wanted", "told", "after p50", "p95", "lost", "driver", "deploy", "false"):
        table.add_column(name, justify="left" if name in ("scenario", "wanted", "told") else "right")
    for kind in found.kinds:
        table.add_row(*_kind(kind))
    console.print(table)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("monitor", "page recall", "precision", "ticket recall", "precision", "10× p95", "3× p95",
                 "lost a page", "driver", "deploy", "false pages a month"):  # fmt: skip
        table.add_column(name, justify="left" if name == "monitor" else "right")
    for total in found.totals:
        table.add_row(*_total(total))
    console.print(table)
    for one in found.outcomes:
        if one.monitor == "burnline" and one.false:
            console.print(f"seed {one.seed}, {one.scenario}: {'; '.join(one.false[:6])}", highlight=False)


def _kind(kind: Kind) -> list[str]:
    said = ", ".join(f"{count} {name}" for name, count in sorted(kind.severities.items())) or "nothing"
    of = f" of {kind.games}" if kind.expected != "nothing" else ""
    return [
        kind.scenario.replace("_", " "), kind.expected, f"{said}{of}", _time(kind.delay_p50_s),
        _time(kind.delay_p95_s), f"${kind.lost_usd:,.2f}" if kind.expected != "nothing" else "",
        f"{kind.right_driver}/{kind.asked_driver}" if kind.asked_driver else "",
        f"{kind.right_deploy}/{kind.told}" if kind.told else "",
        _false(kind),
    ]  # fmt: skip


def _false(kind: Kind) -> str:
    parts = [(kind.false_pages, "page"), (kind.false_tickets, "ticket")]
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in parts if count)


def _total(total: Total) -> list[str]:
    month = total.quiet_false_pages_a_month
    return [
        total.monitor, _percent(total.page_recall), _percent(total.page_precision),
        _percent(total.ticket_recall), _percent(total.ticket_precision), _time(total.delay_10x_p95_s),
        _time(total.delay_3x_p95_s), f"${total.lost_usd:,.2f}", _percent(total.right_driver),
        _percent(total.right_deploy), "" if month is None else f"{month:,.1f}",
    ]  # fmt: skip


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"

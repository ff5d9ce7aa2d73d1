"""`burnline replay`: what would have paged, on your own history."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream import config as configuration
from stream.alerts import text
from stream.cli.options import ConfigFile, Currency, FormatName, Fx, Json
from stream.collect.formats import open_reading
from stream.collect.reader import Options
from stream.collect.reading import Reading
from stream.errors import UserError
from stream.schema.alerts import Alert, State
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from stream.shell.embedded.replay import Replay

TOP_SCOPES = 8


def replay(
    files: Annotated[list[Path], typer.Argument(help="Files to play, one after the other.")],
    format_name: FormatName = None,
    config: ConfigFile = None,
    database: Annotated[
        Path | None, typer.Option(help="Keep the windows here; otherwise they are thrown away at the end.")
    ] = None,
    fx: Fx = None,
    currency: Currency = None,
    as_json: Json = False,
) -> None:
    """Play usage and billing files through the same stages as live, at full speed.

    Prints every page and ticket that would have been sent, when, and for how many dollars.

    Example: burnline replay focus_2024-09.csv.gz
    """
    loaded = configuration.load(config)
    readings = opened(files, format_name, fx or [], currency)
    with tempfile.TemporaryDirectory() as folder:
        node = Node(loaded, Database(database or Path(folder) / "replay.db"))
        told = _Told(as_json)
        player = Replay(node)
        _play(player, readings, told)
        for alert in player.commit():
            told.tell(alert)
        _close(node, readings, told, as_json)
        node.database.close()


def opened(files: list[Path], format_name: str | None, fx: list[str], currency: str | None) -> list[Reading]:
    """The files of a history."""
    options = _options(fx, currency)
    readings = [open_reading(path, format_name, options) for path in files]
    names = [reading.source for reading in readings]
    if len(set(names)) < len(names):
        raise UserError(
            "two of the files have the same name, so the second would be taken for a repeat: rename one"
        )
    return readings


def _options(fx: list[str], currency: str | None) -> Options:
    from decimal import Decimal, InvalidOperation

    rates = {}
    for rate in fx:
        code, _, value = rate.partition("=")
        try:
            usd = Decimal(value)
        except InvalidOperation:
            usd = Decimal("NaN")
        if not (usd.is_finite() and usd > 0):
            raise UserError(f"--fx {rate!r} is not CODE=RATE, such as CAD=0.73")
        rates[code.upper()] = usd
    return Options(fx=rates, currency=currency) if currency else Options(fx=rates)


class _Told:
    """Prints transitions as they come and counts them."""

    def __init__(self, as_json: bool) -> None:
        self.count: dict[str, int] = {"page": 0, "ticket": 0, "digest": 0}
        self.open: dict[str, Alert] = {}
        self._json = as_json

    def tell(self, alert: Alert) -> None:
        if alert.state in (State.FIRING, State.ESCALATED):
            self.count[alert.severity] += 1
            self.open[alert.dedup_key] = alert
            if alert.previous_key:
                self.open.pop(alert.previous_key, None)
        elif alert.state == State.RESOLVED:
            self.open.pop(alert.dedup_key, None)
        if self._json:
            line = {"event": alert.state, "time_s": alert.time_s, "alert": alert}
            sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        else:
            day = text.clock(alert.time_s)
            sys.stdout.write(
                f"{day:<18} {alert.severity.upper():<6} {alert.state:<9} {text.summary(alert)}\n"
            )


def _play(player: Replay, readings: list[Reading], told: _Told) -> None:
    """With a progress bar on standard error, so that standard output can be piped."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[estimates]:,} estimates"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        for reading in readings:
            bar = progress.add_task(escape(reading.path.name), total=reading.size_bytes or None, estimates=0)
            for alert in player.feed(reading.path.name, _watched(reading, progress, bar)):
                told.tell(alert)
            progress.update(bar, completed=reading.size_bytes, estimates=reading.estimates)


def _watched(reading: Reading, progress: Progress, bar: Any) -> Iterator[Any]:
    for number, item in enumerate(reading):
        if number % 256 == 0:
            progress.update(bar, completed=reading.bytes_read, estimates=reading.estimates)
        yield item


def _close(node: Node, readings: list[Reading], told: _Told, as_json: bool) -> None:
    counters = node.meter.counters
    identity = {
        "sent": counters.sent_events,
        "accepted": counters.accepted_events,
        "duplicate": counters.duplicate_events,
        "rejected": counters.rejected_events,
        "sent_nusd": counters.sent_nusd,
        "accepted_nusd": counters.accepted_nusd,
        "duplicate_nusd": counters.duplicate_nusd,
        "rejected_nusd": counters.rejected_nusd,
        "balanced": counters.balanced,
        "late": counters.late_events,
        "unpriced": counters.unpriced_events,
        "unmapped_nusd": counters.unmapped_nusd,
        "rejected_by_reason": counters.rejected_by_reason,
    }
    figures = sorted(node.burn.figures(), key=lambda one: (-one.total_nusd, one.scope))
    if as_json:
        last = {
            "event": "total",
            "identity": identity,
            "pages": told.count["page"],
            "tickets": told.count["ticket"],
            "digests": told.count["digest"],
            "still_firing": sorted(told.open),
            "scopes_nusd": {one.scope: one.total_nusd for one in figures},
            "files": [
                {
                    "name": reading.path.name, "format": reading.format.name, "rows": reading.rows,
                    "accepted": reading.accepted, "rejected": reading.rejected,
                    "excluded": dict(reading.excluded), "notes": dict(reading.notes),
                    "native": {code: str(amount) for code, amount in reading.native.items()},
                }
                for reading in readings
            ],
        }  # fmt: skip
        sys.stdout.write(msgspec.json.encode(last).decode() + "\n")
        return
    console = Console()
    for reading in readings:
        excluded = "".join(f", {count:,} left out ({why})" for why, count in reading.excluded.items())
        console.print(
            f"[bold]{escape(reading.path.name)}[/]: {reading.format.name}, {reading.rows:,} rows, "
            f"{reading.accepted:,} read, {reading.rejected:,} rejected{excluded}",
            highlight=False,
        )
        if first := reading.first_rejected:
            console.print(f"  the first, row {first.row:,}: {escape(first.reason[:200])}", highlight=False)
    table = Table("scope", "dollars", box=None, header_style="dim", pad_edge=False)
    table.columns[1].justify = "right"
    for one in figures[:TOP_SCOPES]:
        table.add_row(escape(one.scope), f"{one.total_nusd / text.NANO:,.9f}".rstrip("0").rstrip("."))
    console.print(table)
    console.print(
        f"{counters.sent_events:,} estimates sent = {counters.accepted_events:,} accepted + "
        f"{counters.duplicate_events:,} duplicate + {counters.rejected_events:,} rejected"
        f"{'' if counters.balanced else '  [red]DOES NOT BALANCE[/]'}",
        highlight=False,
    )
    for reason, count in sorted(counters.rejected_by_reason.items()):
        console.print(f"  {count:,} rejected: {reason}", highlight=False)
    if counters.unpriced_events:
        console.print(f"  {counters.unpriced_events:,} have neither a cost nor a price", highlight=False)
    digests = f", {_counted(told.count, 'digest')}" if told.count["digest"] else ""
    console.print(
        f"[bold]{_counted(told.count, 'page')}, {_counted(told.count, 'ticket')}{digests}[/], "
        f"{len(told.open)} still firing at the end",
        highlight=False,
    )


def _counted(count: dict[str, int], what: str) -> str:
    return f"{count[what]:,} {what}{'' if count[what] == 1 else 's'}"

"""`burnline backtest`: what would have told people, and what each threshold would change."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stream import config as configuration
from stream.backtest import known, report
from stream.backtest.compare import difference
from stream.backtest.history import merged
from stream.backtest.picture import html, svg
from stream.backtest.play import Backtest
from stream.backtest.thresholds import SCALES
from stream.cli.backtest_screen import show
from stream.cli.options import ConfigFile, Currency, FormatName, Fx
from stream.cli.replay import opened
from stream.collect.reading import Reading
from stream.config import Config
from stream.errors import UserError

# What another policy may change: all that acts on the same estimates.
_POLICY = ("detectors", "alerts", "budgets", "policies", "maintenance", "plans")


def backtest(
    files: Annotated[list[Path], typer.Argument(help="Usage and billing files, in any order.")],
    policy: Annotated[
        Path | None,
        typer.Option(
            help=f"Try this instead of what is configured: a YAML file with any of {', '.join(_POLICY)}."
        ),
    ] = None,
    incidents: Annotated[
        Path | None,
        typer.Option(help="What really happened, as CSV or JSON with start, end and, if known, scope."),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep/--no-sweep", help="Whether to try other values of every threshold.")
    ] = True,
    format_name: FormatName = None,
    config: ConfigFile = None,
    fx: Fx = None,
    currency: Currency = None,
    json: Annotated[Path | None, typer.Option(help="Write all of it there, as JSON.")] = None,
    svg_file: Annotated[Path | None, typer.Option("--svg", help="Write the picture there.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page with both there.")] = None,
) -> None:
    """Play a history through the same stages as live: what would have paged, when, and at what cost.

    Then what each threshold would change: other values of each run beside the configured one. Nothing is
    delivered to anybody, and nothing is kept but the files that you name.

    Example: burnline backtest focus_2026-10.csv.gz focus_2026-11.csv.gz --html backtest.html
    """
    present = configuration.load(config)
    tried = present if policy is None else _with(present, policy)
    happened = [] if incidents is None else known.read(incidents)
    readings = opened(files, format_name, fx or [], currency)
    played = Backtest(tried, SCALES if sweep else ())
    beside = None if policy is None else Backtest(present, ())
    _play(readings, [played, *([beside] if beside else [])])
    found = report.found_by(played)
    start_s, end_s = played.begun_s, played.now_ms // 1000
    told = report.Report(
        start_s=start_s,
        end_s=end_s,
        scopes=played.scopes,
        total_nusd=played.meter.counters.accepted_nusd,
        files=[_file(reading) for reading in readings],
        balanced=played.meter.counters.balanced,
        problems=found,
        digests=report.digests(played),
        judged=known.judge(happened, found, tried) if happened else None,
        thresholds=report.thresholds(played, found, happened),
        difference=difference(report.found_by(beside), found) if beside else None,
        rows_by_length=played.grain.shares(),
        caveats=report.caveats(played, start_s, end_s),
        course=played.course.points,
    )
    show(told, Console())
    if json is not None:
        _write(json, msgspec.json.format(msgspec.json.encode(told), indent=1))
    if svg_file is not None:
        _write(svg_file, svg(told).encode())
    if html_file is not None:
        screen = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        show(told, screen)
        _write(html_file, html(told, screen.export_text()).encode())


def _with(present: Config, path: Path) -> Config:
    """The configuration with a policy in place of its own. Settings of detectors and alerts that it does not
    name stay as they are; lists are replaced."""
    policy = configuration.load(path, environ={})
    other = sorted(policy.model_fields_set - set(_POLICY))
    if other:
        raise UserError(f"--policy {path}: {other[0]} is no policy; it may have {', '.join(_POLICY)}")
    if not policy.model_fields_set:
        raise UserError(f"--policy {path} changes nothing: name at least one of {', '.join(_POLICY)}")
    changed: dict[str, Any] = {name: getattr(policy, name) for name in policy.model_fields_set}
    if "detectors" in changed:
        names = {*present.detectors, *policy.detectors}
        changed["detectors"] = {
            name: {**present.detectors.get(name, {}), **policy.detectors.get(name, {})} for name in names
        }
    if "alerts" in changed:
        named = {name: getattr(policy.alerts, name) for name in policy.alerts.model_fields_set}
        changed["alerts"] = present.alerts.model_copy(update=named)
    return present.model_copy(update=changed)


def _play(readings: Sequence[Reading], played: Sequence[Backtest]) -> None:
    """With progress and the time left on standard error, so that standard output can be piped."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[estimates]:,} estimates"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading", total=None, estimates=0)
        for number, (reading, item) in enumerate(merged(readings)):
            if number % 64 == 0:
                done, total = _done(readings)
                sent = sum(one.estimates for one in readings)
                day = played[0].day
                progress.update(bar, completed=done, total=total, estimates=sent, description=escape(day))
            for each in played:
                each.play(reading.path.name, item)
        if played[0].empty:
            raise UserError(_unread(readings))
        for each in played:
            each.close()


def _done(readings: Sequence[Reading]) -> tuple[float, float]:
    """Bytes of files that are read as they stand; of those that are sorted first, rows, measured alike."""
    done = 0.0
    for reading in readings:
        if reading.format.arrival_order:
            done += reading.bytes_read
        elif reading.accepted:
            done += reading.size_bytes * min(1.0, reading.estimates / reading.accepted)
    return done, float(sum(reading.size_bytes for reading in readings)) or 1.0


def _unread(readings: Sequence[Reading]) -> str:
    why = next((f": {one.path.name}, {_first(one)}" for one in readings if one.first_rejected), "")
    return f"no row of these files could be read, so there is nothing to judge{why}"


def _first(reading: Reading) -> str:
    """The first row that could not be read, and why."""
    first = reading.first_rejected
    return "" if first is None else f"row {first.row:,}: {first.reason[:200]}"


def _file(reading: Reading) -> report.File:
    return report.File(
        reading.path.name,
        reading.format.name,
        reading.rows,
        reading.accepted,
        reading.rejected,
        _first(reading),
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None

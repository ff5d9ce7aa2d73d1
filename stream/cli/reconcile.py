"""`burnline reconcile`: estimates beside the invoice, and what that changes."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from stream import config as configuration
from stream.cli.api import Api, Url, address, connect
from stream.cli.options import ConfigFile, Json
from stream.cli.times import moment_s
from stream.errors import UserError
from stream.reconcile import estimates as known_estimates
from stream.reconcile import focus
from stream.reconcile.calibration import Key
from stream.reconcile.estimates import Known
from stream.reconcile.report import Report
from stream.reconcile.stage import reconcile as reconciled
from stream.reconcile.stage import records
from stream.schema.calibrations import Calibration

# The ingest port takes 8 MiB by default, and less where people said so.
PIECE_BYTES: Final = 1 << 20
_ESTIMATES: Final = "/api/v1/estimates"


def reconcile(
    files: Annotated[list[Path], typer.Argument(help="FOCUS exports; several are one delivery in parts.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Write it down, so that later estimates use the factors.")
    ] = False,
    estimates: Annotated[
        Path | None, typer.Option(help=f"Estimates saved from {_ESTIMATES}?by=billing, instead of live ones.")
    ] = None,
    database: Annotated[
        Path | None,
        typer.Option(help="The database of `burnline replay`, or of a stopped `burnline run`, instead."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="When the files were exported, as 2026-11-24; now by default.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    url: Url = None,
    ingest_url: Annotated[
        str | None,
        typer.Option(help="Where burnline takes in; ingest.host and ingest.port by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare an invoice with the estimates of its days, say why they differ, and learn from it.

    Example: burnline reconcile focus_2026-11.csv.gz --apply
    """
    if estimates and database:
        raise UserError("--estimates and --database both say where the estimates are: leave one out")
    if apply and database:
        raise UserError("--database is only read: leave out --apply, or start `burnline run` on it")
    if apply and url and not ingest_url:
        raise UserError("--url says where to read: say where to write with --ingest-url, too")
    now_s = _now_s()
    as_of_ms = 1000 * (moment_s(as_of, now_s) if as_of else now_s)
    api = connect(config, url)
    if database:
        known, current = _of_database(config, database)
    elif estimates:
        # Factors that hold matter to what is written; to compare saved estimates no burnline must run.
        known, current = known_estimates.decode(_bytes(estimates), estimates.name), []
        current = _current(api) if apply else []
    else:
        told = api.text("GET", _ESTIMATES, params={"by": "billing"})
        known = known_estimates.decode(told.encode(), api.url)
        current = _current(api)
    report = reconciled(
        _read(files),
        known.estimates_nusd,
        as_of_ms,
        calibrated_nusd=known.calibrated_nusd,
        partial=known.partial,
        current=current,
    )
    if not as_json:
        Console().print(report.table())
    if apply:
        _send(_ingest(config, ingest_url), records(report))
    _tell(report, current, apply, as_json)


def _current(api: Api) -> list[Calibration]:
    try:
        return msgspec.convert(api.get("/api/v1/calibrations")["calibrations"], list[Calibration])
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise UserError(f"{api.url} does not give its factors ({error}): check {api.option}") from None


def _ingest(config: Path | None, url: str | None) -> Api:
    ingest = configuration.load(config).ingest
    token = ingest.token.get_secret_value() if ingest.token is not None else ""
    return Api(url or address(ingest), token, "--ingest-url", "ingest")


def _of_database(config: Path | None, path: Path) -> tuple[Known, list[Calibration]]:
    """Estimates and factors of a database that no process runs on. Nothing in it is changed."""
    from stream.serve.views import DAYS_HELD, Views
    from stream.shell.embedded.database import Database
    from stream.shell.embedded.node import Node
    from stream.shell.embedded.replica import EmbeddedReplica

    if not path.is_file():
        raise UserError(f"{path} is not there: make it with `burnline replay FILE --database {path}`")
    database = Database(path)
    try:
        replica = EmbeddedReplica(Node(configuration.load(config), database), _unwritten)
        found = msgspec.json.encode(Views(replica).estimates(DAYS_HELD))
        return known_estimates.decode(found, path.name), replica.calibrations()
    finally:
        database.close()


async def _unwritten(topic: str, key: bytes, value: bytes) -> None:
    raise AssertionError("a database that is only read is not written to")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; name an existing file") from None


def _read(files: Sequence[Path]) -> focus.Export:
    """With a progress bar on standard error, so that standard output can be piped."""
    size_bytes = sum(path.stat().st_size for path in files if path.is_file())
    with _progress() as progress:
        bar = progress.add_task("reading", total=size_bytes or None)
        return focus.read(files, watch=lambda done: progress.update(bar, completed=done))


def _send(ingest: Api, by_topic: Mapping[str, Sequence[bytes]]) -> None:
    with _progress() as progress:
        bar = progress.add_task("writing", total=sum(map(len, by_topic.values())))
        for topic, written in by_topic.items():
            for values in _pieces(written):
                try:
                    ingest.post_lines(f"/v1/{topic}", values)
                except UserError as error:
                    raise UserError(f"{error}; not all is written: run the same command again") from None
                progress.advance(bar, len(values))


def _pieces(values: Iterable[bytes]) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    size = 0
    for value in values:
        if piece and size + len(value) > PIECE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(value)
        size += len(value) + 1
    if piece:
        yield piece


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _tell(report: Report, current: Iterable[Calibration], applied: bool, as_json: bool) -> None:
    """What was or would be written."""
    held = {Key(each.provider, each.account, each.service): each.factor for each in current}
    fresh = {Key(each.provider, each.account, each.service): each for each in report.calibrations}
    if as_json:
        factors = [msgspec.to_builtins(new) | {"instead_of": held.get(key)} for key, new in fresh.items()]
        told: dict[str, Any] = {**report.to_json(), "applied": applied, "new_factors": factors}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    rows, days = len(report.lines), len(report.variances)
    counts = ", ".join(
        f"{count:,} {name}{'' if count == 1 else 's'}"
        for count, name in ((rows, "invoice line"), (days, "variance"), (len(fresh), "new factor"))
    )
    print(f"Written: {counts}." if applied else f"Nothing was changed. --apply would write {counts}.")
    verb = "is now" if applied else "would be"
    for key, new in fresh.items():
        instead = f"instead of {held[key]}" if key in held else "the first one"
        bounds = f"; measured {new.measured}, which is out of bounds" if new.bounded else ""
        print(
            f"  {' / '.join(key)}: the factor {verb} {new.factor}, {instead} "
            f"({new.days} days, {new.first_day} to {new.last_day}){bounds}"
        )


def _now_s() -> int:
    return int(time.time())

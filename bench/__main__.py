"""`python -m bench`: run it, show it, compare it."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import embedded, kafka, report
from bench import record as recording
from bench.contest import Results
from bench.peers import known
from bench.peers.known import Peer
from bench.scale import suite as scale
from stream.errors import UserError
from tests.services import ServiceFailed

WRONG: Final = 1
# A quick run shows that everything works; what it measures is mostly the start.
ESTIMATES: Final = {"embedded": 1_000_000, "kafka": 2_000_000}
QUICK: Final = {"embedded": 10_000, "kafka": 60_000}

console = Console(stderr=True)


class Part(StrEnum):
    EMBEDDED = "embedded"
    KAFKA = "kafka"
    SCALE = "scale"


def bench(
    only: Annotated[Part | None, typer.Option(help="Run one part.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contender runs, in turn.")] = 3,
    peers: Annotated[
        str,
        typer.Option(help=f"Engines of others beside the meter: {', '.join(known.FOLDERS)}; all; or none."),
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="One small round: does it work, is it right?")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Fail if a ratio is worse than recorded.json says.")
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Compare later runs with this one, and put its tables in docs/performance.md."
        ),
    ] = False,
    plant_loss: Annotated[
        bool,
        typer.Option("--plant-loss", help="Drop one message in each contender: all must be found wrong."),
    ] = False,
) -> None:
    """Measure burnline beside its limits and peers, each in a process of its own, in interleaved rounds.

    The part `scale` measures how cost, memory and waiting grow, and prints what was asked beside it.

    Every answer is compared with exact sums; a wrong one is said and makes the exit status 1. What a
    whole run (not --quick) measured is kept in bench/results/latest.json. Engines of others are installed
    under .local/bench when they are first asked for; --quick leaves them out unless --peers names them.

    Example: python -m bench --only kafka --peers flink_sql,kafka_streams --rounds 5
    """
    if record and only in (Part.EMBEDDED, Part.KAFKA):
        raise UserError("--record keeps embedded and kafka together: leave --only out, or say --only scale")
    chosen = known.chosen(peers or ("none" if quick else "all"))
    parts = [only] if only else list(Part)
    rounds = 1 if quick else rounds
    sizes = QUICK if quick else ESTIMATES
    contests = [part for part in parts if part is not Part.SCALE]
    results = [_play(part, sizes[part], rounds, int(plant_loss), chosen) for part in contests]
    settings = {f"{part}_estimates": sizes[part] for part in contests}
    found = report.Report(report.machine(), settings, _merged(results))
    if Part.SCALE in parts:
        with _telling(Part.SCALE) as told:
            found.scale = scale.run(scale.QUICK if quick else scale.WHOLE, told)
    if as_json:
        sys.stdout.write(report.encode(found).decode())
    else:
        report.show(found, Console())
    wrong = [row for row in found.results.rows if row.wrong]
    for row in wrong:
        console.print(f"[red]{row.name} is wrong[/]: {row.wrong}", highlight=False)
    for row in found.results.rows:
        if row.not_run:
            console.print(f"[yellow]{row.name} was not run[/]: {row.not_run}", highlight=False)
    if not wrong and not quick:
        report.keep(found)
    worse = _compare(found) if contests else []
    if wrong or (check and worse):
        raise typer.Exit(WRONG)
    if record and not quick:
        recording.record(found)


def _play(part: Part, estimates: int, rounds: int, drop: int, peers: Sequence[Peer]) -> Results:
    with _telling(part) as told:
        if part is Part.KAFKA:
            return kafka.run(estimates, rounds, drop, told, peers)
        return embedded.run(estimates, rounds, drop, told)


@contextmanager
def _telling(part: Part) -> Iterator[Callable[[str], None]]:
    """Shows what is being done now."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(part)

        def told(name: str) -> None:
            if console.is_terminal:
                progress.update(bar, description=f"{part}: {name}")
            else:
                console.print(f"{part}: {name}", highlight=False)

        yield told


def _merged(results: Iterable[Results]) -> Results:
    merged = Results([], {}, {})
    for one in results:
        merged.add(one)
    return merged


def _compare(found: report.Report) -> list[str]:
    worse = report.regressions(found)
    if worse is None:
        console.print("nothing of this size is recorded to compare with", style="dim")
        return []
    for line in worse:
        console.print(f"[yellow]worse than recorded[/]: {line}", highlight=False)
    if not worse:
        console.print("no ratio is worse than recorded", style="dim")
    return worse


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(bench)

if __name__ == "__main__":
    try:
        app(prog_name="python -m bench")
    except (UserError, ServiceFailed) as error:
        sys.exit(f"bench: {error}")

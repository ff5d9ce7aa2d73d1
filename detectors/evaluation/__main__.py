"""`python -m detectors.evaluation`: how a scorer does on labelled series, by NAB's rules."""

import csv
import json
import math
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from detectors.evaluation.corpus import BadCorpus, Series, read
from detectors.evaluation.judge import Verdict, group_points, judge, report, run_all, total_line
from detectors.evaluation.nab import Floats, scale
from detectors.evaluation.windowed_gaussian import WindowedGaussian
from detectors.novelty import Novelty
from detectors.series import SeriesScorer

SCORERS: Final[dict[str, Callable[[], SeriesScorer]]] = {
    kind.name: kind for kind in (Novelty, WindowedGaussian)
}
Name = StrEnum("Name", {name: name for name in SCORERS})  # type: ignore[misc]  # choices of the command line
DEFAULT: Final = Name(Novelty.name)

console = Console(stderr=True)


def evaluate(
    data: Annotated[Path, typer.Argument(help="Folder of group/name.csv with combined_windows.json.")],
    scorer: Annotated[Name, typer.Option(help="Which scorer to judge.")] = DEFAULT,
    threshold: Annotated[
        float | None, typer.Option(help="Detect from this score on, instead of choosing the best threshold.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Write the score of every row to this CSV file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Judge a scorer on labelled series by the rules of the Numenta Anomaly Benchmark.

    Each file is `timestamp,value`; .csv.gz will do too. Rows are shown one at a time, in their order, with
    the same settings for all series. Three profiles weigh mistakes differently; each takes the one threshold
    that suits it best over all series, unless one is given. 0 is detecting nothing, 100 is perfect.

    Example: python -m detectors.evaluation ~/nab --scores scores.csv
    """
    corpus, left_out = read(data)
    for sentence in left_out:
        console.print(f"[yellow]left out[/]: {sentence}", highlight=False, soft_wrap=True)
    rows = _run(SCORERS[scorer.value], corpus)
    verdicts = judge(corpus, rows, threshold)
    if scores is not None:
        _write(scores, corpus, rows)
    if as_json:
        sys.stdout.write(json.dumps(report(corpus, verdicts), indent=2) + "\n")
        return
    _show(corpus, verdicts)


def _run(new: Callable[[], SeriesScorer], corpus: Sequence[Series]) -> list[Floats]:
    """Scores of all series, with a bar on a terminal and else a line a series."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    done = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("series", total=len(corpus))
        for number, (series, rows) in enumerate(zip(corpus, run_all(new, corpus), strict=True), start=1):
            done.append(rows)
            progress.update(bar, advance=1, description=series.name)
            if not console.is_terminal:
                console.print(f"{number}/{len(corpus)} {series.name}", highlight=False, soft_wrap=True)
    return done


def _write(path: Path, corpus: Sequence[Series], scores: Sequence[Floats]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["series", "timestamp", "value", "score", "window"])
            for series, rows in zip(corpus, scores, strict=True):
                inside = (series.labels.window >= 0).astype(int).tolist()
                columns = (series.times_s.tolist(), series.values.tolist(), rows.tolist(), inside)
                for time_s, value, score, window in zip(*columns, strict=True):
                    time = datetime.fromtimestamp(time_s, UTC).replace(tzinfo=None)
                    out.writerow([series.name, time.isoformat(" "), value, score, window])
    except OSError as error:
        raise BadCorpus(f"{path} cannot be written ({error.strerror}): give another file") from None


def _show(corpus: Sequence[Series], verdicts: Sequence[Verdict]) -> None:
    names = [verdict.profile.name for verdict in verdicts]
    rows = [["series", "rows", "windows", "found", "false positives", *names]]
    groups = [group_points(corpus, verdict) for verdict in verdicts]
    for group in groups[0]:
        inside = [index for index, series in enumerate(corpus) if series.group == group]
        for index in inside:
            own = [scale(one.tallies[index].score, [corpus[index].labels], one.profile) for one in verdicts]
            rows.append([corpus[index].name, *_counts(corpus, verdicts[0], [index]), *map(_points, own)])
        shared = [points[group] for points in groups]
        rows.append([f"all of {group}", *_counts(corpus, verdicts[0], inside), *map(_points, shared)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *right]))
    print(f"found and false positives are those at the threshold of {names[0]}")
    print("thresholds: " + " · ".join(f"{one.profile.name} {one.threshold!r}" for one in verdicts))
    print(total_line(verdicts))


def _counts(corpus: Sequence[Series], verdict: Verdict, inside: Sequence[int]) -> list[str]:
    tallies = [verdict.tallies[index] for index in inside]
    counts = (
        sum(len(corpus[index].values) for index in inside),
        sum(each.windows for each in tallies),
        sum(each.found for each in tallies),
        sum(each.false_positives for each in tallies),
    )
    return [str(count) for count in counts]


def _points(points: float) -> str:
    return "-" if math.isnan(points) else f"{points:.1f}"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(evaluate)

if __name__ == "__main__":
    try:
        app(prog_name="python -m detectors.evaluation")
    except BadCorpus as error:
        sys.exit(f"evaluation: {error}")

"""Runs a scorer over a corpus, a row at a time, and adds up what it earned."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from detectors.evaluation.corpus import Series
from detectors.evaluation.nab import PROFILES, Floats, Profile, Tally, best_threshold, scale, tally
from detectors.series import SeriesScorer


@dataclass(frozen=True, slots=True)
class Verdict:
    """One profile's outcome. `points` are on the scale of 100; `tallies` are aligned with the series."""

    profile: Profile
    threshold: float
    points: float
    tallies: Sequence[Tally]


def run(scorer: SeriesScorer, series: Series) -> Floats:
    """The score of each row, given before the next one is shown."""
    times_s, values = series.times_s.tolist(), series.values.tolist()
    return np.asarray([scorer.score(time_s, value) for time_s, value in zip(times_s, values, strict=True)])


def run_all(new: Callable[[], SeriesScorer], corpus: Iterable[Series]) -> Iterator[Floats]:
    """The scores of each series in turn, each by a new scorer with the same settings."""
    for series in corpus:
        yield run(new(), series)


def judge(
    corpus: Sequence[Series], scores: Sequence[Floats], threshold: float | None = None
) -> list[Verdict]:
    """What each profile says, at `threshold` or else at the one that suits it best over the whole corpus."""
    labels = [series.labels for series in corpus]
    verdicts = []
    for profile in PROFILES:
        at = best_threshold(labels, scores, profile) if threshold is None else threshold
        tallies = [tally(one, rows, at, profile) for one, rows in zip(labels, scores, strict=True)]
        points = scale(sum(each.score for each in tallies), labels, profile)
        verdicts.append(Verdict(profile, at, points, tallies))
    return verdicts


def group_points(corpus: Sequence[Series], verdict: Verdict) -> dict[str, float]:
    """Each group on a scale of 100 of its own, at the verdict's threshold; NaN without a window."""
    points = {}
    for group in sorted({series.group for series in corpus}):
        inside = [index for index, series in enumerate(corpus) if series.group == group]
        total = sum(verdict.tallies[index].score for index in inside)
        points[group] = scale(total, [corpus[index].labels for index in inside], verdict.profile)
    return points


def total_line(verdicts: Iterable[Verdict]) -> str:
    """`standard 68.6 · low-FP 66.2 · low-FN 71.9`"""
    return " · ".join(f"{verdict.profile.name} {verdict.points:.1f}" for verdict in verdicts)


def report(corpus: Sequence[Series], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """All of it for machines: NaN and an infinite threshold are null."""
    return {
        "points": {one.profile.name: _finite(one.points) for one in verdicts},
        "thresholds": {one.profile.name: _finite(one.threshold) for one in verdicts},
        "groups": {
            one.profile.name: {group: _finite(points) for group, points in group_points(corpus, one).items()}
            for one in verdicts
        },
        "series": [
            {"name": series.name, "rows": len(series.values)}
            | {one.profile.name: asdict(one.tallies[index]) for one in verdicts}
            for index, series in enumerate(corpus)
        ],
    }


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None

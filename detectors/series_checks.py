"""What every scorer of a series must hold to, as checks that any implementation can be run through.

    from detectors.series_checks import check_series_scorer
    check_series_scorer(MyScorer)

Each check raises AssertionError with one sentence.
"""

import math
import pickletools
from collections.abc import Callable
from typing import Final

import numpy as np

from detectors.series import SeriesScorer

DAY_S: Final = 86_400
STEP_S: Final = 300
Readings = list[tuple[float, float]]
ODD: Final = (math.nan, math.inf, -math.inf, 0.0, -1e9, 1e300, -1e300, 5e-324)


def check_series_scorer(new: Callable[[], SeriesScorer]) -> None:
    """Run what `new` makes through all checks."""
    for check in (
        check_scores,
        check_deterministic,
        check_no_future,
        check_resumes,
        check_state_is_plain,
        check_bounded,
        check_odd_readings,
    ):
        check(new)


def readings(days: int = 5, seed: int = 1) -> Readings:
    """A daily season with noise, and a peak on the fourth day."""
    random = np.random.default_rng(seed)
    times_s = np.arange(0, days * DAY_S, STEP_S, dtype=float)
    values = 20 + 10 * np.sin(2 * np.pi * times_s / DAY_S) + random.normal(0, 1, len(times_s))
    values[4 * DAY_S // STEP_S : 4 * DAY_S // STEP_S + 6] += 60
    return list(zip(times_s.tolist(), values.tolist(), strict=True))


def check_scores(new: Callable[[], SeriesScorer]) -> None:
    """Scores are numbers from 0 to 1."""
    scores = _scores(new(), readings())
    for score in scores:
        _require(isinstance(score, float) and 0 <= score <= 1, f"{score!r} is no score from 0 to 1")


def check_deterministic(new: Callable[[], SeriesScorer]) -> None:
    """The same readings give the same scores, in a fresh instance."""
    _require(_scores(new(), readings()) == _scores(new(), readings()), "the same readings gave other scores")


def check_no_future(new: Callable[[], SeriesScorer]) -> None:
    """Readings that differ only later give the same scores until then."""
    one, other = readings(), readings()[:1000] + [(time_s, 99.0) for time_s, _ in readings()[1000:]]
    same = _scores(new(), one)[:1000] == _scores(new(), other)[:1000]
    _require(same, "scores depend on readings that come later")


def check_resumes(new: Callable[[], SeriesScorer]) -> None:
    """Saved and loaded half-way, it goes on as if nothing had happened; also before any reading."""
    through = _scores(new(), readings())
    for cut in (0, 1, 700):
        before, after = new(), new()
        _scores(before, readings()[:cut])
        after.load(before.save())
        _require(_scores(after, readings()[cut:]) == through[cut:], "scores differ after save and load")


def check_state_is_plain(new: Callable[[], SeriesScorer]) -> None:
    """`save` gives bytes, and no pickle."""
    scorer = new()
    _scores(scorer, readings())
    state = scorer.save()
    _require(type(state) is bytes, f"save() gave {type(state).__name__}, not bytes")
    try:
        *_, (_, _, position) = pickletools.genops(state)
    except ValueError:
        return
    _require(position != len(state) - 1, "save() gave a pickle: loading one can run any code")


def check_bounded(new: Callable[[], SeriesScorer]) -> None:
    """However many readings of ever new values, what is saved stays within 256 KiB."""
    scorer = new()
    random = np.random.default_rng(3)
    for index, value in enumerate(np.cumsum(random.normal(0, 1, 20_000)).tolist()):
        scorer.score(index * 60.0, value)
    size = len(scorer.save())
    _require(size <= 256 * 1024, f"save() gave {size} bytes after 20,000 readings")


def check_odd_readings(new: Callable[[], SeriesScorer]) -> None:
    """Odd values, repeated times, steps back and gaps raise nothing, and a peak is still seen after them."""
    plain = new()
    best = max(_scores(plain, readings())[4 * DAY_S // STEP_S :])
    for odd in ODD:
        scorer = new()
        spoilt = list(readings())
        for place in (0, 300, 301, 800):
            spoilt[place] = (spoilt[place][0], odd)
        spoilt[500] = (spoilt[499][0], spoilt[500][1])  # a repeated time
        spoilt[600] = (spoilt[600][0] - 7200, spoilt[600][1])  # a step back
        del spoilt[850:900]  # a gap of four hours
        scores = _scores(scorer, spoilt)
        sound = all(isinstance(score, float) and 0 <= score <= 1 for score in scores)
        _require(sound, f"with {odd} among the readings a score is no number from 0 to 1")
        seen = max(scores[4 * DAY_S // STEP_S - 50 :])
        _require(seen >= best / 2, f"after {odd} among the readings a peak scores {seen}, not {best}")


def _scores(scorer: SeriesScorer, series: Readings) -> list[float]:
    return [scorer.score(time_s, value) for time_s, value in series]


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)

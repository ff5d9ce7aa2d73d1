"""Made-up views for tests and demonstrations: daily season, noise and planted events, from one seed.

The baseline is not learnt but known from the formula behind the series, so a test of a detector
depends on the detector alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np

from detectors.contract import BUCKET_S, RECENT_BUCKETS, WINDOWS_S, Floats, Ints, View

START_S: Final = int(datetime(2026, 1, 10, tzinfo=UTC).timestamp())
DAY_S: Final = 86_400
BASELINE_KINDS: Final = {"none": 0, "day": 1, "hour": 3}


@dataclass(frozen=True, slots=True)
class Event:
    """From `start_s` to before `end_s` (seconds after START_S, steps of 10), the scopes whose indices are
    given (None: all) spend `factor` times as much, and then `add_usd_per_hour` more."""

    start_s: int
    end_s: int
    factor: float = 1.0
    add_usd_per_hour: float = 0.0
    scopes: tuple[int, ...] | None = None


def synthetic_views(
    *,
    seed: int = 0,
    scopes: int = 5,
    level_usd_per_hour: tuple[float, float] = (2.0, 200.0),
    season: float = 0.4,
    noise: float = 0.2,
    sample_s: int = 10,
    late_s: int = 0,
    history_s: int = DAY_S,
    duration_s: int = 3600,
    every_s: int = BUCKET_S,
    baseline: Literal["none", "day", "hour"] = "hour",
    budget_ratio: float | None = 1.25,
    events: Sequence[Event] = (),
) -> Iterator[View]:
    """Views at START_S + every_s, + 2 every_s, ... up to and including START_S + duration_s.

    The mean rates of the scopes are spaced evenly in logarithm over `level_usd_per_hour`. Each follows a
    sine of a day with relative amplitude `season` and a phase of its own, times gamma noise with mean 1 and
    relative deviation `noise` that is constant over a sample of `sample_s` seconds (a multiple of 10). A
    sample shows up `late_s` after its end; until then its buckets are zero, as they are in production.

    `baseline` "hour" knows the season, "day" only the level, with a spread as wide as the season.
    `budget_ratio` is the budget as a multiple of a month at that level. Scopes are first seen `history_s`
    before START_S. Arrays are read-only.
    """
    world = _World(
        seed=seed,
        scopes=scopes,
        level_usd_per_hour=level_usd_per_hour,
        season=season,
        noise=noise,
        sample_s=sample_s,
        history_s=history_s,
        duration_s=duration_s,
        baseline=baseline,
        budget_ratio=budget_ratio,
        events=events,
    )
    for time_s in range(START_S + every_s, START_S + duration_s + 1, every_s):
        yield freeze(world.view(time_s, late_s))


def pick(view: View, rows: Sequence[int] | Ints) -> View:
    """The same view with only these scopes, in this order."""
    index = np.asarray(rows, dtype=np.int64)
    changed: dict[str, Any] = {"scopes": [view.scopes[i] for i in index]}
    for name, column in columns(view):
        by_window = isinstance(column, dict)
        changed[name] = {w: values[index] for w, values in column.items()} if by_window else column[index]
    return freeze(replace(view, **changed))


def columns(view: View) -> list[tuple[str, Any]]:
    """The fields that hold a value a scope: arrays, and dictionaries of arrays by window."""
    values = ((field.name, getattr(view, field.name)) for field in fields(view))
    return [(name, value) for name, value in values if isinstance(value, np.ndarray | dict)]


def arrays(view: View) -> list[tuple[str, Any]]:
    """Every array of the view with its name."""
    found: list[tuple[str, Any]] = []
    for name, column in columns(view):
        if isinstance(column, dict):
            found += [(f"{name}[{window_s}]", values) for window_s, values in column.items()]
        else:
            found.append((name, column))
    return found


def freeze(view: View) -> View:
    for _, values in arrays(view):
        values.setflags(write=False)
    return view


class _World:
    """The whole series of all scopes, first seen to last, and the formula behind it."""

    def __init__(
        self,
        *,
        seed: int,
        scopes: int,
        level_usd_per_hour: tuple[float, float],
        season: float,
        noise: float,
        sample_s: int,
        history_s: int,
        duration_s: int,
        baseline: str,
        budget_ratio: float | None,
        events: Sequence[Event],
    ) -> None:
        random = np.random.default_rng(seed)
        self.names = [f"service=shop/s{i}" for i in range(scopes)]
        self.level = np.geomspace(*level_usd_per_hour, scopes)
        self.phase = random.uniform(0, 2 * np.pi, scopes)
        self.season, self.noise, self.sample_s = season, noise, sample_s
        self.kind = BASELINE_KINDS[baseline]
        self.budget_ratio = np.nan if budget_ratio is None else budget_ratio
        self.first_s = START_S - -(-history_s // sample_s) * sample_s
        samples = -(-(START_S + duration_s - self.first_s) // sample_s)
        a_sample = sample_s // BUCKET_S
        middle_s = self.first_s + BUCKET_S * (np.arange(samples * a_sample) + 0.5)
        rates = self.level[:, np.newaxis] * (
            1 + season * np.sin(2 * np.pi * middle_s / DAY_S + self.phase[:, np.newaxis])
        )
        if noise:
            rates *= random.gamma(noise**-2, noise**2, (scopes, samples)).repeat(a_sample, axis=1)
        for event in events:
            rows = list(range(scopes) if event.scopes is None else event.scopes)
            span = slice(*((START_S + s - self.first_s) // BUCKET_S for s in (event.start_s, event.end_s)))
            rates[rows, span] = rates[rows, span] * event.factor + event.add_usd_per_hour
        # A sample knows only its own total: what happens inside is spread evenly over it.
        rates = rates.reshape(scopes, samples, a_sample).mean(axis=2).repeat(a_sample, axis=1)
        rates.setflags(write=False)
        self.rates = rates
        nothing = np.zeros((scopes, 1))
        self.spent_usd = np.concatenate([nothing, rates.cumsum(axis=1)], axis=1) * BUCKET_S / 3600

    def view(self, time_s: int, late_s: int) -> View:
        visible = ((time_s - late_s - self.first_s) // self.sample_s) * (self.sample_s // BUCKET_S)
        now = (time_s - self.first_s) // BUCKET_S
        spent = self.spent_usd[:, min(visible, now)]
        recent = self.rates[:, now - RECENT_BUCKETS : now]
        if visible < now:
            recent = recent.copy()
            recent[:, max(visible - now + RECENT_BUCKETS, 0) :] = 0
        unknown = np.full(len(self.names), np.nan)
        burn, expected = {}, {}
        for window_s in WINDOWS_S:
            start = now - window_s // BUCKET_S
            before = self.spent_usd[:, min(start, visible)] if start >= 0 else unknown
            burn[window_s] = (spent - before) / (window_s / 3600)
            expected[window_s] = self._expected(time_s - window_s, time_s) / (window_s / 3600)
        normal = expected[WINDOWS_S[0]]
        month_start_s, month_end_s = _month(time_s)
        left_s = month_end_s - time_s
        to_date = spent - self.spent_usd[:, max(0, (month_start_s - self.first_s) // BUCKET_S)]
        to_date = to_date + self._planned(month_start_s, max(self.first_s, month_start_s))
        day_s = min(DAY_S, left_s)
        more = burn[3600] - self._planned(time_s - 3600, time_s)
        return View(
            time_s=time_s,
            scopes=self.names,
            recent_usd_per_hour=recent,
            burn_usd_per_hour=burn,
            expected_usd_per_hour=expected,
            baseline_usd_per_hour=normal.copy(),
            spread_usd_per_hour=self._spread(normal, WINDOWS_S[0]),
            bucket_spread_usd_per_hour=self._spread(normal, self.sample_s),
            baseline_kind=np.full(len(self.names), self.kind),
            budget_usd=self.budget_ratio * self.level * (month_end_s - month_start_s) / 3600,
            month_to_date_usd=to_date,
            projection_usd=to_date + burn[DAY_S] * left_s / 3600,
            projection_day_usd=to_date + self._planned(time_s, month_end_s) + more * day_s / 3600,
            month_s=month_end_s - month_start_s,
            month_elapsed_s=time_s - month_start_s,
        )

    def _planned(self, start_s: int, end_s: int) -> Floats:
        """The dollars that level and season make from start to end: the integral of the formula."""
        turn_s = DAY_S / (2 * np.pi)
        season = 0.0 if self.kind == BASELINE_KINDS["day"] else self.season
        swing = np.cos(start_s / turn_s + self.phase) - np.cos(end_s / turn_s + self.phase)
        planned: Floats = self.level * (end_s - start_s + season * turn_s * swing) / 3600
        return planned

    def _expected(self, start_s: int, end_s: int) -> Floats:
        return self._planned(start_s, end_s) if self.kind else np.full(len(self.level), np.nan)

    def _spread(self, normal: Floats, mean_s: int) -> Floats:
        """Deviation of a mean over `mean_s`: noise averages out with the samples, the season does not."""
        noise = self.noise * np.sqrt(self.sample_s / max(mean_s, self.sample_s))
        unseen = self.season / np.sqrt(2) if self.kind == BASELINE_KINDS["day"] else 0.0
        spread: Floats = np.abs(normal) * np.hypot(noise, unseen)
        return spread


def _month(time_s: int) -> tuple[int, int]:
    """Start and end of the calendar month (UTC) that the bucket ending at `time_s` lies in."""
    start = datetime.fromtimestamp(time_s - 1, UTC).replace(day=1, hour=0, minute=0, second=0)
    end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return int(start.timestamp()), int(end.timestamp())

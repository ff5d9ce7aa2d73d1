"""Made-up views for tests and demonstrations: daily season, noise and planted events, from one seed.

The baseline is not learnt but known from the formula behind the series, so a test of a detector
depends on the detector alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np

from detectors.contract import BUCKET_S, Drivers, Ints, View
from detectors.world import DAY_S, START_S, Event, World

__all__ = ["START_S", "Event", "arrays", "columns", "freeze", "pick", "synthetic_views"]


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
    last_forbidden: bool = False,
) -> Iterator[View]:
    """Views at START_S + every_s, + 2 every_s, ... up to and including START_S + duration_s.

    The mean rates of the scopes are spaced evenly in logarithm over `level_usd_per_hour`. Each follows a
    sine of a day with relative amplitude `season` and a phase of its own, times gamma noise with mean 1 and
    relative deviation `noise` that is constant over a sample of `sample_s` seconds (a multiple of 10). A
    sample shows up `late_s` after its end; until then its buckets are zero, as they are in production.

    Of what a scope spends, 70 % buys `pod_hours` at $0.05, the rest `egress_bytes` at $0.09 a GB.

    `baseline` "hour" knows the season, "day" only the level, with a spread as wide as the season.
    `budget_ratio` is the budget as a multiple of a month at that level. Scopes are first seen `history_s`
    before START_S. With `last_forbidden` what the last scope spends has always been against a rule. Arrays
    are read-only.
    """
    world = World(
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
        last_forbidden=last_forbidden,
    )
    for time_s in range(START_S + every_s, START_S + duration_s + 1, every_s):
        minute, hour = (time_s // width_s != (time_s - every_s) // width_s for width_s in (60, 3600))
        yield freeze(world.view(time_s, late_s, drivers=minute, days=hour))


def pick(view: View, rows: Sequence[int] | Ints) -> View:
    """The same view with only these scopes, in this order."""
    index = np.asarray(rows, dtype=np.int64)
    changed: dict[str, Any] = {"scopes": [view.scopes[i] for i in index], "drivers": _picked(view, index)}
    for name, column in columns(view):
        by_window = isinstance(column, dict)
        changed[name] = {w: values[index] for w, values in column.items()} if by_window else column[index]
    return freeze(replace(view, **changed))


def _picked(view: View, index: Ints) -> Drivers:
    """The drivers of these scopes, in their order."""
    drivers = view.drivers
    place = np.full(len(view.scopes), -1)
    place[index] = np.arange(len(index))
    rows = np.flatnonzero(place[drivers.scope] >= 0)
    rows = rows[np.argsort(place[drivers.scope[rows]], kind="stable")]
    changed: dict[str, Any] = {
        name: {w: values[rows] for w, values in column.items()} if isinstance(column, dict) else column[rows]
        for name, column in columns(drivers)
    }
    return replace(drivers, **(changed | {"scope": place[drivers.scope[rows]]}))


def columns(view: View | Drivers) -> list[tuple[str, Any]]:
    """The fields that hold a value a scope (or a row): arrays, and dictionaries of arrays by window."""
    values = ((field.name, getattr(view, field.name)) for field in fields(view))
    return [(name, value) for name, value in values if isinstance(value, np.ndarray | dict)]


def arrays(view: View) -> list[tuple[str, Any]]:
    """Every array of the view with its name, those of its drivers last."""
    found: list[tuple[str, Any]] = []
    of_drivers = [(f"drivers.{name}", column) for name, column in columns(view.drivers)]
    for name, column in [*columns(view), *of_drivers]:
        if isinstance(column, dict):
            found += [(f"{name}[{window_s}]", values) for window_s, values in column.items()]
        else:
            found.append((name, column))
    return found


def freeze(view: View) -> View:
    for _, values in arrays(view):
        values.setflags(write=False)
    return view

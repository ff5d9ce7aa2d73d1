"""A scope with nothing special about it, to change one thing at a time."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.contract import WINDOWS_S, View
from detectors.views import freeze, synthetic_views

JANUARY_H = 31 * 24


def steady(
    *,
    usd_per_hour: float = 10.0,
    burn: Mapping[int, float] | float | None = None,
    expected: Mapping[int, float] | float | None = None,
    **columns: float,
) -> View:
    """One scope that has always spent `usd_per_hour`, on 2026-01-10; its budget is just that for January.

    `burn` and `expected` replace all or some windows, other columns of the view by their names.
    """
    [view] = synthetic_views(
        scopes=1, level_usd_per_hour=(usd_per_hour,) * 2, noise=0, season=0, duration_s=10, budget_ratio=1
    )
    changed: dict[str, Any] = {
        name: np.full_like(getattr(view, name), value) for name, value in columns.items()
    }
    for name, values in {"burn_usd_per_hour": burn, "expected_usd_per_hour": expected}.items():
        by_window = dict.fromkeys(WINDOWS_S, values) if isinstance(values, float) else values or {}
        new = {window_s: np.array([value]) for window_s, value in by_window.items()}
        changed[name] = getattr(view, name) | new
    return freeze(replace(view, **changed))

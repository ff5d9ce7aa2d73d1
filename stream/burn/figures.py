"""What is known of one scope at one closed bucket: the row behind every panel, page and API answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream.burn.baseline import KINDS
from stream.burn.month import exhaustion_s
from stream.burn.sources import Interim
from stream.burn.view import Look
from stream.burn.windows import Windows

Floats = NDArray[np.float64]
K = TypeVar("K")

HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Figures:
    """One scope at `time_s` (UTC, epoch seconds; everything up to then is in).

    Rates are US dollars per hour. None means "not known" (no baseline yet, no budget set, or a window
    older than the scope). `burn_usd_per_hour` maps the window in seconds to the rate over it, and
    `interim_usd_per_hour` to the part of it that nobody has metered: the last rate of silent sources, carried
    forward. No total holds that part.
    `calibration` is the dollars-weighted factor in the last hour's cost (1.0: none applied).
    `scores` maps a detector's name to its latest score (1 is its threshold), NaN left out.
    """

    scope: str
    time_s: int
    total_nusd: int
    burn_usd_per_hour: dict[int, float]
    baseline_usd_per_hour: float | None
    spread_usd_per_hour: float | None
    baseline_kind: str
    budget_usd: float | None
    month_to_date_nusd: int
    projection_usd: float | None
    projection_low_usd: float | None
    projection_high_usd: float | None
    budget_exhaustion_s: int | None
    calibration: float
    scores: dict[str, float]
    interim_usd_per_hour: dict[int, float] = field(default_factory=dict)


def figures_of(
    look: Look, scores: Mapping[str, Floats], windows: Windows, interim: Interim, some: slice = slice(None)
) -> Iterator[Figures]:
    """The figures of some scopes, in order. Column by column: 10,000 scopes are asked for every 10 s."""
    view, projection = look.view, look.projection
    columns = zip(
        view.scopes[some],
        windows.scopes.total_nusd[: len(view.scopes)][some].tolist(),
        _rows(view.burn_usd_per_hour, len(view.scopes), some),
        _known(view.baseline_usd_per_hour[some]),
        _known(view.spread_usd_per_hour[some]),
        view.baseline_kind[some].tolist(),
        _known(view.budget_usd[some]),
        look.month_nusd[some].tolist(),
        view.month_to_date_usd[some].tolist(),
        _known(projection.usd[some]),
        _known(projection.low_usd[some]),
        _known(projection.high_usd[some]),
        projection.rate_usd_per_hour[some].tolist(),
        _rows(scores, len(view.scopes), some),
        strict=True,
    )
    time_s, end_s = view.time_s, look.month.end_s
    for (
        scope, total_nusd, burn, baseline, spread, kind, budget, month_nusd, month_usd, usd, low, high,
        rate, told,
    ) in columns:  # fmt: skip
        yield Figures(
            scope=scope,
            time_s=time_s,
            total_nusd=total_nusd,
            burn_usd_per_hour=_with(burn, interim.get(scope)),
            baseline_usd_per_hour=baseline,
            spread_usd_per_hour=spread,
            baseline_kind=KINDS[kind],
            budget_usd=budget,
            month_to_date_nusd=month_nusd,
            projection_usd=usd,
            projection_low_usd=low,
            projection_high_usd=high,
            budget_exhaustion_s=None
            if budget is None
            else exhaustion_s(time_s, budget, month_usd, rate, end_s),
            calibration=windows.calibration(scope, time_s - HOUR_S, time_s),
            scores=told,
            interim_usd_per_hour=interim.get(scope, {}),
        )


def _with(burn: dict[int, float], interim: dict[int, float] | None) -> dict[int, float]:
    if interim is None:
        return burn
    return {window_s: rate + interim.get(window_s, 0.0) for window_s, rate in burn.items()}


def _known(column: Floats) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 (NaN)


def _rows(columns: Mapping[K, Floats], size: int, some: slice) -> list[dict[K, float]]:
    """Some scopes' values of every column that has one; a scope may be younger than the column."""
    count = len(range(size)[some])
    if not columns:
        return [{} for _ in range(count)]
    table = np.full((count, len(columns)), np.nan)
    for number, column in enumerate(columns.values()):
        known = column[:size][some]
        table[: len(known), number] = known
    keys = tuple(columns)
    return [
        {key: value for key, value in zip(keys, row, strict=True) if value == value}  # noqa: PLR0124 (NaN)
        for row in table.tolist()
    ]

"""What is known of one scope at one closed bucket: the row behind every panel, page and API answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """One scope at `time_s` (UTC, epoch seconds; everything up to then is in).

    Rates are US dollars per hour. None means "not known" (no baseline yet, no budget set, or a window
    older than the scope). `burn_usd_per_hour` maps the window in seconds to the rate over it.
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

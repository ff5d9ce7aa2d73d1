"""`ratio`: shares of the total that are too large or too small go into the digest."""

from dataclasses import replace

import numpy as np
import pytest

from detectors.contract import DAYS, DIGEST, HOURS, NONE, Drivers, View
from detectors.ratio import TIERS, Ratio, RatioParams
from detectors.views import freeze, synthetic_views


def view_of(unmapped: float = 0, idle: float = 0, hours: int = HOURS, **drivers: float) -> View:
    """A total of the given dollars an hour by driver, known for so many whole hours."""
    [view] = synthetic_views(scopes=1, duration_s=10)
    rates = np.array(list(drivers.values()))
    hourly = np.tile(rates[:, None], (1, HOURS))
    unknown = np.where(np.arange(HOURS) < HOURS - hours, np.nan, 1.0)
    nothing = np.zeros(len(rates), np.int64)
    told = Drivers(
        names=tuple(drivers), scope=nothing, driver=np.arange(len(rates)),
        minutes=np.zeros((len(rates), 120), np.float32), hours=hourly * unknown, hours_usd=hourly,
        burn_usd_per_hour={300: rates, 3600: rates},
        days_usd=np.full((len(rates), DAYS), np.nan), same_hour_usd=np.full((len(rates), DAYS), np.nan),
    )  # fmt: skip
    return freeze(
        replace(
            view,
            scopes=("total",),
            drivers=told,
            unmapped_usd_per_hour=np.array([float(unmapped)]),
            idle_usd_per_hour=np.array([float(idle)]),
        )
    )


def judge(view: View, **params: object) -> tuple[float, int, str]:
    scores = Ratio(RatioParams.model_validate(params)).observe(view)
    return round(float(scores.score[0]), 3), int(scores.severity[0]), TIERS[scores.tier[0]]


def test_all_is_well() -> None:
    assert judge(view_of(pod_hours=900, egress_bytes=50, log_bytes=80, unmapped=20, idle=50))[1] == NONE


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (view_of(pod_hours=900, log_bytes=100, unmapped=100), (2.0, DIGEST, "unmapped")),
        (view_of(pod_hours=900, log_bytes=100, idle=150), (1.5, DIGEST, "idle")),
        (view_of(pod_hours=700, log_bytes=100, egress_bytes=200), (2.0, DIGEST, "egress")),
        (view_of(pod_hours=600, log_bytes=200, metric_samples=100), (2.222, DIGEST, "observability")),
        (view_of(pod_hours=980, log_bytes=20), (2.5, DIGEST, "observability")),
    ],
)
def test_each_share_beyond_its_bounds(view: View, told: tuple[float, int, str]) -> None:
    assert judge(view) == told


def test_observability_that_is_not_metered_at_all_is_not_missed() -> None:
    assert judge(view_of(pod_hours=1000))[1] == NONE


def test_a_share_of_a_few_cents_is_below_the_floor() -> None:
    assert judge(view_of(pod_hours=0.9, log_bytes=0.1, unmapped=0.5))[1] == NONE
    assert judge(view_of(pod_hours=18, log_bytes=2, unmapped=1.9))[1] == NONE
    assert judge(view_of(pod_hours=18, log_bytes=2, unmapped=2.1))[1] == DIGEST


def test_no_opinion_before_a_whole_day_and_of_other_scopes() -> None:
    young = view_of(pod_hours=900, log_bytes=100, unmapped=500, hours=HOURS - 1)
    assert np.isnan(judge(young)[0])
    other = replace(view_of(pod_hours=900, log_bytes=100, unmapped=500), scopes=("team=pay",))
    assert np.isnan(judge(other)[0])
    assert judge(other, scopes=["team=*"])[1] == DIGEST


def test_bounds_are_settings() -> None:
    view = view_of(pod_hours=600, log_bytes=200, metric_samples=200, requests=0)
    assert judge(view, observability=0.5)[1] == NONE
    assert judge(view, observability_drivers=["log_*"], observability=0.1)[2] == "observability"


def test_the_reason_tells_the_share() -> None:
    detector = Ratio(RatioParams())
    view = view_of(pod_hours=980, log_bytes=20)
    assert detector.reason(view, detector.observe(view), 0) == (
        "$480.00 of the $24,000.00 of the last 24 h, 2.0%, is logs, metrics and traces; at least 5% is"
        " wanted."
    )

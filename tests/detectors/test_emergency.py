"""`emergency`: a day at 3 times normal, or one that takes the month 20 % over its budget."""

from dataclasses import replace

import numpy as np
import pytest

from detectors.contract import NONE, PAGE, View
from detectors.emergency import Emergency, EmergencyParams
from tests.detectors.steady import JANUARY_H, steady

BUDGET_USD = 10.0 * JANUARY_H  # $7,440, spent evenly


def judge(view: View, **params: float) -> tuple[float, int, str]:
    scores = Emergency(EmergencyParams.model_validate(params)).observe(view)
    return float(scores.score[0]), int(scores.severity[0]), scores.tiers[scores.tier[0]]


def planned(hour_usd_per_hour: float, **changes: float) -> View:
    """The last hour at that rate; the month's total if the next 24 h go on so, the rest as planned."""
    total = BUDGET_USD + 24 * (hour_usd_per_hour - 10.0)
    burn = {300: hour_usd_per_hour, 3600: hour_usd_per_hour}
    return steady(burn=burn, projection_day_usd=total, **changes)


@pytest.mark.parametrize(
    ("hour", "day", "severity"),
    [(30.0, 30.0, PAGE), (90.0, 29.9, NONE), (29.9, 90.0, NONE), (10.0, 10.0, NONE)],
    ids=["both", "not for a day", "over already", "normal"],
)
def test_a_day_at_3_times_the_baseline_that_goes_on(hour: float, day: float, severity: int) -> None:
    score, told, tier = judge(steady(burn={3600: hour, 86400: day}))
    assert told == severity
    assert tier == "day" if told else score < 1


def test_the_first_day_has_no_opinion_on_the_day() -> None:
    assert np.isnan(judge(steady(burn={3600: 900.0, 86400: np.nan}, budget_usd=np.nan))[0])
    assert np.isnan(judge(steady(burn=900.0, expected=np.nan, budget_usd=np.nan))[0])


def test_one_more_day_that_takes_the_month_20_percent_over_budget() -> None:
    # 0.2 × 7440 = $1,488 = 24 h × $62/h: it begins at $72/h.
    assert judge(planned(72.01))[1:] == (PAGE, "month")
    assert judge(planned(71.99))[1] == NONE
    assert judge(planned(71.99))[0] == pytest.approx(1, abs=1e-3)


def test_a_plan_over_the_budget_is_no_emergency_but_a_runaway_on_top_is() -> None:
    twice = {"budget_usd": BUDGET_USD / 2}  # the plan alone is 100 % over
    assert judge(planned(10.0, **twice))[1] == NONE
    # 0.2 × 3720 = $744 more than the plan: 24 h × $31/h.
    assert judge(planned(40.9, **twice))[1] == NONE
    assert judge(planned(41.1, **twice))[1] == PAGE


def test_a_nightly_batch_is_no_emergency_whatever_the_plan() -> None:
    """All of a day's $240 in this one hour, as every night."""
    batch = {300: 240.0, 3600: 240.0}
    for budget_usd in (BUDGET_USD, BUDGET_USD / 1.3, BUDGET_USD / 2):
        night = steady(burn=batch, expected=batch, budget_usd=budget_usd, projection_day_usd=BUDGET_USD)
        assert judge(night)[1] == NONE


def test_without_a_baseline_the_even_rate_is_the_plan() -> None:
    view = planned(72.01)
    unlearnt = steady(
        burn={300: 72.01, 3600: 72.01}, expected=np.nan, projection_day_usd=float(view.projection_day_usd[0])
    )
    assert judge(unlearnt)[1:] == (PAGE, "month")


def test_at_the_end_of_a_month_that_was_over_nothing_more_can_happen() -> None:
    over = steady(burn={300: 500.0, 3600: 500.0}, projection_day_usd=3 * BUDGET_USD)
    assert judge(over)[1:] == (PAGE, "month")
    assert judge(replace(over, month_elapsed_s=over.month_s))[1] == NONE


def test_40_cents_an_hour_are_no_emergency() -> None:
    # Three times nothing over the day, and 24 × $0.40 = $9.60 on a budget of $5.
    tiny = steady(burn=0.41, expected=0.01, budget_usd=5.0, projection_day_usd=5.0 + 9.6)
    assert judge(tiny)[1] == NONE
    assert judge(tiny, floor_usd_per_hour=0.1)[1] == PAGE


def test_scaling_to_zero_is_none() -> None:
    assert judge(steady(burn=0.0, projection_day_usd=BUDGET_USD - 240))[1] == NONE


def test_the_reasons_tell_the_dollars() -> None:
    detector = Emergency(EmergencyParams())
    day = steady(burn={3600: 50.0, 86400: 40.0})
    assert detector.reason(day, detector.observe(day), 0) == (
        "Spent $960.00 in 24 h, where $240.00 is normal (limit 3 times), and goes on at $50.00/h."
    )
    month = planned(110.0)
    assert detector.reason(month, detector.observe(month), 0) == (
        "One more day at the last hour's $110.00/h takes the month to $9,840.00,"
        " where the budget is $7,440.00 (limit 20% over it)."
    )

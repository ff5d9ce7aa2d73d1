"""`burn-vs-budget`: the SRE tiers on the excess, in multiples of the budget's even rate."""

import numpy as np
import pytest

from detectors.burn_vs_budget import BurnVsBudget, BurnVsBudgetParams
from detectors.contract import NONE, PAGE, TICKET, Scores, View
from tests.detectors.steady import JANUARY_H, steady

# $7,440 for January is an even rate of 7440 / 744 = $10/h, which is just what `steady` spends.
BUDGET_USD = 10.0 * JANUARY_H
QUIET = {300: 10.0, 1800: 10.0, 3600: 10.0, 7200: 10.0, 21600: 10.0, 86400: 10.0}


def judge(view: View, **params: float) -> tuple[float, int, str]:
    scores = observe(view, **params)
    return float(scores.score[0]), int(scores.severity[0]), scores.tiers[scores.tier[0]]


def observe(view: View, **params: float) -> Scores:
    return BurnVsBudget(BurnVsBudgetParams.model_validate(params)).observe(view)


@pytest.mark.parametrize(
    ("tier", "severity", "short_s", "long_s", "threshold"),
    [
        ("fast", PAGE, 300, 3600, 154.0),  # 10 + 14.4 × 10
        ("medium", PAGE, 1800, 21600, 70.0),  # 10 + 6 × 10
        ("slow", TICKET, 7200, 86400, 40.0),  # 10 + 3 × 10
    ],
)
def test_a_tier_begins_at_its_factor_of_excess_in_both_windows(
    tier: str, severity: int, short_s: int, long_s: int, threshold: float
) -> None:
    at = observe(steady(burn=QUIET | {short_s: threshold + 0.001, long_s: threshold + 0.001}))
    assert (at.severity[0], at.tiers[at.tier[0]], at.window_s[0]) == (severity, tier, long_s)
    assert at.score[0] == pytest.approx(1.0, abs=1e-4)
    for below in (short_s, long_s):
        burn = QUIET | {short_s: 2 * threshold, long_s: 2 * threshold, below: threshold - 0.01}
        assert judge(steady(burn=burn))[1] == NONE


def test_spending_the_plan_is_no_excess() -> None:
    # An error budget is normally unspent; this one runs at 1x all day.
    assert judge(steady())[1] == NONE
    # Ten times the even rate, but the nightly batch does that every night.
    assert judge(steady(burn=200.0, expected=200.0, projection_usd=BUDGET_USD))[1] == NONE


def test_without_a_baseline_the_even_rate_is_what_is_expected_and_the_reason_says_so() -> None:
    view = steady(burn=154.001, expected=np.nan)
    assert judge(view)[1:] == (PAGE, "fast")
    assert judge(steady(burn=153.9, expected=np.nan, projection_usd=np.nan))[2] != "fast"
    detector = BurnVsBudget(BurnVsBudgetParams())
    assert "beyond the budget's even rate (there is no baseline yet)" in detector.reason(
        view, observe(view), 0
    )


def test_a_scope_younger_than_the_window_has_spent_at_least_what_is_known() -> None:
    # 20 min old: the 5 min known, at $1,860/h, make 1860 × 300 / 3600 = $155/h over the hour at least.
    young = dict.fromkeys((1800, 3600, 7200, 21600, 86400), np.nan)
    assert judge(steady(burn=young | {300: 1860.0}, expected=np.nan))[1:] == (PAGE, "fast")
    assert judge(steady(burn=young | {300: 1800.0}, expected=np.nan))[1] == NONE
    assert np.isnan(judge(steady(burn=young | {300: np.nan}))[0])


@pytest.mark.parametrize(
    ("burn_24h", "projection_usd", "severity"),
    [
        (10.001, BUDGET_USD + 745, TICKET),
        (9.99, BUDGET_USD + 745, NONE),  # the day keeps to the plan
        (10.001, BUDGET_USD, NONE),  # the month will fit
        (10.001, BUDGET_USD + 743, NONE),  # over by less than $1/h × 744 h
        (10.001, np.nan, NONE),
    ],
)
def test_the_1x_tier_needs_a_projection_over_the_budget(
    burn_24h: float, projection_usd: float, severity: int
) -> None:
    view = steady(burn=QUIET | {86400: burn_24h}, projection_usd=projection_usd)
    score, told, tier = judge(view)
    assert told == severity
    assert tier == "long" if told else score < 1


def test_the_1x_tier_sees_an_overspend_that_the_baseline_has_got_used_to() -> None:
    assert judge(steady(burn=20.0, expected=20.0, projection_usd=2 * BUDGET_USD))[1:] == (TICKET, "long")


def test_a_floor_in_dollars_holds_for_small_budgets() -> None:
    # $7.44 a month: $0.01/h. 14.4 times that is 14 cents; 40 cents more are 40 % of the floor.
    small = {"budget_usd": 7.44, "projection_usd": 7.44}
    assert judge(steady(burn=0.41, expected=0.01, **small))[0] == pytest.approx(0.40)


@pytest.mark.parametrize("budget_usd", [np.nan, 0.0, -5.0])
def test_no_opinion_without_a_budget(budget_usd: float) -> None:
    assert np.isnan(judge(steady(burn=1e6, budget_usd=budget_usd))[0])


def test_a_jump_to_20x_takes_long_so_another_detector_must_be_faster() -> None:
    # Over the hour it has 19 × d / 60 of excess: 14.4 is reached after 45.5 min (42 if measured from zero).
    def after(minutes: float) -> int:
        return judge(steady(burn=QUIET | {300: 200.0, 3600: 10 + 190 * minutes / 60}))[1]

    assert (after(45), after(46)) == (NONE, PAGE)


def test_the_onset_is_how_long_the_excess_must_have_lasted() -> None:
    # $240/h more now; $160/h more over the hour makes 60 × 160 / 240 = 40 min.
    view = steady(burn=QUIET | {300: 250.0, 3600: 170.0})
    assert view.time_s - observe(view).onset_s[0] == 2400


def test_the_reason_tells_when_the_budget_runs_out() -> None:
    # $744 are left of $7,440; at $248/h that is 3 h after 00:00:10.
    view = steady(burn=QUIET | {300: 248.0, 3600: 200.0}, month_to_date_usd=BUDGET_USD - 744)
    detector = BurnVsBudget(BurnVsBudgetParams())
    assert detector.reason(view, observe(view), 0) == (
        "Spends $238.00/h over 5 min and $190.00/h over 1 h beyond what is expected, where the budget of"
        " $7,440.00 a month allows $10.00/h in all and the limit is 14.4 times that; at this rate the budget"
        " runs out on 2026-01-10 at 03:00 UTC."
    )
    gone = steady(burn=QUIET | {300: 248.0, 3600: 200.0}, month_to_date_usd=BUDGET_USD + 1)
    assert detector.reason(gone, observe(gone), 0).endswith("; the budget is used up already.")


def test_the_reason_of_the_1x_tier_tells_the_projection() -> None:
    view = steady(burn=QUIET | {86400: 12.0}, projection_usd=9000.0)
    detector = BurnVsBudget(BurnVsBudgetParams())
    assert "24 h" in detector.reason(view, observe(view), 0)
    assert "heading for $9,000.00" in detector.reason(view, observe(view), 0)

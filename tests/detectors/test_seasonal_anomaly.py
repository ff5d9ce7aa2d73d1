"""`seasonal-anomaly`: an hour unlike the same hour of other weeks."""

import numpy as np

from detectors.contract import NONE, TICKET
from detectors.seasonal_anomaly import SeasonalAnomaly, SeasonalAnomalyParams
from tests.detectors.steady import steady


def judge(burn: float, **columns: float) -> tuple[float, int]:
    known = {"spread_usd_per_hour": 1.0, "week_spread_usd_per_hour": 1.0, "expected": 20.0}
    view = steady(burn=burn, **(known | columns))
    scores = SeasonalAnomaly(SeasonalAnomalyParams()).observe(view)
    return round(float(scores.score[0]), 6), int(scores.severity[0])


def test_half_as_much_again_opens_a_ticket() -> None:
    assert judge(29.9) == (0.99, NONE)
    assert judge(30.0) == (1.0, TICKET)
    assert judge(1.0) == (0, NONE)


def test_weeks_that_stray_allow_more() -> None:
    assert judge(35.0, week_spread_usd_per_hour=4.0) == (0.75, NONE)
    assert judge(35.0, spread_usd_per_hour=4.0) == (0.75, NONE)
    assert judge(35.0, week_spread_usd_per_hour=np.nan) == (1.5, TICKET)


def test_no_opinion_before_the_hour_of_the_week_is_known() -> None:
    for kind in (0, 1, 2):
        assert np.isnan(judge(100.0, baseline_kind=kind)[0])


def test_40_cents_are_below_the_floor() -> None:
    assert judge(0.50, expected=0.10, spread_usd_per_hour=0.0, week_spread_usd_per_hour=0.0)[1] == NONE


def test_both_the_hour_and_its_half_must_show_it() -> None:
    for burn in ({1800: 20.0, 3600: 99.0}, {1800: 99.0, 3600: 20.0}):
        view = steady(expected=20.0, burn=burn, spread_usd_per_hour=1.0, week_spread_usd_per_hour=1.0)
        assert SeasonalAnomaly(SeasonalAnomalyParams()).observe(view).severity.tolist() == [NONE]


def test_the_reason_tells_the_usual_and_the_limit() -> None:
    detector = SeasonalAnomaly(SeasonalAnomalyParams())
    view = steady(burn=40.0, expected=20.0, spread_usd_per_hour=1.0, week_spread_usd_per_hour=1.0)
    assert detector.reason(view, detector.observe(view), 0) == (
        "Spent $40.00/h over the last hour, where this hour of the week usually has $20.00/h and $30.00/h"
        " is the limit."
    )

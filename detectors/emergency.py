"""Detector `emergency`: a day that ruins the month."""

from functools import partial
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.burn_vs_budget import even_rate, expected
from detectors.contract import PAGE, Floats, Ints, Params, Scores, View
from detectors.scoring import decide, known, onset, usd

HOUR_S: Final = 3600
DAY_S: Final = 86_400
TIERS: Final = ("day", "month")


class EmergencyParams(Params):
    day_ratio: Annotated[
        float,
        Field(
            gt=1,
            description="times the baseline over 24 h, and still over the last hour; 3 × 24 h = three days'"
            " money in one, 2 of them not planned",
        ),
    ] = 3.0
    over_budget: Annotated[
        float,
        Field(
            gt=0,
            description="share of the budget by which one more day like the last hour takes the month over"
            " it; 0.2 × 30 = 6 days' money",
        ),
    ] = 0.2


class Emergency:
    """The day's burn over 3 times the baseline, or a day away from a month 20 % over its budget.

    Severity: page (tiers day and month).

    Tier day: the trailing 24 h, and the last hour (so that it ends when the cause has), divided by the larger
    of `day_ratio` × baseline and baseline + `floor_usd_per_hour`, each over the same time; the lower
    counts. NaN without a baseline or before the scope is a day old.

    Tier month: the month's total if the last hour's excess over the baseline goes on for just 24 h more,
    divided by budget + `over_budget` × budget. Where the plan alone is already over the
    budget, that is no emergency but known (`burn-vs-budget` has opened a ticket): the plan then takes
    the budget's place in the first term. Those 24 h must also bring `floor_usd_per_hour` more than planned.
    The plan is that total without the excess of those 24 h. It is measured over the very hour, since a
    nightly batch is no excess; without a baseline, over the budget's even rate. NaN without a budget.

    Scores are ratios without unit. Onset: the age that the window's excess has at the rate of a shorter
    one: 1 h within 24 h, 5 min within 1 h.

    >>> from dataclasses import replace
    >>> from detectors.views import synthetic_views
    >>> [view] = synthetic_views(scopes=1, level_usd_per_hour=(10, 10), noise=0, season=0, duration_s=10)
    >>> view = replace(view, projection_day_usd=1.26 * view.budget_usd)
    >>> scores = Emergency(EmergencyParams()).observe(view)      # no excess now: the plan itself is too high
    >>> round(float(scores.score[0]), 3)
    0.863
    """

    name: ClassVar[str] = "emergency"
    params_type: ClassVar[type[Params]] = EmergencyParams

    def __init__(self, params: EmergencyParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        even = even_rate(view)

        def began_s(short_s: int, long_s: int) -> Ints:
            short, long = (
                known(view.burn_usd_per_hour[window_s]) - expected(view, window_s, even)
                for window_s in (short_s, long_s)
            )
            return onset(view.time_s, short_s, short, long_s, long)

        return decide(
            view.time_s,
            scores=[np.minimum(self._over(view, HOUR_S), self._over(view, DAY_S)), self._month(view, even)],
            severities=(PAGE, PAGE),
            windows_s=(DAY_S, HOUR_S),
            onsets_s=[partial(began_s, HOUR_S, DAY_S), partial(began_s, 300, HOUR_S)],
            tiers=TIERS,
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        hour = usd(float(view.burn_usd_per_hour[HOUR_S][index]))
        if TIERS[int(scores.tier[index])] == "day":
            return (
                f"Spent {usd(24 * float(view.burn_usd_per_hour[DAY_S][index]))} in 24 h, where"
                f" {usd(24 * float(view.expected_usd_per_hour[DAY_S][index]))} is normal (limit"
                f" {self._params.day_ratio:g} times), and goes on at {hour}/h."
            )
        return (
            f"One more day at the last hour's {hour}/h takes the month to"
            f" {usd(float(view.projection_day_usd[index]))}, where the budget is"
            f" {usd(float(view.budget_usd[index]))} (limit {self._params.over_budget:.0%} over it)."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

    def _over(self, view: View, window_s: int) -> Floats:
        normal = np.maximum(known(view.expected_usd_per_hour[window_s]), 0.0)
        limit = np.maximum(self._params.day_ratio * normal, normal + self._params.floor_usd_per_hour)
        return np.maximum(known(view.burn_usd_per_hour[window_s]), 0.0) / limit

    def _month(self, view: View, even: Floats) -> Floats:
        budget = even * (view.month_s / 3600)
        hours = min(DAY_S, max(view.month_s - view.month_elapsed_s, 0)) / 3600
        day_excess = known(view.burn_usd_per_hour[HOUR_S]) - expected(view, HOUR_S, even)
        total = np.maximum(known(view.projection_day_usd), 0.0)
        plan = total - hours * day_excess
        limit = np.maximum(budget, plan) + self._params.over_budget * budget
        return total / np.maximum(limit, plan + hours * self._params.floor_usd_per_hour)

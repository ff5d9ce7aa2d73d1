"""Detector `burn-vs-budget`: the month's budget is used up too fast."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.contract import PAGE, TICKET, WINDOWS_S, Floats, Params, Scores, View
from detectors.scoring import decide, known, onset, usd, window_name

DAY_S: Final = 86_400
WINDOWS: Final = ((300, 3600), (1800, 21600), (7200, DAY_S))
TIERS: Final = ("fast", "medium", "slow", "long")
LONG: Final = TIERS.index("long")


class BurnVsBudgetParams(Params):
    fast_factor: Annotated[
        float,
        Field(
            gt=0,
            description="excess over 5 min and 1 h that pages, as a multiple of the budget's even rate;"
            " 14.4 = 0.02 × 30 × 24 / 1: 2 % of a 30-day month's budget in one hour",
        ),
    ] = 14.4
    medium_factor: Annotated[
        float,
        Field(
            gt=0,
            description="excess over 30 min and 6 h that pages; 6 = 0.05 × 30 × 24 / 6: 5 % of the budget"
            " in 6 h",
        ),
    ] = 6.0
    slow_factor: Annotated[
        float,
        Field(
            gt=0,
            description="excess over 2 h and 24 h that opens a ticket; 3 = 0.10 × 30 × 24 / 24: 10 % of the"
            " budget in a day",
        ),
    ] = 3.0
    long_factor: Annotated[
        float,
        Field(
            gt=0,
            description="burn (not excess) over 24 h that opens a ticket when the projected month is over the"
            " budget too; 1 = 30 × 24 h of budget in 30 × 24 h",
        ),
    ] = 1.0


class BurnVsBudget:
    """The month's budget used too fast: the SRE burn-rate tiers on money.

    Severity: page (tiers fast and medium), ticket (tiers slow and long).

    A spend budget, unlike an error budget, is meant to be used up and runs at about 1x all day. So the
    tiers fast, medium and slow are measured on the excess: burn minus what is expected over the same
    window. The unit is the budget's even rate, budget / hours of this month. Score: the lower excess of
    the two windows, divided by factor × even rate (or by `floor_usd_per_hour` if that is more).

    Without a baseline the even rate itself is what is expected. A window that is not known yet, as the
    scope is too new, holds at least what its longest known shorter window holds, so that a scope
    that starts with a runaway needn't be an hour old.

    The tier long looks at the whole burn, not the excess: a baseline that has got used to too much would hide
    it. It needs both: 24 h at the even rate or more, and a projected month over the budget (by
    `floor_usd_per_hour` × hours of the month at least). Its score is the lower of the two ratios. It is a
    single window of 24 h, a whole turn of the daily season; with a shorter one the ticket would open every
    day and close every night. The projection resets it.

    NaN where no budget is set. The window told is the long one of the tier. Onset: the age that the long
    window's excess has at the short one's rate; a day back for the tier long.

    Reference: "Alerting on SLOs", The Site Reliability Workbook (2018), table 5-8.

    >>> from dataclasses import replace
    >>> from detectors.views import synthetic_views
    >>> [view] = synthetic_views(scopes=1, level_usd_per_hour=(4, 4), noise=0, season=0, duration_s=10)
    >>> view = replace(view, budget_usd=np.array([4.0 * 31 * 24]))      # an even rate of $4/h in January
    >>> burns = {window_s: np.array([4.0 + 14.4 * 4.0]) for window_s in WINDOWS_S}
    >>> scores = BurnVsBudget(BurnVsBudgetParams()).observe(replace(view, burn_usd_per_hour=burns))
    >>> round(float(scores.score[0]), 6), TIERS[scores.tier[0]]
    (1.0, 'fast')
    """

    name: ClassVar[str] = "burn-vs-budget"
    params_type: ClassVar[type[Params]] = BurnVsBudgetParams

    def __init__(self, params: BurnVsBudgetParams) -> None:
        self._params = params
        self._factors = (params.fast_factor, params.medium_factor, params.slow_factor)

    def observe(self, view: View) -> Scores:
        even = even_rate(view)
        burn = burns_at_least(view)
        excess = {
            window_s: burn[window_s] - expected(view, window_s, even) for pair in WINDOWS for window_s in pair
        }
        scores, onsets_s = [], []
        for (short_s, long_s), factor in zip(WINDOWS, self._factors, strict=True):
            limit = np.maximum(factor * even, self._params.floor_usd_per_hour)
            scores.append(np.maximum(np.minimum(excess[short_s], excess[long_s]), 0.0) / limit)
            onsets_s.append(partial(onset, view.time_s, short_s, excess[short_s], long_s, excess[long_s]))
        day_ago = partial(np.full, len(view.scopes), view.time_s - DAY_S, dtype=np.int64)
        return decide(
            view.time_s,
            scores=[*scores, self._long(view, even, burn[DAY_S])],
            severities=(PAGE, PAGE, TICKET, TICKET),
            windows_s=[*(long_s for _, long_s in WINDOWS), DAY_S],
            onsets_s=[*onsets_s, day_ago],
            tiers=TIERS,
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        tier = int(scores.tier[index])
        even = float(even_rate(view)[index])
        budget = f"the budget of {usd(float(view.budget_usd[index]))} a month"
        if tier == LONG:
            return (
                f"Spends {usd(float(view.burn_usd_per_hour[DAY_S][index]))}/h over 24 h, where {budget}"
                f" allows {usd(even)}/h; the month is heading for"
                f" {usd(float(view.projection_usd[index]))}; {_runs_out(view, DAY_S, index)}."
            )
        short_s, long_s = WINDOWS[tier]
        learnt = np.isfinite(view.expected_usd_per_hour[long_s][index])
        beyond = "what is expected" if learnt else "the budget's even rate (there is no baseline yet)"
        short, long = (
            f"{usd(float(_excess(view, window_s)[index]))}/h over {window_name(window_s)}"
            for window_s in (short_s, long_s)
        )
        return (
            f"Spends {short} and {long} beyond {beyond}, where {budget} allows {usd(even)}/h in all and the"
            f" limit is {self._factors[tier]:g} times that; {_runs_out(view, short_s, index)}."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

    def _long(self, view: View, even: Floats, day: Floats) -> Floats:
        enough = known(view.budget_usd) + self._params.floor_usd_per_hour * view.month_s / 3600
        burn = day / (self._params.long_factor * even)
        return np.maximum(np.minimum(burn, known(view.projection_usd) / enough), 0.0)


def even_rate(view: View) -> Floats:
    """The budget spent evenly over this month, in US dollars per hour; NaN where none is set."""
    budget = known(view.budget_usd)
    return np.where(budget > 0, budget, np.nan) / (view.month_s / 3600)


def expected(view: View, window_s: int, even: Floats) -> Floats:
    """What the baseline expects over the window; the budget's even rate where there is none."""
    baseline = known(view.expected_usd_per_hour[window_s])
    return np.where(np.isnan(baseline), even, np.maximum(baseline, 0.0))


def burns_at_least(view: View) -> dict[int, Floats]:
    """The burn over each window; where that is older than the scope, the least that its known part makes."""
    burns = {window_s: known(view.burn_usd_per_hour[window_s]) for window_s in WINDOWS_S}
    least: dict[int, Floats] = {}
    for window_s, burn in burns.items():
        least[window_s] = burn
        for shorter_s in sorted((w for w in WINDOWS_S if w < window_s), reverse=True):
            unknown = np.isnan(least[window_s])
            if not unknown.any():
                break
            least[window_s] = np.where(unknown, burns[shorter_s] * (shorter_s / window_s), least[window_s])
    return least


def _excess(view: View, window_s: int) -> Floats:
    return burns_at_least(view)[window_s] - expected(view, window_s, even_rate(view))


def _runs_out(view: View, window_s: int, index: int) -> str:
    """When the budget is used up at the window's rate, to the minute."""
    left_usd = float(view.budget_usd[index] - view.month_to_date_usd[index])
    rate = float(burns_at_least(view)[window_s][index])
    if left_usd <= 0:
        return "the budget is used up already"
    left_s = left_usd / rate * 3600 if rate > 0 else np.inf
    if not left_s <= view.month_s - view.month_elapsed_s:
        return "at this rate the budget lasts for the month"
    at = datetime.fromtimestamp(view.time_s + left_s, UTC)
    return f"at this rate the budget runs out on {at:%Y-%m-%d at %H:%M} UTC"

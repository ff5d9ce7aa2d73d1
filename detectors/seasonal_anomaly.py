"""Detector `seasonal-anomaly`: unlike this hour of the week."""

from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.contract import TICKET, Floats, Params, Scores, View
from detectors.explained import moved, tide
from detectors.scoring import decide, known, onset, usd

HALF_HOUR_S: Final = 1800
HOUR_S: Final = 3600
HOUR_OF_WEEK: Final = 3  # a kind of baseline


class SeasonalAnomalyParams(Params):
    sigmas: Annotated[
        float,
        Field(
            gt=0,
            description="standard deviations over this hour of the week; 5, as the spread of 5 weeks is"
            " itself known to 1 / sqrt(2 × 4) = 35 %: 5 / 1.35 = 3.7 at the least",
        ),
    ] = 5.0
    share: Annotated[
        float,
        Field(
            gt=0,
            description="excess over this hour of the week at least, as a share of it; 0.5, as weeks grow:"
            " 8 % a week are 1.08^5 = 1.5 times in the 5 weeks that the median looks back",
        ),
    ] = 0.5


class SeasonalAnomaly:
    """Unlike this hour of the week: half as much again, and beyond what its weeks allow.

    Severity: ticket (tier slow).

    Score: the excess of the last hour over what this hour of the week usually spends, divided by the largest
    of `sigmas` × spread, `share` × usual and `floor_usd_per_hour`. The spread is the larger of that over the
    last day and that of this very hour over up to 5 weeks. The last half hour counts too, the lower of both,
    so that it ends with its cause. NaN before the baseline knows the hour of the week (2 weeks). What is
    usual rises with the tide, and work that moved within the day counts for nothing (`detectors.explained`).

    It sees what a day hides: a Sunday that spends like a Monday is no record, and below what
    `burn-vs-baseline` asks for. Only more, not less: what is missing is a saving, or a silent source.

    The window told is an hour. Onset: the age that the hour's excess has at the half hour's rate.

    Reference: R. Hyndman and G. Athanasopoulos, "Forecasting: Principles and Practice", on seasonal naive
    forecasts; robust limits as in Rousseeuw and Croux (1993).

    >>> from detectors.views import START_S, Event, synthetic_views
    >>> busy = Event(start_s=3600, end_s=86400, factor=2.2)
    >>> detector = SeasonalAnomaly(SeasonalAnomalyParams())
    >>> for view in synthetic_views(scopes=1, level_usd_per_hour=(20, 20), duration_s=86400, every_s=60,
    ...                             events=[busy]):
    ...     scores = detector.observe(view)
    ...     if scores.severity[0] == TICKET:
    ...         break
    >>> view.time_s - START_S
    5100
    """

    name: ClassVar[str] = "seasonal-anomaly"
    params_type: ClassVar[type[Params]] = SeasonalAnomalyParams
    every_s: ClassVar[int] = 60

    def __init__(self, params: SeasonalAnomalyParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        lifted = tide(view)
        least = self._least(view, lifted)
        excess = {
            window_s: known(view.burn_usd_per_hour[window_s]) - lifted * _usual(view, window_s)
            for window_s in (HALF_HOUR_S, HOUR_S)
        }
        score = np.maximum(np.minimum(excess[HALF_HOUR_S], excess[HOUR_S]), 0.0) / least
        score = np.where(moved(view), np.minimum(score, 0.0), score)
        return decide(
            view.time_s,
            scores=[known(score)],
            severities=(TICKET,),
            windows_s=(HOUR_S,),
            onsets_s=[lambda: onset(view.time_s, HALF_HOUR_S, excess[HALF_HOUR_S], HOUR_S, excess[HOUR_S])],
            tiers=("slow",),
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        usual, burn = float(_usual(view, HOUR_S)[index]), float(view.burn_usd_per_hour[HOUR_S][index])
        lifted = tide(view)
        limit = usual * float(lifted[index]) + float(self._least(view, lifted)[index])
        return (
            f"Spent {usd(burn)}/h over the last hour, where this hour of"
            f" the week usually has {usd(usual)}/h and {usd(limit)}/h is the limit."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

    def _least(self, view: View, lifted: Floats) -> Floats:
        usual = lifted * _usual(view, HOUR_S)
        weeks = np.nan_to_num(known(view.week_spread_usd_per_hour))
        spread = np.maximum(known(view.spread_usd_per_hour), weeks)
        least = np.maximum(self._params.sigmas * spread, self._params.share * usual)
        least = np.maximum(least, self._params.floor_usd_per_hour)
        return np.where(np.asarray(view.baseline_kind) == HOUR_OF_WEEK, least, np.nan)


def _usual(view: View, window_s: int) -> Floats:
    return np.maximum(known(view.expected_usd_per_hour[window_s]), 0.0)

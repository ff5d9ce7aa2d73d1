"""Detector `policy`: money is spent on what a cost rule forbids."""

from typing import ClassVar, Final

import numpy as np

from detectors.contract import TICKET, Params, Scores, View
from detectors.scoring import known, usd

FIVE_MIN_S: Final = 300
HOUR_S: Final = 3600
DAY_S: Final = 86_400


class PolicyParams(Params):
    """Only what every detector has."""


class Policy:
    """A cost rule was broken: untagged, instance type, region, schedule.

    Severity: ticket (tier slow).

    The rules are `policies` in the configuration; what breaks one adds up in a scope of its own,
    `policy=<name>`. Score: what that scope burns over 5 minutes, divided by `floor_usd_per_hour`, once it has
    been forbidden for 5 minutes; 0 within the hours of the rule's schedule. NaN for all other scopes.

    The window told is 5 minutes. Onset: when the hours of the schedule ended, at most a day back; of a rule
    that always holds, the age that the last hour's spend has at the rate of the last 5 minutes.

    >>> from dataclasses import replace
    >>> from detectors.views import synthetic_views
    >>> *_, view = synthetic_views(scopes=1, level_usd_per_hour=(4, 4), noise=0, season=0, duration_s=60)
    >>> view = replace(view, forbidden_s=np.array([600.0]))
    >>> scores = Policy(PolicyParams()).observe(view)
    >>> round(float(scores.score[0]), 3), view.time_s - int(scores.onset_s[0])
    (4.0, 600)
    """

    name: ClassVar[str] = "policy"
    params_type: ClassVar[type[Params]] = PolicyParams
    every_s: ClassVar[int] = 60

    def __init__(self, params: Params) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        burn, hour = (known(view.burn_usd_per_hour[window_s]) for window_s in (FIVE_MIN_S, HOUR_S))
        forbidden_s = known(view.forbidden_s)
        score = known(np.maximum(burn, 0.0) / self._params.floor_usd_per_hour)
        score = np.where(forbidden_s < FIVE_MIN_S, 0.0, score)
        score = np.where(np.isnan(forbidden_s), np.nan, score)
        age_s = np.nan_to_num(known(HOUR_S * hour / np.where(burn > 0, burn, np.nan)), nan=HOUR_S)
        age_s = np.clip(age_s, FIVE_MIN_S, HOUR_S)
        ended_s = np.nan_to_num(np.maximum(forbidden_s, 0.0), posinf=np.inf)
        since_s = np.where(ended_s <= DAY_S, ended_s, age_s)
        fires = score >= 1
        zero = np.zeros(len(view.scopes), np.int64)
        return Scores(
            score=score,
            severity=np.where(fires, TICKET, 0),
            tier=zero,
            window_s=zero + FIVE_MIN_S,
            onset_s=view.time_s - np.where(fires, np.rint(since_s), 0).astype(np.int64),
            tiers=("slow",),
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        burn = usd(float(np.nan_to_num(view.burn_usd_per_hour[FIVE_MIN_S][index])))
        return f"{burn}/h is spent on what the rule of {view.scopes[index]} forbids."

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

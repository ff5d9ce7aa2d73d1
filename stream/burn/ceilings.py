"""A detector that is not one of the registry: what it holds scopes against is said while it runs."""

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np

from detectors.contract import NONE, PAGE, Detector, Params, Scores, View

_WINDOW_S: Final = 300


class Ceilings(Detector):
    """Pages when the rate over 5 minutes reaches a plan's ceiling and floor, whatever is normal."""

    name: ClassVar[str] = "plan"
    params_type: ClassVar[type[Params]] = Params

    def __init__(self, params: Params | None = None) -> None:
        self.limits_usd_per_hour: Mapping[str, float] = {}

    def observe(self, view: View) -> Scores:
        count = len(view.scopes)
        limits = np.full(count, np.nan)
        if self.limits_usd_per_hour:
            limits[:] = [self.limits_usd_per_hour.get(scope, np.nan) for scope in view.scopes]
        score = view.burn_usd_per_hour[_WINDOW_S] / limits
        return Scores(
            score=score,
            severity=np.where(score >= 1, PAGE, NONE),
            tier=np.zeros(count, np.int64),
            window_s=np.full(count, _WINDOW_S),
            onset_s=np.full(count, view.time_s - _WINDOW_S),
            tiers=(self.name,),
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        return ""  # the alert names the plan itself

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up."""

"""A fixed limit, for what has no rhythm that could be learnt."""

from fnmatch import fnmatchcase
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from detectors.contract import NONE, TICKET, Params, Scores, View


class StaticLimitParams(Params):
    usd_per_hour: Annotated[float, Field(gt=0, description="most that a scope may burn, over 5 minutes")] = (
        100.0
    )
    for_s: Annotated[int, Field(ge=0, description="how long it must be above")] = 600
    scopes: Annotated[tuple[str, ...], Field(description="shell patterns of the scopes it is about")] = ("*",)


class StaticLimit:
    """A scope burns more than a fixed limit, and goes on.

    Severity: ticket.

    The score is the rate of the last 5 minutes over the limit; it stays below 1 until that has lasted.
    """

    name: ClassVar[str] = "static-limit"
    params_type: ClassVar[type[Params]] = StaticLimitParams

    def __init__(self, params: Params) -> None:
        assert isinstance(params, StaticLimitParams)
        self.params = params
        self.above_since_s = np.zeros(0, np.int64)  # by index of scope, 0 while it is below

    def observe(self, view: View) -> Scores:
        new = len(view.scopes) - len(self.above_since_s)  # a scope keeps its index; new ones come at the end
        since_s = np.append(self.above_since_s, np.zeros(new, np.int64))
        rate = view.burn_usd_per_hour[300]
        mine = np.array([self._is_mine(scope) for scope in view.scopes], np.bool_)
        score = np.where(mine & np.isfinite(rate), rate / self.params.usd_per_hour, np.nan)
        above = score >= 1  # NaN is not
        since_s = np.where(above, np.where(since_s > 0, since_s, view.time_s), 0)
        self.above_since_s = since_s
        lasts = above & (view.time_s - since_s >= self.params.for_s)
        zero = np.zeros(len(score), np.int64)
        return Scores(
            score=np.where(above & ~lasts, 0.99, score),
            severity=np.where(lasts, TICKET, NONE),
            tier=zero,
            window_s=zero + 300,
            onset_s=np.where(above, since_s, view.time_s),
            tiers=("static",),
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        rate, limit = view.burn_usd_per_hour[300][index], self.params.usd_per_hour
        return f"Burns ${rate:,.2f}/h over 5 min; the limit is ${limit:,.2f}/h."

    def save(self) -> bytes:
        return self.above_since_s.astype("<i8").tobytes()

    def load(self, state: bytes) -> None:
        self.above_since_s = np.frombuffer(state, "<i8").astype(np.int64)

    def _is_mine(self, scope: str) -> bool:
        return any(fnmatchcase(scope, pattern) for pattern in self.params.scopes)

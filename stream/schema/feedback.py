"""What people said of an alert: real, expected, false or a new normal, and what follows from it.

A record of the `commands` topic (`stream.schema.commands`). The burn stage decides by it which hours
tell what is normal (`stream/burn/people.py`); the alerts stage asks `factors`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

import msgspec

DAY_S: Final = 86_400
# Epoch seconds; beyond the year 5138 the sender meant milliseconds.
Time = Annotated[int, msgspec.Meta(ge=0, lt=100_000_000_000)]
# A baseline looks back on 37 days of hours: what is left out of it must stay so until it has moved on. A
# raised threshold must be said again each month, or it would hide what nobody remembers.
LASTS_S: Final = {"real": 37 * DAY_S, "expected": 37 * DAY_S, "false": 30 * DAY_S, "new_normal": 37 * DAY_S}
# A threshold may rise to three times itself: beyond, nobody would be woken by what pages everyone today.
HIGHEST_FACTOR: Final = 3.0


class Verdict(StrEnum):
    """What an alert was.

    `real`: money ran away. It teaches the baseline nothing, and a change that would hide it is told.
    `expected`: planned, and not normal. It teaches nothing; with a `ceiling` it is quiet at the same time of
        each week.
    `false`: nothing of interest. The threshold of its detectors rises for its scope.
    `new_normal`: the spend is here to stay. The baseline takes the level since `since_s` for normal.
    """

    REAL = "real"
    EXPECTED = "expected"
    FALSE = "false"
    NEW_NORMAL = "new_normal"


class Feedback(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="feedback"):
    """One verdict on one alert, told apart by `id`; the latest record of an id holds.

    `alert` is its dedup key, `detectors` those that raised it. `[since_s, until_s)` is the time that it is
    about, epoch seconds. Of `false`, `factors` says by detector what its score must exceed from now on: a
    score is a ratio to the threshold. Of `expected`, `ceiling_usd_per_hour` is what is planned each week at
    that time; None plans nothing. It lasts until `expires_s`, or until it was taken back at `ended_s`, by
    whom `ended_by` says.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    by: Annotated[str, msgspec.Meta(max_length=100)]
    made_s: Time
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""
    ended_s: Time | None = None
    ended_by: Annotated[str, msgspec.Meta(max_length=100)] = ""

    alert: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    verdict: Verdict
    scope: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    detectors: Annotated[tuple[str, ...], msgspec.Meta(max_length=50)] = ()
    since_s: Time
    until_s: Time
    factors: dict[str, Annotated[float, msgspec.Meta(ge=1.0, le=HIGHEST_FACTOR)]] = {}
    ceiling_usd_per_hour: Annotated[float, msgspec.Meta(gt=0)] | None = None
    expires_s: Time

    def __post_init__(self) -> None:
        if self.since_s >= self.until_s:
            raise ValueError("since_s must lie before until_s")

    def holds(self, now_s: int) -> bool:
        """Whether it has neither expired nor been taken back."""
        return now_s < self.expires_s and (self.ended_s is None or now_s < self.ended_s)


def factors(feedback: Iterable[Feedback], scope: str, now_s: int) -> dict[str, float]:
    """By detector, what its score on `scope` must exceed, for those that were called false."""
    raised: dict[str, float] = {}
    for one in feedback:
        if one.scope == scope and one.verdict == Verdict.FALSE and one.holds(now_s):
            for detector, times in one.factors.items():
                raised[detector] = max(times, raised.get(detector, 1.0))
    return raised

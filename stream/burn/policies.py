"""Since when what a policy's scope spends has been against the rule."""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.config_policy import DAYS, Policy, Schedule
from stream.scopes import policy_scope

Floats = NDArray[np.float64]

ALWAYS_S: Final = 366 * 86_400.0  # longer than any window


class Policies:
    """The rules of one configuration, by the scopes that they make."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._schedules = {policy_scope(policy.name): policy.schedule for policy in policies}

    def forbidden_s(self, scopes: Sequence[str], time_s: int) -> Floats:
        """For how long each scope's spend has been against a rule: 0 while it is allowed, NaN without one."""
        found = np.full(len(scopes), np.nan)
        if self._schedules:
            for index, scope in enumerate(scopes):
                if scope in self._schedules:
                    schedule = self._schedules[scope]
                    found[index] = ALWAYS_S if schedule is None else over_s(schedule, time_s)
        return found


def over_s(schedule: Schedule, time_s: int) -> float:
    """Seconds since the hours of the schedule ended; 0 within them.

    The moment a bucket ends belongs to the bucket: at 19:00:00 what ends at 19:00 is still allowed. Clocks
    that are put forward or back change when the hours begin and end, as they do for people.
    """
    zone = zoneinfo.ZoneInfo(schedule.timezone)
    now = dt.datetime.fromtimestamp(time_s, zone)
    start, end = schedule.times
    ended = ALWAYS_S
    for days_ago in range(-1, 9):
        day = now.date() - dt.timedelta(days=days_ago)
        if DAYS[day.weekday()] not in schedule.days:
            continue
        last = day if end > start else day + dt.timedelta(days=1)
        begins_s = dt.datetime.combine(day, start, zone).timestamp()
        ends_s = dt.datetime.combine(last, end, zone).timestamp()
        if begins_s < time_s <= ends_s:
            return 0.0
        if ends_s < time_s:
            ended = min(ended, time_s - ends_s)
    return ended

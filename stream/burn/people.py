"""What people said that the burn stage heeds: verdicts that tell what is normal, and planned ceilings."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from stream import planned
from stream.config import Config
from stream.schema import commands
from stream.schema.commands import Command, Plan
from stream.schema.feedback import Feedback, left_out_s, normal_since_s
from stream.scopes import scope_labels

_HOUR_S: Final = 3600
MOST: Final = 5_000  # as many as the alerts stage keeps


class People:
    """The commands that a burn stage has heard of; a command in `heed` replaces the one with its key."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._asked: tuple[list[Plan | Feedback], int] = ([], 0)
        self._limits: dict[str, float] = {}
        self._commands: dict[bytes, Command] = {
            b"file/%d" % number: rule.record() for number, rule in enumerate(config.plans)
        }

    def heed(self, value: bytes) -> bool:
        """Take a record of `commands`; whether it matters here. What can't be read is the alerts stage's to
        tell."""
        try:
            command = commands.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        key = commands.key(command)
        full = key not in self._commands and len(self._commands) >= MOST
        if full or not isinstance(command, Feedback | Plan):
            return False
        self._commands[key] = command
        return True

    def hours_left_out(self, scopes: Sequence[str], now_s: int) -> dict[int, list[tuple[int, int]]]:
        """By the number of the scope, the hours `[first, end)` that tell nothing of what is normal."""
        said = [one for one in self._commands.values() if isinstance(one, Feedback)]
        about = {one.scope for one in said}
        numbers = {scope: number for number, scope in enumerate(scopes) if scope in about} if about else {}
        found = {}
        for scope, number in numbers.items():
            spans = [
                (start_s // _HOUR_S, -(-end_s // _HOUR_S))
                for start_s, end_s in left_out_s(said, scope, now_s)
            ]
            since_s = normal_since_s(said, scope, now_s)
            if since_s is not None:
                spans.append((0, -(-since_s // _HOUR_S)))
            if spans:
                found[number] = spans
        return found

    def limits_usd_per_hour(self, scopes: Sequence[str], now_s: int) -> dict[str, float]:
        """By scope, the rate at which a plan that holds now pages; of several plans the highest."""
        holding = list(self._holding(now_s))
        if (holding, len(scopes)) == self._asked:  # scopes are only ever added
            return self._limits
        limits: dict[str, float] = {}
        self._asked, self._limits = (holding, len(scopes)), limits
        for scope in scopes if holding else ():
            labels = scope_labels(scope, self._config.scopes)
            for plan in holding:
                if isinstance(plan, Feedback):
                    meant, floor = plan.scope == scope, planned.WEEKLY_FLOOR_USD_PER_HOUR
                else:
                    meant = planned.matches(plan.match, scope, labels, self._config.owners)
                    floor = plan.floor_usd_per_hour
                if meant and plan.ceiling_usd_per_hour is not None:
                    limits[scope] = max(plan.ceiling_usd_per_hour + floor, limits.get(scope, 0.0))
        return limits

    def _holding(self, now_s: int) -> Iterator[Plan | Feedback]:
        """Plans, and what was called expected each week."""
        for command in self._commands.values():
            match command:
                case Plan() if planned.current(command, now_s) is not None:
                    yield command
                case Feedback() if planned.weekly(command, now_s) is not None:
                    yield command

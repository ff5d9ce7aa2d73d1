"""What people said that the burn stage heeds: what tells what is normal, and planned ceilings.

What teaches a baseline nothing: an alert that was called real or expected, an incident, maintenance, and a
plan that does not recur. A plan that recurs is how things are, so it teaches.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from stream import planned
from stream.burn.lessons import BACK_H, LeftOut, Lessons
from stream.config import Config
from stream.planned import Span
from stream.schema import commands, incidents, topics
from stream.schema.commands import Command, Maintenance, Match, Plan
from stream.schema.feedback import DAY_S, Feedback, Verdict
from stream.schema.incidents import Incident
from stream.scopes import scope_labels

_HOUR_S: Final = 3600
MOST: Final = 5_000  # as many as the alerts stage keeps
# Of 5 weeks, 3 are then left to tell what is normal: nobody who forgets to close an incident is left without
# a baseline.
LONGEST_S: Final = 14 * DAY_S
TOPICS: Final = (topics.COMMANDS, topics.INCIDENTS)

Said = Command | Incident


class People:
    """What a burn stage has heard of; a record in `heed` replaces the one with its key."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._asked: tuple[list[Plan | Feedback], int] = ([], 0)
        self._limits: dict[str, float] = {}
        fixed = [*config.maintenance, *config.plans]
        self._said: dict[bytes, Said] = {
            b"file/%d" % number: rule.record() for number, rule in enumerate(fixed)
        }
        self._meant: dict[bytes, tuple[Match, int, list[int]]] = {}

    def heed(self, topic: str, value: bytes) -> bool:
        """Take a record of one of `TOPICS`; whether it matters here. What can't be read is for others to
        tell."""
        try:
            said = _decoded(topic, value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        key = b"incident/" + incidents.key(said) if isinstance(said, Incident) else commands.key(said)
        full = key not in self._said and len(self._said) >= MOST
        if full or not isinstance(said, Incident | Feedback | Maintenance | Plan):
            return False
        self._said[key] = said
        return True

    def lessons(self, scopes: Sequence[str], now_s: int) -> Lessons:
        """What counts at the beginning of the hour of `now_s`. What is over for long is forgotten."""
        if not self._said:
            return Lessons()
        hour = now_s // _HOUR_S
        numbers = {scope: number for number, scope in enumerate(scopes)}
        levels = self._levels(numbers, hour)
        left_out = {}
        for key, said in self._said.items():
            spans = list(_teaches_nothing(said, hour))
            series = self._series(key, said, scopes, numbers) if spans else []
            left_out[key] = _left_out([number for number in series if number not in levels], spans, hour)
            for number in series:
                if number in levels:
                    own = list(_before_levels(spans, said, levels[number]))
                    left_out[b"%d/%b" % (number, key)] = _left_out([number], own, hour)
        return Lessons(
            {key: one for key, one in left_out.items() if len(one.hours) and len(one.series)},
            {number: tuple(sorted({_begins(one) for one in said})) for number, said in levels.items()},
        )

    def _levels(self, numbers: Mapping[str, int], hour: int) -> dict[int, list[Feedback]]:
        """By scope, the new levels that hold and have a whole hour yet."""
        levels: dict[int, list[Feedback]] = {}
        for said in self._said.values():
            if isinstance(said, Feedback) and said.verdict == Verdict.NEW_NORMAL and _holds(said, hour):
                number = numbers.get(said.scope)
                if number is not None and _begins(said) < hour:
                    levels.setdefault(number, []).append(said)
        return levels

    def _series(self, key: bytes, said: Said, scopes: Sequence[str], numbers: Mapping[str, int]) -> list[int]:
        """The scopes that are meant, ascending. Scopes are only ever added, and each is held against a match
        once."""
        if isinstance(said, Feedback):
            return [numbers[said.scope]] if said.scope in numbers else []
        if isinstance(said, Incident):
            return sorted({numbers[scope] for scope in said.scopes if scope in numbers})
        assert isinstance(said, Maintenance | Plan)
        match, seen, found = self._meant.get(key, (said.match, 0, []))
        if match != said.match:
            match, seen, found = said.match, 0, []
        found = found + [
            number
            for number in range(seen, len(scopes))
            if planned.matches(
                match, scopes[number], scope_labels(scopes[number], self._config.scopes), self._config.owners
            )
        ]
        self._meant[key] = match, len(scopes), found
        return list(found)

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
        for said in self._said.values():
            match said:
                case Plan() if planned.current(said, now_s) is not None:
                    yield said
                case Feedback() if planned.weekly(said, now_s) is not None:
                    yield said


def _decoded(topic: str, value: bytes) -> Said:
    return incidents.decode(value) if topic == topics.INCIDENTS else commands.decode(value)


def _holds(feedback: Feedback, hour: int) -> bool:
    """By the hour, as the baseline goes: a restart within it must find the same. Taken back is taken back."""
    return feedback.ended_s is None and hour * _HOUR_S < feedback.expires_s


def _teaches_nothing(said: Said, hour: int) -> Iterator[Span]:
    """The spans that it takes out of the baseline, up to the end of this hour or later."""
    back_s, now_s = (hour - BACK_H) * _HOUR_S, (hour + 1) * _HOUR_S
    match said:
        case Feedback() if said.verdict in (Verdict.REAL, Verdict.EXPECTED) and _holds(said, hour):
            yield Span(said.since_s, min(said.until_s, said.since_s + LONGEST_S))
        case Incident():
            longest_s = said.since_s + LONGEST_S
            yield Span(said.since_s, longest_s if said.until_s is None else min(said.until_s, longest_s))
        case Maintenance():
            yield from planned.between(said, back_s, now_s)
        case Plan() if said.recurs is None:
            yield from planned.between(said, back_s, now_s)


def _begins(level: Feedback) -> int:
    """The first whole hour of a new level."""
    return -(-level.since_s // _HOUR_S)


def _before_levels(spans: list[Span], said: Said, levels: list[Feedback]) -> Iterator[Span]:
    """The last word counts: what is left of spans where a new level is said, later, to begin in them."""
    made_s = said.opened_s if isinstance(said, Incident) else said.made_s
    for span in spans:
        since_s = [level.since_s for level in levels if level.made_s >= made_s and level.since_s < span.end_s]
        cut = Span(span.start_s, min([span.end_s, *since_s]))
        if cut.start_s < cut.end_s:
            yield cut


def _left_out(series: list[int], spans: Sequence[Span], hour: int) -> LeftOut:
    """Whole hours, those that a baseline looks at or will."""
    hours = {
        each
        for span in spans
        for each in range(max(span.start_s // _HOUR_S, hour - BACK_H), -(-span.end_s // _HOUR_S))
    }
    return LeftOut(np.array(sorted(series), np.int64), np.array(sorted(hours), np.int64))

"""When a maintenance window or a plan holds, once or again and again, and which scopes it is about."""

import datetime as dt
import fnmatch
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from stream.config import OwnerRule
from stream.schema.commands import WEEKDAYS, Maintenance, Match, Plan, Recurrence
from stream.schema.feedback import DAY_S, Feedback, Verdict

WEEKLY_FLOOR_USD_PER_HOUR: Final = 1.0  # as of a plan that names none
_WEEK_S: Final = 7 * DAY_S
# A yearly date (29 February apart) is within; the search is a few hundred steps of arithmetic.
_LOOK_AHEAD_DAYS: Final = 366


class Span(NamedTuple):
    """`[start_s, end_s)`, epoch seconds."""

    start_s: int
    end_s: int


def current(window: Maintenance | Plan, now_s: int) -> Span | None:
    """The span that holds at `now_s`, of several the one that ends last; None when none does."""
    return max(between(window, now_s, now_s + 1), key=lambda span: span.end_s, default=None)


def between(window: Maintenance | Plan, start_s: int, end_s: int) -> list[Span]:
    """The spans in which it holds at some time of `[start_s, end_s)`, in order of time."""
    behind_d = 0 if window.recurs is None else window.recurs.duration_s // DAY_S + 2
    ahead_d = (end_s - start_s) // DAY_S + 1
    spans = (_bounded(window, span) for span in _candidates(window, start_s, -behind_d, ahead_d))
    return [span for span in spans if span is not None and span.start_s < end_s and start_s < span.end_s]


def weekly(feedback: Feedback, now_s: int) -> Span | None:
    """The span in which what was called expected, with a ceiling, is planned now: once a week."""
    if feedback.verdict != Verdict.EXPECTED or feedback.ceiling_usd_per_hour is None:
        return None
    start_s = now_s - (now_s - feedback.since_s) % _WEEK_S
    end_s = start_s + feedback.until_s - feedback.since_s
    holds = feedback.holds(now_s) and feedback.since_s <= now_s < end_s
    return Span(start_s, end_s) if holds else None


def following(window: Maintenance | Plan, now_s: int) -> Span | None:
    """The next span that begins after `now_s`, within a year; None when there is none."""
    from_s = max(now_s, window.since_s)
    spans = (_bounded(window, span) for span in _candidates(window, from_s, 0, _LOOK_AHEAD_DAYS))
    return next((span for span in spans if span is not None and span.start_s > now_s), None)


def _bounded(window: Maintenance | Plan, span: Span) -> Span | None:
    """Cut to the life of the window, and to the moment at which somebody ended it."""
    ends = [end_s for end_s in (span.end_s, window.until_s, window.ended_s) if end_s is not None]
    cut = Span(max(span.start_s, window.since_s), min(ends))
    return cut if cut.start_s < cut.end_s else None


def _candidates(window: Maintenance | Plan, time_s: int, first_d: int, last_d: int) -> Iterator[Span]:
    """Of one that recurs, those that begin from so many days after (or before) the day of `time_s` on."""
    rule = window.recurs
    if rule is None:
        assert window.until_s is not None  # the schema sees to it
        yield Span(window.since_s, window.until_s)
        return
    zone = zoneinfo.ZoneInfo(rule.timezone)
    today = dt.datetime.fromtimestamp(time_s, zone).date()
    for days in range(first_d, last_d + 1):
        day = today + dt.timedelta(days=days)
        if _falls_on(rule, day):
            # In the hour that summer time skips, the zone's offset before it counts: it begins an hour later.
            begin_s = int(dt.datetime.combine(day, dt.time.fromisoformat(rule.at), zone).timestamp())
            yield Span(begin_s, begin_s + rule.duration_s)


def _falls_on(rule: Recurrence, day: dt.date) -> bool:
    if not rule.weekdays and not rule.month_days:
        return True
    from_end = (day - (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)).days
    return (
        WEEKDAYS[day.weekday()] in rule.weekdays or day.day in rule.month_days or from_end in rule.month_days
    )


def matches(match: Match, scope: str, labels: Mapping[str, str], owners: Iterable[OwnerRule] = ()) -> bool:
    """Whether a scope is meant: by its name, or by its labels and those that owner rules add to them."""
    if any(fnmatch.fnmatchcase(scope, pattern) for pattern in match.scopes):
        return True
    if not match.labels:
        return False
    known = owned(labels, owners)
    return all(fnmatch.fnmatchcase(known.get(name, ""), value) for name, value in match.labels.items())


def owned(labels: Mapping[str, str], owners: Iterable[OwnerRule]) -> dict[str, str]:
    """The labels with those that owner rules add: as the meter does, but for values made of other labels."""
    added: dict[str, str] = {}
    for rule in owners:
        if all(fnmatch.fnmatchcase(labels.get(name, ""), value) for name, value in rule.match.items()):
            added = {**{k: v for k, v in rule.set.items() if "{" not in v}, **added}
    return {**added, **labels}

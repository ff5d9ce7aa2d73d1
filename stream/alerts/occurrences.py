"""When a maintenance window or a plan holds: the times of one that is said once, and of one that recurs."""

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from typing import Final, NamedTuple

from stream.schema.commands import WEEKDAYS, Maintenance, Plan, Recurrence

DAY_S: Final = 86_400
# A yearly date (29 February apart) is within; the search is a few hundred steps of arithmetic.
_LOOK_AHEAD_DAYS: Final = 366


class Span(NamedTuple):
    """`[start_s, end_s)`, epoch seconds."""

    start_s: int
    end_s: int


def current(window: Maintenance | Plan, now_s: int) -> Span | None:
    """The span that holds at `now_s`, of several the one that ends last; None when none does."""
    spans = (_bounded(window, span) for span in _candidates(window, now_s, behind=True))
    holding = [span for span in spans if span is not None and span.start_s <= now_s < span.end_s]
    return max(holding, key=lambda span: span.end_s, default=None)


def following(window: Maintenance | Plan, now_s: int) -> Span | None:
    """The next span that begins after `now_s`, within a year; None when there is none."""
    spans = (_bounded(window, span) for span in _candidates(window, now_s, behind=False))
    return next((span for span in spans if span is not None and span.start_s > now_s), None)


def _bounded(window: Maintenance | Plan, span: Span) -> Span | None:
    """Cut to the life of the window, and to the moment at which somebody ended it."""
    ends = [end_s for end_s in (span.end_s, window.until_s, window.ended_s) if end_s is not None]
    cut = Span(max(span.start_s, window.since_s), min(ends))
    return cut if cut.start_s < cut.end_s else None


def _candidates(window: Maintenance | Plan, now_s: int, *, behind: bool) -> Iterator[Span]:
    rule = window.recurs
    if rule is None:
        assert window.until_s is not None  # the schema sees to it
        yield Span(window.since_s, window.until_s)
        return
    zone = zoneinfo.ZoneInfo(rule.timezone)
    start_s = now_s if behind else max(now_s, window.since_s)
    today = dt.datetime.fromtimestamp(start_s, zone).date()
    first, last = (-rule.duration_s // DAY_S - 1, 1) if behind else (0, _LOOK_AHEAD_DAYS)
    for days in range(first, last + 1):
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

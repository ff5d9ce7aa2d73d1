"""The cost section of a postmortem, in Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from stream.alerts import text
from stream.burn.parts import Part
from stream.incidents.cost import INTERIM, Cost
from stream.incidents.split import OTHER
from stream.schema import invoices
from stream.schema.alerts import Alert, State

DAY_S: Final = 86_400
_LINES: Final = 10  # of a table; what is less goes into `other`


def pages_of(cost: Cost, transitions: Iterable[Alert]) -> list[Alert]:
    """The transitions that belong on the incident's timeline: of its scopes, not over before it began."""
    scopes = set(cost.incident.scopes)
    last_s = cost.incident.until_s or cost.end_s
    return [
        alert
        for alert in transitions
        if alert.state != State.PENDING
        and alert.onset_s <= last_s
        and alert.time_s >= cost.incident.since_s
        and scopes & {alert.scope, *(other.scope for other in alert.attached)}
    ]


def report(cost: Cost, transitions: Iterable[Alert]) -> str:
    """`transitions` are the alerts' transitions that are known, in any order."""
    sections = (
        _head(cost),
        _result(cost),
        _table("By driver", cost.drivers, cost.excess_nusd),
        _table("By owner", cost.owners, cost.excess_nusd),
        _timeline(cost, pages_of(cost, transitions)),
        _method(cost),
    )
    return "\n".join(line for section in sections for line in section)


def _head(cost: Cost) -> Iterator[str]:
    incident = cost.incident
    yield f"## Cost: {_plain(incident.title)}"
    yield ""
    until = "still open" if incident.until_s is None else _stamp(incident.until_s)
    counted = _duration(cost.end_s - cost.start_s)
    yield f"- Window: {_stamp(incident.since_s)} to {until}, {counted} counted"
    yield f"- Scopes: {', '.join(_code(scope) for scope in incident.scopes)}"
    for scope, why in cost.left_out.items():
        yield f"- Not added: {_code(scope)} {why}"
    yield f"- Incident: {_code(incident.id)}, opened by {_plain(incident.opened_by)}"
    yield ""


def _result(cost: Cost) -> Iterator[str]:
    yield f"**{text.usd_of(cost.excess_nusd)} beyond normal** ({cost.state}){_between(cost)}."
    spent, normal = text.usd_of(cost.spent_nusd), text.usd_of(cost.baseline_nusd)
    yield f"Spent {spent} where {normal} is normal."
    if cost.until_contained_nusd is not None and cost.after_contained_nusd is not None:
        until, after = text.usd_of(cost.until_contained_nusd), text.usd_of(cost.after_contained_nusd)
        yield f"Up to containment {until}, after it {after}."
    if cost.projection_usd is not None:
        low, high = cost.projection_low_usd, cost.projection_high_usd
        known = low is not None and high is not None
        between = f" ({text.usd(low or 0.0)} to {text.usd(high or 0.0)})" if known else ""
        yield f"The month is projected at {text.usd(cost.projection_usd)}{between}."
    yield ""


def _between(cost: Cost) -> str:
    if cost.excess_low_nusd is None or cost.excess_high_nusd is None:
        return "; what is normal is not known well enough for an interval"
    return f", ± {text.usd_of((cost.excess_high_nusd - cost.excess_low_nusd) // 2)} with 95 %"


def _table(title: str, parts: Sequence[Part], whole_nusd: int) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield "| | beyond normal | share |"
    yield "|---|---:|---:|"
    named = [part for part in parts if part.name != OTHER]
    rest_nusd = whole_nusd - sum(part.excess_nusd for part in named[:_LINES])
    rows = [(_code(part.name), part.excess_nusd) for part in named[:_LINES]]
    rows += [(OTHER, rest_nusd)] if rest_nusd else []
    for name, nusd in [*rows, ("**total**", whole_nusd)]:
        share = f"{round(100 * nusd / whole_nusd)} %" if whole_nusd > 0 else ""
        yield f"| {name} | {text.usd_of(nusd)} | {share} |"
    yield ""


def _timeline(cost: Cost, alerts: Iterable[Alert]) -> Iterator[str]:
    incident = cost.incident
    events = [(incident.since_s, 0, "onset")]
    for alert in alerts:
        what = f"{alert.severity} {alert.state}: {_plain(alert.summary)}"
        events.append((alert.time_s, 2, f"{what} ({_code(alert.dedup_key)})"))
        if alert.blame is not None:
            likely = f"likely cause, with probability {alert.blame.probability:.0%}"
            events.append((alert.blame.time_s, 1, f"{_plain(alert.blame.what)} ({likely})"))
    events.append((incident.opened_s, 3, f"incident opened by {_plain(incident.opened_by)}"))
    if incident.contained_s is not None:
        events.append((incident.contained_s, 4, "contained"))
    if incident.until_s is not None:
        events.append((incident.until_s, 5, "end of the window" + (", closed" if incident.closed else "")))
    yield "### Timeline (UTC)"
    yield ""
    for time_s, _, what in sorted(set(events)):
        yield f"- {_stamp(time_s)}: {what}"
    yield ""


def _method(cost: Cost) -> Iterator[str]:
    kinds = ", ".join(cost.baseline_kinds) or "none"
    yield "### How this was worked out"
    yield ""
    yield f"Beyond normal is spend less the baseline ({kinds}) over the same buckets of time."
    if cost.excess_low_nusd is not None:
        yield "The interval covers what the baseline may be off by, not what the invoice may change."
    unknown = [each.scope for each in cost.scopes if not each.baseline_known]
    if unknown:
        names = ", ".join(_code(scope) for scope in unknown)
        yield f"What is normal for {names} is not known yet, so all of its spend counts: an upper bound."
    normal = "that of the same hours of the days before, else of the last day"
    yield f"A part's normal is {normal}; `other` is the rest."
    if not cost.whole:
        yield f"The windows hold nothing before {_stamp(cost.start_s)}: the beginning is missing."
    if cost.state == INTERIM:
        until_s = cost.incident.until_s
        if until_s is not None and until_s > cost.end_s:
            yield f"Everything up to {_stamp(cost.end_s)} is in; the rest of the window is not heard yet."
        else:
            yield "A source that meters it is silent now: it really costs more than what is counted here."
    factor = cost.calibration
    if factor == 1.0:
        yield "These are estimates from telemetry; no invoice has corrected them."
    else:
        yield f"These are estimates from telemetry, times {factor:.4f} by what earlier invoices said."
    first, last = _day(cost.start_s), _day(max(cost.start_s, cost.end_s - 1))
    days = first if first == last else f"{first} to {last}"
    yield f"To restate when the invoice for {days} (UTC) is final: spend, cost beyond normal, both tables."
    yield ""


def _duration(seconds: int) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _stamp(time_s: int) -> str:
    """With the year: a postmortem is read for years."""
    return f"{_day(time_s)} {text.clock(time_s, time_s)}"


def _day(time_s: int) -> str:
    return invoices.day_name(time_s // DAY_S)


def _plain(words: str) -> str:
    """Text from outside, on one line and without Markdown of its own."""
    escaped = "".join("\\" + letter if letter in "\\`*_[]<>|#" else letter for letter in words)
    return " ".join(escaped.split())


def _code(name: str) -> str:
    """A name as code; what would end the code, or a table's cell, is replaced."""
    return f"`{' '.join(name.replace('`', chr(39)).replace('|', '¦').split())}`"

"""The complete text of a page, for someone who has just been woken: at most 30 lines of plain text."""

from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import quote

from stream.alerts import text
from stream.schema.alerts import Alert, State
from stream.schema.signals import Share

_MOST: Final = 3  # of drivers, parts and attached scopes: what fits in one look
_REASON: Final = 300  # characters
# Names come from outside, up to 1,024 characters a label; what is longer says nothing more to people.
_NAME: Final = 200


class Fact(NamedTuple):
    """One thing that a page says; each of `lines` is one line of text without control characters."""

    name: str
    lines: tuple[str, ...]


def render(alert: Alert) -> str:
    """Everything a page must say, one fact a line. The last line is the dedup key."""
    lines = [title(alert), ""]
    for fact in (*facts(alert), None, *links(alert)):
        if fact is None:
            lines.append("")
            continue
        for index, line in enumerate(fact.lines):
            lines.append(f"{'' if index else fact.name:<14} {line}".rstrip())
    return "\n".join(lines)


def title(alert: Alert) -> str:
    """`PAGE (fast) firing: service=shop/checkout burns $412/h, ...`."""
    tier = f" ({alert.tier})" if alert.tier else ""
    return _line(f"{alert.severity.upper()}{tier} {alert.state}: {alert.summary}")


def facts(alert: Alert) -> list[Fact]:
    """What one must know to act, the most urgent first."""
    return [Fact(name, tuple(_line(line) for line in lines)) for name, lines in _facts(alert)]


def links(alert: Alert) -> list[Fact]:
    """Where to go on from here."""
    named = (("runbook", alert.runbook_url), ("console", alert.console_url), ("key", alert.dedup_key))
    return [Fact(name, (_line(value, len(value)),)) for name, value in named]


def _facts(alert: Alert) -> Iterator[tuple[str, list[str]]]:
    yield "burn", [text.burn(alert)]
    yield "beyond normal", [f"{text.usd_of(alert.excess_nusd)} so far"]
    yield "month", [_month(alert)]
    yield "budget", [_budget(alert)]
    yield "began", [_began(alert)]
    if alert.reason:
        yield "why", [alert.reason[:_REASON]]
    if alert.drivers:
        yield "last 60 min", _shares(alert.drivers)
    if alert.children:
        yield "parts", _shares(alert.children)
    if alert.attached:
        also = [f"{short(one.scope)} ({text.usd(one.burn_usd_per_hour)}/h)" for one in alert.attached[:_MOST]]
        more = len(alert.attached) - _MOST
        yield "also moves", [", ".join(also) + (f" and {more} more" if more > 0 else "")]
    yield "deploy", _deploy(alert)
    yield "how sure", [_how_sure(alert)]


def cut(value: str, most: int) -> str:
    """At most so many characters of one line."""
    value = _line(value, len(value))
    return value if len(value) <= most else f"{value[: most - 1]}…"


def filled(url: str, alert: Alert) -> str:
    """A configured address with {scope} filled in."""
    return url.replace("{scope}", quote(alert.scope, safe=""))


def short(name: str) -> str:
    """A name as people are shown it: one line, cut where it is very long."""
    return cut(name, _NAME)


def _line(value: str, longest: int = 1000) -> str:
    """One line: a forged second one could carry a false runbook."""
    return "".join(each for each in " ".join(value.split()) if each.isprintable())[:longest]


def _month(alert: Alert) -> str:
    spent = f"{text.usd_of(alert.month_to_date_nusd)} so far"
    if alert.projection_usd is None:
        return f"{spent}; too early to project"
    low, high = alert.projection_low_usd, alert.projection_high_usd
    between = "" if low is None or high is None else f" ({text.usd(low)} to {text.usd(high)})"
    return f"{text.usd(alert.projection_usd)}{between} if it goes on like this; {spent}"


def _budget(alert: Alert) -> str:
    if alert.budget_usd is None:
        return "none set"
    runs_out = alert.budget_exhaustion_s
    if runs_out is None:
        return f"{text.usd(alert.budget_usd)}, lasts the month"
    word = "used up since" if runs_out <= alert.time_s else "runs out on"
    return f"{text.usd(alert.budget_usd)}, {word} {text.clock(runs_out)}"


def _began(alert: Alert) -> str:
    began = text.clock(alert.onset_s)
    if alert.state == State.RESOLVED:
        return f"{began}, clear at {text.clock(alert.time_s, alert.onset_s)}"
    seconds = (alert.emitted_ms - alert.spent_ms) / 1000
    return f"{began}; told {seconds:,.0f} s after the spend that showed it"


def _shares(shares: tuple[Share, ...]) -> list[str]:
    return [
        f"{short(share.name)} {text.usd_of(share.cost_nusd)}, {text.usd_of(share.excess_nusd)} beyond normal"
        for share in shares[:_MOST]
    ]


def _deploy(alert: Alert) -> list[str]:
    if alert.blame is None:
        return ["none near the start"]
    when = text.clock(alert.blame.time_s, alert.onset_s)
    said = f"{short(alert.blame.what)} at {when}, {alert.blame.probability:.0%} likely to blame"
    return [said, alert.blame.url] if alert.blame.url else [said]


def _how_sure(alert: Alert) -> str:
    kind = "no baseline yet" if alert.baseline_usd_per_hour is None else f"baseline by {alert.baseline_kind}"
    if alert.calibration == 1.0:
        return f"{kind}; estimates not yet calibrated by an invoice"
    return f"{kind}; estimates calibrated ×{alert.calibration:.3g} by invoices"

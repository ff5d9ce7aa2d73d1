"""The complete text of a page, for someone who has just been woken: at most 32 lines of plain text."""

from stream.notify.facts import Fact, facts
from stream.notify.words import for_browsers, line
from stream.schema.alerts import TEST, Alert

_WIDTH = 14  # of the names of facts


def render(alert: Alert) -> str:
    """Everything a page must say, one fact a line. The last line is the dedup key."""
    lines = (f"{name:<{_WIDTH}} {value}".rstrip() for name, value in rows(alert))
    return "\n".join([title(alert), "", *lines])


def rows(alert: Alert) -> list[tuple[str, str]]:
    """All below the title as (name, line of text): facts, an empty row, and where to go on from here."""
    return [*_rows(facts(alert)), ("", ""), *_rows(_references(alert))]


def title(alert: Alert) -> str:
    """`PAGE (fast) firing: service=shop/checkout burns $412/h, ...`."""
    if alert.about == TEST:
        return line(f"TEST {alert.state}: {alert.summary}")
    tier = f" ({alert.tier})" if alert.tier else ""
    state = "" if alert.digest is not None else f" {alert.state}"
    return line(f"{alert.severity.upper()}{tier}{state}: {alert.summary}")


def links(alert: Alert) -> list[tuple[str, str]]:
    """Where to go on from here: words and addresses."""
    deploy = alert.blame.url if alert.blame is not None else ""
    named = (("runbook", alert.runbook_url), ("console", alert.console_url), ("deploy", deploy))
    return for_browsers(*named, ("say whether it was real", alert.feedback_url))


def _references(alert: Alert) -> list[Fact]:
    named = [("runbook", alert.runbook_url), ("console", alert.console_url), ("key", alert.dedup_key)]
    if alert.feedback_url:
        named.insert(2, ("was it real?", alert.feedback_url))
    return [Fact(name, (line(value, len(value)),)) for name, value in named if value]


def _rows(told: list[Fact]) -> list[tuple[str, str]]:
    return [("" if index else fact.name, value) for fact in told for index, value in enumerate(fact.lines)]

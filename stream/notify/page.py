"""The complete text of a page, for someone who has just been woken: at most 30 lines of plain text."""

from collections.abc import Iterator
from typing import Final

from stream.alerts import text
from stream.schema.alerts import Alert, State
from stream.schema.signals import Share

_MOST: Final = 3  # of drivers, parts and attached scopes: what fits in one look
_REASON: Final = 300  # characters


def render(alert: Alert) -> str:
    """Everything a page must say, one fact a line. The last line is the dedup key."""
    return "\n".join(" ".join(line.splitlines()).rstrip() for line in _lines(alert))


def _lines(alert: Alert) -> Iterator[str]:
    tier = f" ({alert.tier})" if alert.tier else ""
    yield f"{alert.severity.upper()}{tier} {alert.state}: {alert.summary}"
    yield ""
    yield _fact("burn", text.burn(alert))
    yield _fact("beyond normal", f"{text.usd_of(alert.excess_nusd)} so far")
    yield _fact("month", _month(alert))
    yield _fact("budget", _budget(alert))
    yield _fact("began", _began(alert))
    if alert.reason:
        yield _fact("why", " ".join(alert.reason[:_REASON].split()))
    yield from _shares("last 60 min", alert.drivers)
    yield from _shares("parts", alert.children)
    if alert.attached:
        also = [f"{one.scope} ({text.usd(one.burn_usd_per_hour)}/h)" for one in alert.attached[:_MOST]]
        more = len(alert.attached) - _MOST
        yield _fact("also moves", ", ".join(also) + (f" and {more} more" if more > 0 else ""))
    yield from _deploy(alert)
    yield _fact("how sure", _how_sure(alert))
    yield ""
    yield _fact("runbook", alert.runbook_url)
    yield _fact("console", alert.console_url)
    yield _fact("key", alert.dedup_key)


def _fact(name: str, value: str) -> str:
    return f"{name:<14} {value}"


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


def _shares(name: str, shares: tuple[Share, ...]) -> Iterator[str]:
    for share in shares[:_MOST]:
        cost, excess = text.usd_of(share.cost_nusd), text.usd_of(share.excess_nusd)
        yield _fact(name, f"{share.name} {cost}, {excess} beyond normal")
        name = ""


def _deploy(alert: Alert) -> Iterator[str]:
    if alert.blame is None:
        yield _fact("deploy", "none near the start")
        return
    when = text.clock(alert.blame.time_s, alert.onset_s)
    yield _fact("deploy", f"{alert.blame.what} at {when}, {alert.blame.probability:.0%} likely to blame")
    if alert.blame.url:
        yield _fact("", alert.blame.url)


def _how_sure(alert: Alert) -> str:
    kind = "no baseline yet" if alert.baseline_usd_per_hour is None else f"baseline by {alert.baseline_kind}"
    if alert.calibration == 1.0:
        return f"{kind}; estimates not yet calibrated by an invoice"
    return f"{kind}; estimates calibrated ×{alert.calibration:.3g} by invoices"

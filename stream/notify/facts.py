"""What one must know of an alert to act, one fact at a time, the most urgent first."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from stream.alerts import contain, text
from stream.notify.words import line, short
from stream.schema.actions import Action, Step
from stream.schema.alerts import (
    DELIVERY,
    METER,
    SPEND,
    Alert,
    Digest,
    DigestLine,
    Happening,
    State,
)
from stream.schema.signals import Share

_MOST: Final = 3  # of drivers, parts and attached scopes: what fits in one look
_MOST_STEPS: Final = 2
_MOST_LINES: Final = 50  # of a digest
_REASON: Final = 300  # characters
# What the median of a kind of baseline is taken of.
_SAMPLES: Final = {"hour of week": "week", "hour of day": "day", "trailing day": "hour"}


class Fact(NamedTuple):
    """One thing that a page says; each of `lines` is one line of text without control characters."""

    name: str
    lines: tuple[str, ...]


def facts(alert: Alert) -> list[Fact]:
    """All of them."""
    if alert.about == METER:
        found = _of_meter(alert)
    elif alert.about != SPEND:
        found = _of_notify(alert)
    else:
        found = _digest(alert.digest) if alert.digest is not None else _facts(alert)
    return [Fact(name, tuple(line(each) for each in lines)) for name, lines in found]


def _facts(alert: Alert) -> Iterator[tuple[str, list[str]]]:
    yield "burn", [text.burn(alert)]
    yield "beyond normal", [f"{text.usd_of(alert.excess_nusd)} so far"]
    yield "month", [_month(alert)]
    yield "budget", [_budget(alert)]
    yield "began", [_began(alert)]
    if alert.reason:
        yield "why", [alert.reason[:_REASON]]
    yield from _people(alert)
    if alert.drivers:
        yield "last 60 min", _shares(alert.drivers)
    if alert.children:
        yield "parts", _shares(alert.children)
    if alert.attached:
        also = [f"{short(one.scope)} ({text.usd(one.burn_usd_per_hour)}/h)" for one in alert.attached[:_MOST]]
        more = len(alert.attached) - _MOST
        yield "also moves", [", ".join(also) + (f" and {more} more" if more > 0 else "")]
    yield "deploy", _deploy(alert)
    if alert.happenings:
        yield "also happened", [_happening(one, alert) for one in alert.happenings]
    if alert.steps:
        yield "contain", _contain(alert)
    for action in alert.actions:
        yield "proposed", _proposed(action, alert.time_s)
    yield "how sure", [_how_sure(alert)]


def _of_meter(alert: Alert) -> Iterator[tuple[str, list[str]]]:
    """What burnline does not see as it should."""
    sentences = alert.reason.split(". ")
    yield (
        "what",
        [f"{each.removesuffix('.')}." for each in sentences[1:] or sentences],
    )  # the first is the title
    until = (
        f", well again at {text.clock(alert.time_s, alert.onset_s)}" if alert.state == State.RESOLVED else ""
    )
    yield "since", [text.clock(alert.onset_s) + until]
    yield from _people(alert)


def _of_notify(alert: Alert) -> Iterator[tuple[str, list[str]]]:
    """A test, or a destination that takes nothing."""
    yield "what", [alert.reason]
    yield "since" if alert.about == DELIVERY else "sent", [text.clock(alert.onset_s)]
    if alert.about == DELIVERY and alert.state != State.RESOLVED:
        yield "meanwhile", ["watch the console: alerts that go there alone are seen nowhere else"]


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
    if not alert.emitted_ms:  # as it stands, and not as it was told
        return began
    seconds = (alert.emitted_ms - alert.spent_ms) / 1000
    return f"{began}; told {seconds:,.0f} s after the spend that showed it"


def _people(alert: Alert) -> Iterator[tuple[str, list[str]]]:
    """What people have said of it, and whether it keeps coming back."""
    if (mine := alert.acknowledged) is not None and alert.state == State.ACKNOWLEDGED:
        until = f", quiet until {text.clock(mine.until_s, alert.time_s)}" if mine.until_s else ""
        note = f": {short(mine.note)}" if mine.note else ""
        yield "taken by", [f"{short(mine.by)} at {text.clock(mine.at_s, alert.time_s)}{until}{note}"]
    if (plan := alert.plan) is not None:
        ceiling = (
            f"up to {text.usd(plan.ceiling_usd_per_hour)}/h until {text.clock(plan.until_s, alert.time_s)}"
        )
        note = f": {short(plan.note)}" if plan.note else ""
        yield "planned", [f"{ceiling}, by {short(plan.by)}{note}"]
    if (held := alert.held_back) is not None:
        note = f": {short(held.note)}" if held.note else ""
        yield "held back", [f"by {held.kind} {short(held.id)} from {text.clock(held.since_s)}{note}"]
    if alert.fired_count > 1:
        yield "flaps", [f"fired {alert.fired_count} times of late"]


def _shares(shares: tuple[Share, ...]) -> list[str]:
    return [
        f"{short(share.name)} {text.usd_of(share.cost_nusd)}, {text.usd_of(share.excess_nusd)} beyond normal"
        for share in shares[:_MOST]
    ]


def _deploy(alert: Alert) -> list[str]:
    if alert.blame is None:
        return ["none is likely to blame"]
    when = text.clock(alert.blame.time_s, alert.onset_s)
    said = f"{short(alert.blame.what)} at {when}, {alert.blame.probability:.0%} likely to blame"
    return [said, alert.blame.url] if alert.blame.url else [said]


def steps(alert: Alert) -> list[Step]:
    """The ways to contain it that a page has room for. None of them lacks a label."""
    return contain.ready(alert)[:_MOST_STEPS]


def _contain(alert: Alert) -> list[str]:
    part = "" if alert.steps_of == alert.scope else f", in {short(alert.steps_of)}"
    lines = []
    for step in steps(alert):
        first = [f"first: {step.before}"] if step.before else []
        lines += [step.what + part, *first, step.run, f"undo: {step.undo}"]
    missing = " or ".join(alert.steps[0].missing)
    return lines or [f"as the runbook says: no label of {short(alert.steps_of)} names its {missing}"]


def _happening(one: Happening, alert: Alert) -> str:
    """`02:41 UTC to 02:47 UTC: checkout scaled from 3 to 40 by the autoscaler`."""
    began, ended = text.clock(one.time_s, alert.onset_s), text.clock(one.until_s, alert.onset_s)
    return f"{began if began == ended else f'{began} to {ended}'}: {short(one.what)}"


def _proposed(action: Action, today_s: int) -> list[str]:
    trial = ", as a dry run" if action.dry_run else ""
    until = text.clock(action.expires_s, today_s)
    return [f"{action.step.what}{trial}; until {until}: burnline action approve {action.id} --by NAME"]


def _how_sure(alert: Alert) -> str:
    if alert.baseline_usd_per_hour is None:
        kind = "no baseline yet, only budgets and plans watch it"
    else:
        count, unit = alert.baseline_samples, _SAMPLES.get(alert.baseline_kind, "sample")
        known_by = f" over {count} {unit}{'s' * (count != 1)}" if count else ""
        kind = f"baseline by {alert.baseline_kind}{known_by}"
    if alert.calibration == 1.0:
        return f"{kind}; estimates not yet calibrated by an invoice"
    return f"{kind}; estimates calibrated ×{alert.calibration:.3g} by invoices"


def _digest(digest: Digest) -> Iterator[tuple[str, list[str]]]:
    yield "from", [f"{text.clock(digest.since_s)} to {text.clock(digest.until_s)}"]
    for number, each in enumerate(digest.lines[:_MOST_LINES], start=1):
        yield str(number), _digest_line(each)
    left_off = digest.left_off + max(0, len(digest.lines) - _MOST_LINES)
    if left_off:
        yield "and", [f"{left_off} smaller ones"]


def _digest_line(each: DigestLine) -> list[str]:
    normal = each.baseline_usd_per_hour
    usually = "" if normal is None else f", normally {text.usd(normal)}/h"
    said = (
        f"{short(each.scope)}: {text.usd_of(each.excess_nusd)} beyond normal, {each.trend},"
        f" since {text.clock(each.since_s)}; {text.usd(each.burn_usd_per_hour)}/h now{usually}"
    )
    return [said, f"{each.detector}: {each.reason[:_REASON]}", each.console_url]

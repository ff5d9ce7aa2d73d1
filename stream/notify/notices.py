"""Alerts that notify itself makes: test deliveries, and that a destination does not take alerts."""

from typing import Final

import msgspec

from stream.alerts import text
from stream.schema.alerts import DELIVERY, EMPTY, TEST, Alert, Severity, State
from stream.schema.notify_state import Proof

_EMPTY: Final = msgspec.structs.replace(EMPTY, severity=Severity.TICKET, detectors=("delivery",))


def trial(
    destination: str, key: str, severity: Severity, now_ms: int, runbook_url: str, console_url: str
) -> Alert:
    """A test delivery to one destination; `key` is its own."""
    return msgspec.structs.replace(
        _EMPTY,
        dedup_key=key,
        severity=severity,
        about=TEST,
        destination=destination,
        labels={"destination": destination},
        summary=f"This is a test of {destination} by burnline: nothing is wrong",
        reason="Somebody asked for it. It ends by itself; there is nothing to do.",
        time_s=now_ms // 1000,
        onset_s=now_ms // 1000,
        fired_s=now_ms // 1000,
        spent_ms=now_ms,
        emitted_ms=now_ms,
        runbook_url=runbook_url,
        console_url=console_url,
    )


def failing(proof: Proof, pages: bool) -> Alert:
    """For all other destinations: this one takes no alert."""
    assert proof.failing_since_ms is not None or proof.alarm is not None
    since_s = (proof.failing_since_ms or (proof.alarm.since_ms if proof.alarm else 0)) // 1000
    what = "Its address or credential is wrong: mend it." if proof.blocked else "It is away or busy."
    return _about(
        proof,
        Severity.PAGE if pages else Severity.TICKET,
        f"{proof.destination} has taken no alert since {text.clock(since_s)}",
        f"{what} It answered: {proof.detail or 'nothing'}. What waits is delivered once it takes it.",
    )


def unproven(proof: Proof) -> Alert:
    """For all other destinations: nobody knows whether this one works."""
    return _about(
        proof,
        Severity.TICKET,
        f"{proof.destination} has never taken an alert, so nobody knows whether it would",
        f"Send it a test: burnline notify test {proof.destination}",
    )


def _about(proof: Proof, severity: Severity, summary: str, reason: str) -> Alert:
    return msgspec.structs.replace(
        _EMPTY,
        severity=severity,
        about=DELIVERY,
        destination=proof.destination,
        labels={"destination": proof.destination},
        summary=summary,
        reason=reason,
    )


def resolved(alert: Alert, now_ms: int) -> Alert:
    """Its end."""
    now_s = now_ms // 1000
    end = f"{alert.destination} takes alerts again" if alert.about == DELIVERY else alert.summary
    return msgspec.structs.replace(
        alert,
        state=State.RESOLVED,
        time_s=now_s,
        resolved_s=now_s,
        summary=end,
        spent_ms=now_ms,
        emitted_ms=now_ms,
    )

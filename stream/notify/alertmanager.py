"""Alertmanager, API v2.

An alert there *is* its label set, so labels hold nothing that changes within a dedup key: no number, time
or dollar. It forgets what is not repeated: a firing alert is sent again every `resend_s` with an end four
times as far ahead, which survives three lost repeats. An escalation changes severity or tier, thus the
label set; the same request ends the old one.

Which label set a `previous_key` had is remembered from its delivery or from `resume`. If it is not (a
restart right between the two), the old alert is no longer repeated and ends within 4 × `resend_s`.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stream import config_notify as config
from stream.notify import page
from stream.notify.destination import Answer, Request, Verdict, of_status
from stream.notify.memory import Memory
from stream.notify.times import rfc3339
from stream.schema.alerts import DELIVERY, TEST, Alert, State

ALERTNAME: Final = "BurnlineSpend"
_LIVES: Final = 4  # an alert outlives three lost repeats
_OURS: Final = frozenset({"alertname", "severity", "tier", "scope"})


class Alertmanager:
    """One Alertmanager. Of a cluster, name every peer as a destination of its own, no load balancer."""

    def __init__(self, settings: config.Alertmanager, resend_s: int) -> None:
        self.settings = settings
        self.memory = Memory()
        self._url = f"{settings.url.rstrip('/')}/api/v2/alerts"
        self.urls = (self._url,)
        self._lasts_ms = _LIVES * resend_s * 1000
        self._headers = {"Content-Type": "application/json"}
        if settings.token is not None:
            self._headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
        self._firing: dict[str, Alert] = {}

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Request]:
        alerts = [self._wire(alert, now_ms, ended=alert.state == State.RESOLVED)]
        if alert.about == TEST and alert.state == State.RESOLVED:
            return []  # it ends by itself, after the waits of its route
        previous = self._firing.get(alert.previous_key or "")
        if previous is not None and labels(previous) != labels(alert):
            alerts.append(self._wire(previous, now_ms, ended=True))
        return [Request(self._url, msgspec.json.encode(alerts), self._headers)]

    def verdict(self, answer: Answer) -> Verdict:
        return of_status(answer)

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        self._firing.pop(alert.previous_key or "", None)
        if alert.about == TEST:
            return
        if alert.state == State.RESOLVED or not answers:  # one that was refused would spoil every repeat
            self._firing.pop(alert.dedup_key, None)
        else:
            self._firing[alert.dedup_key] = alert

    def resume(self, alert: Alert) -> None:
        if alert.state not in (State.PENDING, State.RESOLVED):
            self._firing[alert.dedup_key] = alert

    def repeat(self, now_ms: int) -> Request | None:
        if not self._firing:
            return None
        alerts = [self._wire(alert, now_ms, ended=False) for alert in self._firing.values()]
        return Request(self._url, msgspec.json.encode(alerts), self._headers)

    def _wire(self, alert: Alert, now_ms: int, ended: bool) -> dict[str, Any]:
        # Alertmanager refuses an end before its start, which event time ahead of the clock would make.
        starts_ms = min(alert.fired_s * 1000, now_ms)
        return {
            "labels": labels(alert),
            "annotations": {
                "summary": alert.summary,
                "description": page.render(alert),
                "runbook_url": alert.runbook_url,
                "dashboard_url": alert.console_url,
            },
            "startsAt": rfc3339(starts_ms),
            "endsAt": rfc3339(now_ms if ended else now_ms + self._lasts_ms),
            "generatorURL": alert.console_url,
        }


def labels(alert: Alert) -> dict[str, str]:
    """The identity of an alert: ours, then the scope's own.

    A character that a label's name can't have becomes `_`; a scope's label called like one of ours gets
    `exported_` before it, as Prometheus does. Empty values are left out, as Alertmanager would.
    """
    name = {TEST: "BurnlineTest", DELIVERY: "BurnlineDelivery"}.get(alert.about, ALERTNAME)
    own = {"alertname": name, "severity": str(alert.severity), "tier": alert.tier, "scope": alert.scope}
    for name, value in alert.labels.items():
        safe = re.sub(r"[^a-zA-Z0-9_]|^(?=\d)", "_", name)
        own[f"exported_{safe}" if safe in _OURS else safe] = value
    return {name: value for name, value in own.items() if value}

"""PagerDuty, Events API v2: one incident a dedup key.

A page whose tier rises comes under a new key, since an incident that someone has acknowledged does not ring
again; the old incident is then resolved. One that someone gives back rings anew under its own key, with an
end in between. Events may come twice: an open key takes a trigger as no news, and a resolve without an open
incident is dropped there.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stream import config_notify as config
from stream.notify import page
from stream.notify.destination import Answer, Request, Verdict, of_status
from stream.notify.facts import facts
from stream.notify.memory import Memory
from stream.notify.times import rfc3339
from stream.notify.words import cut, filled, short
from stream.schema.alerts import TEST, Alert, State

# What PagerDuty takes: characters of a summary and of a key, and bytes of an event.
SUMMARY: Final = 1024
KEY: Final = 255
EVENT_BYTES: Final = 512 * 1024
_TEXT: Final = 500  # of each small field


class PagerDuty:
    """One service of PagerDuty."""

    def __init__(self, settings: config.PagerDuty) -> None:
        self.settings = settings
        self.urls = (settings.url,)
        self.memory = Memory()
        self._acknowledged: set[str] = set()

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Request]:
        key = alert.dedup_key
        match alert.state:
            case State.RESOLVED:
                return [self._follow_up("resolve", key)]
            case State.ACKNOWLEDGED:
                return [self._follow_up("acknowledge", key)]
        trigger = self._request(self._trigger(alert))
        if key in self._acknowledged:
            return [self._follow_up("resolve", key), trigger]
        # The new incident first: between the two there is one too many, never none.
        ended = [alert.previous_key] if alert.previous_key else []
        return [trigger, *(self._follow_up("resolve", key) for key in ended)]

    def verdict(self, answer: Answer) -> Verdict:
        # A wrong key is a 400 like a wrong event, and only the words tell them apart.
        if answer.status == 400 and re.search(rb"routing.key", answer.body, re.IGNORECASE):
            return Verdict.BLOCKED
        return of_status(answer)

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        self._acknowledged -= {alert.dedup_key, alert.previous_key}
        self.resume(alert)

    def resume(self, alert: Alert) -> None:
        if alert.state == State.ACKNOWLEDGED:
            self._acknowledged.add(alert.dedup_key)

    def repeat(self, now_ms: int) -> Request | None:
        return None

    def _request(self, event: dict[str, Any]) -> Request:
        event["routing_key"] = self.settings.routing_key.get_secret_value()
        return Request(self.settings.url, msgspec.json.encode(event), {"Content-Type": "application/json"})

    def _follow_up(self, action: str, dedup_key: str) -> Request:
        return self._request({"event_action": action, "dedup_key": fitting_key(dedup_key)})

    def _trigger(self, alert: Alert) -> dict[str, Any]:
        image = self.settings.image_url
        return {
            "event_action": "trigger",
            "dedup_key": fitting_key(alert.dedup_key),
            "payload": {
                "summary": cut(page.title(alert) if alert.about == TEST else alert.summary, SUMMARY),
                "source": cut(alert.scope, _TEXT),
                "severity": self._severity(alert),
                "timestamp": rfc3339(alert.fired_s * 1000),
                "component": cut(alert.labels.get("service", alert.scope), _TEXT),
                "group": cut(alert.labels.get("team", alert.labels.get("namespace", "")), _TEXT),
                "class": alert.detectors[0] if alert.detectors else "",
                "custom_details": {
                    **{fact.name: "\n".join(fact.lines) for fact in facts(alert)},
                    "labels": {short(k): short(v) for k, v in alert.labels.items()},
                    "key": alert.dedup_key,
                },
            },
            "links": [{"href": url, "text": words} for words, url in page.links(alert)],
            "images": [{"src": filled(image, alert.scope), "alt": short(alert.scope)}] if image else [],
            "client": "burnline",
            "client_url": alert.console_url,
        }

    def _severity(self, alert: Alert) -> str:
        settings = self.settings
        if alert.about == TEST:
            return "info"
        named = {"page": settings.page_severity, "ticket": settings.ticket_severity}
        return named.get(alert.severity, settings.digest_severity)


def fitting_key(dedup_key: str) -> str:
    """The key itself, or where it is too long its beginning and a digest of all of it."""
    if len(dedup_key) <= KEY:
        return dedup_key
    digest = hashlib.sha256(dedup_key.encode()).hexdigest()[:16]
    return f"{dedup_key[: KEY - 17]}~{digest}"

"""PagerDuty, Events API v2: one incident a dedup key.

A page whose tier rises comes under a new key, since an incident that someone has acknowledged does not ring
again; the old incident is then resolved. Events may come twice: an open key takes a trigger as no news, and
a resolve without an open incident is dropped there.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stream import config_notify as config
from stream.notify import page
from stream.notify.destination import Answer, Request, Verdict, of_status
from stream.notify.times import rfc3339
from stream.schema.alerts import Alert, State

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

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Request]:
        if alert.state == State.RESOLVED:
            return [self._request(self._end(alert.dedup_key))]
        trigger = self._request(self._trigger(alert))
        # The new incident first: between the two there is one too many, never none.
        ended = [alert.previous_key] if alert.previous_key else []
        return [trigger, *(self._request(self._end(key)) for key in ended)]

    def verdict(self, answer: Answer) -> Verdict:
        # A wrong key is a 400 like a wrong event, and only the words tell them apart.
        if answer.status == 400 and re.search(rb"routing.key", answer.body, re.IGNORECASE):
            return Verdict.BLOCKED
        return of_status(answer)

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        """Nothing to remember."""

    def resume(self, alert: Alert) -> None:
        """Nothing to remember."""

    def repeat(self, now_ms: int) -> Request | None:
        return None

    def _request(self, event: dict[str, Any]) -> Request:
        event["routing_key"] = self.settings.routing_key.get_secret_value()
        return Request(self.settings.url, msgspec.json.encode(event), {"Content-Type": "application/json"})

    def _end(self, dedup_key: str) -> dict[str, Any]:
        return {"event_action": "resolve", "dedup_key": fitting_key(dedup_key)}

    def _trigger(self, alert: Alert) -> dict[str, Any]:
        image = self.settings.image_url
        return {
            "event_action": "trigger",
            "dedup_key": fitting_key(alert.dedup_key),
            "payload": {
                "summary": page.cut(alert.summary, SUMMARY),
                "source": page.cut(alert.scope, _TEXT),
                "severity": self._severity(alert),
                "timestamp": rfc3339(alert.fired_s * 1000),
                "component": page.cut(alert.labels.get("service", alert.scope), _TEXT),
                "group": page.cut(alert.labels.get("team", alert.labels.get("namespace", "")), _TEXT),
                "class": alert.detectors[0] if alert.detectors else "",
                "custom_details": {
                    **{fact.name: "\n".join(fact.lines) for fact in page.facts(alert)},
                    "labels": {page.short(k): page.short(v) for k, v in alert.labels.items()},
                    "key": alert.dedup_key,
                },
            },
            "links": [{"href": url, "text": words} for words, url in _links(alert)],
            "images": [{"src": page.filled(image, alert), "alt": page.short(alert.scope)}] if image else [],
            "client": "burnline",
            "client_url": alert.console_url,
        }

    def _severity(self, alert: Alert) -> str:
        settings = self.settings
        named = {"page": settings.page_severity, "ticket": settings.ticket_severity}
        return named.get(alert.severity, settings.digest_severity)


def _links(alert: Alert) -> list[tuple[str, str]]:
    """Only what a browser may open: a deploy's address comes from outside."""
    deploy = ("deploy", alert.blame.url) if alert.blame else ("", "")
    named = (("runbook", alert.runbook_url), ("console", alert.console_url), deploy)
    return [(words, url) for words, url in named if url.startswith(("http://", "https://"))]


def fitting_key(dedup_key: str) -> str:
    """The key itself, or where it is too long its beginning and a digest of all of it."""
    if len(dedup_key) <= KEY:
        return dedup_key
    digest = hashlib.sha256(dedup_key.encode()).hexdigest()[:16]
    return f"{dedup_key[: KEY - 17]}~{digest}"

"""A generic webhook: one JSON object a transition.

    {"event": "firing" | "escalated" | "resolved", "dedup_key": "...", "previous_key": "..." | null,
     "text": "the page as people read it", "alert": {every field of the `alerts` topic}}

What becomes of an action whose rule names this destination comes as a CloudEvent, see
`stream.schema.actions`.

With a secret, a receiver can tell that burnline wrote it, and when:

    X-Burnline-Timestamp: 1767276123
    X-Burnline-Signature: sha256=<hex HMAC-SHA256 of "1767276123." + body>

The time is part of what is signed, so an old request can't be sent again with a new one.
"""

import hashlib
import hmac
from collections.abc import Sequence

import msgspec

from stream import config_notify as config
from stream.notify import page
from stream.notify.destination import Answer, Request, Verdict, of_status
from stream.notify.memory import Memory
from stream.schema import actions
from stream.schema.alerts import Alert


class Webhook:
    """One URL. It may get a transition twice, always under the same dedup key."""

    def __init__(self, settings: config.Webhook) -> None:
        self.settings = settings
        self.memory = Memory()
        self.urls = (settings.url,)
        self._secret = settings.secret

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Request]:
        if alert.action is not None:
            body = actions.encode(actions.due(alert.action, now_ms // 1000))
            headers = {"Content-Type": "application/cloudevents+json"}
        else:
            body = msgspec.json.encode(
                {
                    "event": alert.state,
                    "dedup_key": alert.dedup_key,
                    "previous_key": alert.previous_key,
                    "text": page.render(alert),
                    "alert": alert,
                }
            )
            headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            timestamp = str(now_ms // 1000)
            headers["X-Burnline-Timestamp"] = timestamp
            headers["X-Burnline-Signature"] = sign(self._secret.get_secret_value(), timestamp, body)
        return [Request(self.settings.url, body, headers)]

    def verdict(self, answer: Answer) -> Verdict:
        return of_status(answer)

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        """Nothing to remember."""

    def resume(self, alert: Alert) -> None:
        """Nothing to remember."""

    def repeat(self, now_ms: int) -> Request | None:
        return None


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `X-Burnline-Signature`."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"

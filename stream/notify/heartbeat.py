"""The dead man's switch: a sign of life that stops when burnline no longer watches spend.

It is sent while time moves through the whole pipeline: the alerts stage has committed, from every spend
partition, an evaluation that is not older than `stale_after_s`. A process that lives and sees nothing sends
none. Who notices must be outside: a service that pages when it hears nothing, or a route of Alertmanager to
one. PagerDuty is none: to it, no events are good news.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from stream.config_notify import Heartbeat
from stream.notify.destination import Request
from stream.notify.times import rfc3339
from stream.notify.transport import Transport

_LIVES = 4  # a Watchdog outlives three that got lost

_log = logging.getLogger(__name__)


class Beats(Protocol):
    """Told how each went, for metrics: `sent`, `failed`, or `withheld` since nothing moves."""

    def beat(self, heartbeat: str, outcome: str) -> None: ...


class Heart:
    """One heartbeat. `seen_s` gives the event time up to which all spend has been judged; None while the
    alerts stage is not here, and then another process beats."""

    def __init__(
        self,
        settings: Heartbeat,
        transport: Transport,
        seen_s: Callable[[], int | None],
        beats: Beats,
        *,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._seen_s = seen_s
        self._beats = beats
        self._now_ms = now_ms
        self._sleep = sleep
        self._went = ""

    async def beat_forever(self) -> None:
        """Run it as a task; cancel it to stop."""
        while True:
            await self.beat()
            await self._sleep(self._settings.every_s)

    async def beat(self) -> None:
        """Once, if all is well."""
        seen_s = self._seen_s()
        if seen_s is None:
            return
        behind_s = self._now_ms() / 1000 - seen_s
        if behind_s > self._settings.stale_after_s:
            said = "nothing has been judged yet" if seen_s <= 0 else f"spend is judged {behind_s:,.0f} s late"
            return self._tell("withheld", said)
        answer = await self._transport.send(self._request())
        if answer.status is not None and 200 <= answer.status < 300:
            return self._tell("sent", "")
        self._tell("failed", f"{answer.status or 'no answer'} {answer.detail}".rstrip())

    def _tell(self, outcome: str, why: str) -> None:
        """Metrics count each; the log has what changes."""
        self._beats.beat(self._settings.name, outcome)
        if outcome != self._went:
            level = logging.INFO if outcome == "sent" else logging.WARNING
            _log.log(level, "heartbeat %s is %s%s", self._settings.name, outcome, f": {why}" if why else "")
        self._went = outcome

    def _request(self) -> Request:
        settings, now_ms = self._settings, self._now_ms()
        url = settings.url.get_secret_value()
        if settings.kind == "ping":
            return Request(url, b"", {}, method=settings.method)
        watchdog = {
            "labels": {"alertname": "BurnlineWatchdog", "severity": "none"},
            "annotations": {
                "summary": "burnline watches spend",
                "description": "This always fires. Page when it stops: then nobody watches spend.",
            },
            "startsAt": rfc3339(now_ms),
            "endsAt": rfc3339(now_ms + _LIVES * settings.every_s * 1000),
        }
        headers = {"Content-Type": "application/json"}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
        return Request(f"{url.rstrip('/')}/api/v2/alerts", msgspec.json.encode([watchdog]), headers)

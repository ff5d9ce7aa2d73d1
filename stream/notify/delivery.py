"""Delivery: at least once, in order, to one destination.

`await deliver(alert)` returns when the destination has taken the alert or will never take it. The shell
moves its position on only after that, so a crash repeats a delivery and never loses one.
"""

import asyncio
import datetime as dt
import email.utils
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

import aiohttp

from stream import config
from stream.errors import UserError
from stream.notify.alertmanager import Alertmanager
from stream.notify.destination import Destination, Request
from stream.notify.webhook import Webhook
from stream.schema.alerts import Alert

FIRST_RETRY_S: Final = 1.0
# A destination that comes back is noticed within a minute, and one that is down gets 60 requests an hour.
LONGEST_RETRY_S: Final = 60.0
# Retry-After is obeyed, but no answer may silence pages for longer than an hour.
LONGEST_OBEYED_S: Final = 3600.0
_RETRIED: Final = frozenset({408, 429})
_EXCERPT_BYTES: Final = 200

_log = logging.getLogger(__name__)


class Outcomes(Protocol):
    """Told how each delivery went, for metrics. `destination` is its name."""

    def delivered(self, destination: str, alert: Alert, latency_s: float) -> None:
        """Accepted, `latency_s` after the money that decided was spent."""

    def failed(self, destination: str) -> None:
        """One attempt failed and will be repeated."""

    def undeliverable(self, destination: str) -> None:
        """Refused for good; this transition will not be retried."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, or None when nothing did."""

    status: int | None
    detail: str = ""
    retry_after_s: float | None = None

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def worth_retrying(self) -> bool:
        return self.status is None or self.status >= 500 or self.status in _RETRIED


class Deliverer:
    """One destination and its queue. Calls of `deliver` take their turns in the order they were made.

    `now_ms`, `sleep` and `random` (in [0, 1)) are passed in. Raises `UserError` when the destination's
    host is not allowed.
    """

    def __init__(
        self,
        destination: Destination,
        session: aiohttp.ClientSession,
        settings: config.Notify,
        outcomes: Outcomes,
        *,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        _check_host(destination, settings.allowed_hosts)
        self.destination = destination
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        self._resend_s = settings.resend_s
        self._outcomes = outcomes
        self._now_ms = now_ms
        self._sleep = sleep
        self._random = random
        self._turn = asyncio.Lock()  # wakes those who wait in the order they came: it is the queue

    async def deliver(self, alert: Alert) -> None:
        """Send one transition, again and again until it is accepted or refused for good."""
        async with self._turn:
            attempt = 0
            while True:
                answer = await self._post(self.destination.request(alert, self._now_ms()))
                if answer.accepted or not answer.worth_retrying:
                    break
                wait_s = self._wait_s(attempt, answer)
                self._failed(f"{alert.dedup_key} {alert.state}", answer, wait_s)
                await self._sleep(wait_s)
                attempt += 1
            self.destination.settled(alert)
            if answer.accepted:
                latency_s = (self._now_ms() - alert.spent_ms) / 1000
                self._outcomes.delivered(self.destination.name, alert, latency_s)
            else:
                self._refused(alert, answer)

    async def repeat_forever(self) -> None:
        """Keep the destination from forgetting what fires. Run it as a task; cancel it to stop."""
        while True:
            await self._sleep(self._resend_s)
            await self.repeat()

    async def repeat(self) -> None:
        """Send once more what still fires. A failure waits for the next turn."""
        async with self._turn:
            request = self.destination.repeat(self._now_ms())
            if request is not None:
                answer = await self._post(request)
                if not answer.accepted:
                    self._failed("repeating what fires", answer, self._resend_s)

    async def _post(self, request: Request) -> Answer:
        try:
            # A redirect could lead to a host that is not allowed. Alerts are rare: a kept connection would
            # mostly be one that the server has closed by then, and cost an attempt.
            async with self._session.post(
                request.url,
                data=request.body,
                headers={**request.headers, "Connection": "close"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                if 200 <= response.status < 300:
                    return Answer(response.status)
                text = (await response.content.read(_EXCERPT_BYTES)).decode(errors="replace")
                header = response.headers.get("Retry-After")
                return Answer(response.status, " ".join(text.split()), self._retry_after_s(header))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(None, f"{type(error).__name__} {error}".strip())

    def _retry_after_s(self, header: str | None) -> float | None:
        """Seconds, from either form of the header: a number or a date."""
        if header is None:
            return None
        if header.strip().isdecimal():
            return float(header)
        try:
            moment = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return max(0.0, aware.timestamp() - self._now_ms() / 1000)

    def _wait_s(self, attempt: int, answer: Answer) -> float:
        if answer.retry_after_s is not None:
            return min(answer.retry_after_s, LONGEST_OBEYED_S)
        # Half of it is random, so that many senders do not come back at the same moment.
        longest_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(attempt, 30))
        return longest_s * (0.5 + self._random() / 2)

    def _failed(self, what: str, answer: Answer, wait_s: float) -> None:
        self._outcomes.failed(self.destination.name)
        _log.warning(
            "%s did not take %s: %s %s; trying again in %.1f s",
            self.destination.name,
            what,
            answer.status or "no answer",
            answer.detail,
            wait_s,
        )

    def _refused(self, alert: Alert, answer: Answer) -> None:
        self._outcomes.undeliverable(self.destination.name)
        _log.error(
            "%s refused %s %s for good: status %s %s; check this destination under notify",
            self.destination.name,
            alert.dedup_key,
            alert.state,
            answer.status,
            answer.detail,
        )


def destinations(settings: config.Notify) -> Sequence[Destination]:
    """The destinations of a configuration, in its order."""
    return [
        Alertmanager(one, settings.resend_s) if isinstance(one, config.Alertmanager) else Webhook(one)
        for one in settings.destinations
    ]


def _check_host(destination: Destination, allowed_hosts: Sequence[str]) -> None:
    parts = urlsplit(destination.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"notify destination {destination.name!r}: give its url as http://host or https://host"
        )
    if parts.hostname not in {host.lower() for host in allowed_hosts}:
        raise UserError(
            f"notify destination {destination.name!r} is on host {parts.hostname!r}, which is not in"
            f" notify.allowed_hosts: add it there if alerts may go to it"
        )

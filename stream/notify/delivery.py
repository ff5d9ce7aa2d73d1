"""Delivery: at least once, in order, to one destination.

`await deliver(alert)` returns when the destination has taken the alert or will never take it. The shell
moves its position on only after that, so a crash repeats a delivery and never loses one.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

import aiohttp

from stream.config_notify import Notify
from stream.errors import UserError
from stream.notify.destination import Answer, Destination, Verdict
from stream.notify.selection import Selection
from stream.notify.transport import Transport
from stream.schema.alerts import Alert

FIRST_RETRY_S: Final = 1.0
# A destination that comes back is noticed within a minute, and one that is down gets 60 requests an hour.
LONGEST_RETRY_S: Final = 60.0
# Of a wrong credential: some services lock an account that fails too often. Mended, it is noticed within
# 5 min, or at once by a restart.
FIRST_SLOW_RETRY_S: Final = 30.0
LONGEST_SLOW_RETRY_S: Final = 300.0
# Retry-After is obeyed, but no answer may silence pages for longer than an hour.
LONGEST_OBEYED_S: Final = 3600.0
TOO_MANY: Final = 429  # without Retry-After: PagerDuty asks for minutes

_log = logging.getLogger(__name__)


class Outcomes(Protocol):
    """Told how each delivery went, for metrics. `destination` is its name."""

    def delivered(self, destination: str, alert: Alert, latency_s: float) -> None:
        """Accepted, `latency_s` after the money that decided was spent."""

    def failed(self, destination: str) -> None:
        """One attempt failed and will be repeated."""

    def blocked(self, destination: str) -> None:
        """The same, because the address or the credential is wrong: a person must mend it."""

    def undeliverable(self, destination: str) -> None:
        """Refused for good; this transition will not be retried."""


class Deliverer:
    """One destination and its queue. Calls of `deliver` take their turns in the order they were made.

    `now_ms`, `sleep` and `random` (in [0, 1)) are passed in. Raises `UserError` when the destination's
    host is not allowed.
    """

    def __init__(
        self,
        destination: Destination,
        session: aiohttp.ClientSession,
        settings: Notify,
        outcomes: Outcomes,
        *,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        _check_hosts(destination, settings.allowed_hosts)
        self.destination = destination
        self.name = destination.settings.name
        self._selection = Selection(destination.settings)
        self._transport = Transport(session, settings.timeout_s, now_ms)
        self._resend_s = settings.resend_s
        self._outcomes = outcomes
        self._now_ms = now_ms
        self._sleep = sleep
        self._random = random
        self._turn = asyncio.Lock()  # wakes those who wait in the order they came: it is the queue

    def resume(self, alert: Alert) -> None:
        """This alert was delivered before a restart and still fires."""
        self._selection.opened(alert)
        self.destination.resume(alert)

    async def deliver(self, alert: Alert) -> None:
        """Send one transition, again and again until it is taken or refused for good."""
        async with self._turn:
            if self._selection.wants(alert):
                await self._deliver(alert)
            self._selection.passed(alert)

    async def _deliver(self, alert: Alert) -> None:
        answers: list[Answer] = []
        for index in range(len(self.destination.requests(alert, self._now_ms()))):
            answer, verdict = await self._until_settled(alert, index)
            if verdict == Verdict.REFUSED:
                self._refused(alert, answer)
                break
            answers.append(answer)
        else:
            latency_s = (self._now_ms() - alert.spent_ms) / 1000
            self._outcomes.delivered(self.name, alert, latency_s)
        self.destination.settled(alert, answers)

    async def _until_settled(self, alert: Alert, index: int) -> tuple[Answer, Verdict]:
        for attempt in itertools.count():
            request = self.destination.requests(alert, self._now_ms())[index]
            answer = await self._transport.send(request)
            verdict = self.destination.verdict(answer)
            if verdict in (Verdict.TAKEN, Verdict.REFUSED):
                break
            wait_s = self._wait_s(attempt, answer, verdict)
            self._failed(f"{alert.dedup_key} {alert.state}", answer, verdict, wait_s)
            await self._sleep(wait_s)
        return answer, verdict

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
                answer = await self._transport.send(request)
                verdict = self.destination.verdict(answer)
                if verdict != Verdict.TAKEN:
                    self._failed("repeating what fires", answer, verdict, self._resend_s)

    def _wait_s(self, attempt: int, answer: Answer, verdict: Verdict) -> float:
        if answer.retry_after_s is not None:
            return min(answer.retry_after_s, LONGEST_OBEYED_S)
        first_s, longest_s = FIRST_RETRY_S, LONGEST_RETRY_S
        if verdict == Verdict.BLOCKED or answer.status == TOO_MANY:
            first_s, longest_s = FIRST_SLOW_RETRY_S, LONGEST_SLOW_RETRY_S
        # Half of it is random, so that many senders do not come back at the same moment.
        return min(longest_s, first_s * 2.0 ** min(attempt, 30)) * (0.5 + self._random() / 2)

    def _failed(self, what: str, answer: Answer, verdict: Verdict, wait_s: float) -> None:
        blocked = verdict == Verdict.BLOCKED
        self._outcomes.blocked(self.name) if blocked else self._outcomes.failed(self.name)
        _log.log(
            logging.ERROR if blocked else logging.WARNING,
            "%s did not take %s: %s %s; %strying again in %.1f s",
            self.name,
            what,
            answer.status or "no answer",
            answer.detail,
            "its address or credential is wrong, mend it; " if blocked else "",
            wait_s,
        )

    def _refused(self, alert: Alert, answer: Answer) -> None:
        self._outcomes.undeliverable(self.name)
        _log.error(
            "%s refused %s %s for good: status %s %s; it is given up, look at the console",
            self.name,
            alert.dedup_key,
            alert.state,
            answer.status,
            answer.detail,
        )


def _check_hosts(destination: Destination, allowed_hosts: Sequence[str]) -> None:
    name = destination.settings.name
    for url in destination.urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"notify destination {name!r}: give its url as http://host or https://host")
        if parts.hostname not in {host.lower() for host in allowed_hosts}:
            raise UserError(
                f"notify destination {name!r} is on host {parts.hostname!r}, which is not in"
                f" notify.allowed_hosts: add it there if alerts may go to it"
            )

"""Delivery: at least once, in order, to one destination.

`await deliver(alert)` returns when the destination has taken the alert or will never take it. The shell
moves its position on only after that, so a crash repeats a delivery and never loses one.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import aiohttp
import msgspec

from stream.alerts import text
from stream.config_alerts import Alerting
from stream.config_notify import Notify
from stream.notify import hosts
from stream.notify.desk import Desk
from stream.notify.destination import Answer, Destination, Mail, Request, Verdict
from stream.notify.notices import resolved
from stream.notify.selection import Selection
from stream.notify.standing import Standing
from stream.notify.transport import Transport
from stream.schema import actions
from stream.schema.actions import Entry
from stream.schema.alerts import TEST, Alert
from stream.schema.notify_state import Proof, Trial

FIRST_RETRY_S: Final = 1.0
# A destination that comes back is noticed within a minute, and one that is down gets 60 requests an hour.
LONGEST_RETRY_S: Final = 60.0
# Of a wrong credential: some services lock an account that fails too often. Mended, it is noticed within
# 5 min, or at once by a restart.
FIRST_SLOW_RETRY_S: Final = 30.0
LONGEST_SLOW_RETRY_S: Final = 300.0
# Retry-After is obeyed, but no answer may silence pages for longer than an hour.
LONGEST_OBEYED_S: Final = 3600.0
WATCH_EVERY_S: Final = 15.0
GONE: Final = frozenset({404, 410})
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

    def forget_destination(self, destination: str) -> None:
        """Another process serves it now."""

    def beat(self, heartbeat: str, outcome: str) -> None:
        """A heartbeat was sent, failed, or was withheld because nothing moves."""

    def standing(self, proof: Proof, now_ms: int) -> None:
        """Whether it works, as far as is known."""


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
        rules: Alerting,
        outcomes: Outcomes,
        desk: Desk,
        *,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        what = f"notify destination {destination.settings.name!r}"
        hosts.check(what, destination.urls, settings.allowed_hosts)
        self.destination = destination
        self.name = destination.settings.name
        self._selection = Selection(destination.settings)
        self._transport = Transport(session, settings.timeout_s, now_ms)
        self._resend_s = settings.resend_s
        self._rules = rules
        self._outcomes = outcomes
        self._desk = desk
        self._standing = Standing(destination.settings, settings, destination.memory)
        self._now_ms = now_ms
        self._asked_ms = 0  # when the last request was made
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
            if alert.about == TEST and alert.destination == self.name:
                await self._test(alert)
            elif alert.action is not None and alert.destination == self.name:
                await self._hand_over(alert, alert.action)
            elif self._selection.wants(alert):
                await self._deliver(alert)
            self._selection.passed(alert)

    async def _hand_over(self, alert: Alert, entry: Entry) -> None:
        """Tell what has become of an action; of an approval the log says whether it arrived in time."""
        taken = await self._deliver(alert)
        if entry.event == actions.APPROVED:
            now_s = self._asked_ms // 1000
            in_time = actions.due(entry, now_s).event == actions.APPROVED
            event = (actions.HANDED_OVER if in_time else actions.LAPSED) if taken else actions.UNDELIVERABLE
            said = msgspec.structs.replace(entry, event=event, at_s=now_s, by="", detail=self.name)
            await self._desk.note(said)

    async def _deliver(self, alert: Alert) -> bool:
        """Whether it was taken, not refused for good."""
        answers: list[Answer] = []
        count = len(self.destination.requests(alert, self._now_ms()))
        if not count:
            self.destination.settled(alert, [])
            return True
        for index in range(count):
            answer, verdict = await self._until_settled(alert, index)
            if verdict == Verdict.REFUSED:
                await self._refused(alert, answer)
                break
            answers.append(answer)
        else:
            now_ms = self._now_ms()
            self._outcomes.delivered(self.name, alert, (now_ms - alert.spent_ms) / 1000)
            self._standing.taken(now_ms)
        self.destination.settled(alert, answers)
        await self._keep()
        return len(answers) == count

    async def _until_settled(self, alert: Alert, index: int) -> tuple[Answer, Verdict]:
        for attempt in itertools.count():
            self._asked_ms = self._now_ms()
            request = self.destination.requests(alert, self._asked_ms)[index]
            answer, verdict = await self._send(request)
            if verdict in (Verdict.TAKEN, Verdict.REFUSED):
                break
            wait_s = self._wait_s(attempt, answer, verdict)
            self._failed(f"{alert.dedup_key} {alert.state}", answer, verdict, wait_s, alert.dedup_key)
            await self._keep()
            await self._sleep(wait_s)
        return answer, verdict

    async def _send(self, request: Request | Mail) -> tuple[Answer, Verdict]:
        answer = await self._transport.send(request)
        if isinstance(request, Request) and request.may_be_gone and answer.status in GONE:
            return answer, Verdict.TAKEN
        return answer, self.destination.verdict(answer)

    async def _test(self, alert: Alert) -> None:
        """One try, and its end at once: nobody waits for a test that comes an hour late."""
        refusal = await self._try(alert) or await self._try(resolved(alert, self._now_ms()))
        now_ms = self._now_ms()
        if refusal is None:
            self._standing.taken(now_ms)
        detail = "" if refusal is None else _said(refusal)
        self._standing.tried(Trial(id=alert.dedup_key, at_ms=now_ms, taken=refusal is None, detail=detail))
        await self._keep()

    async def _try(self, alert: Alert) -> Answer | None:
        """Send once; the answer that was no yes, if any."""
        answers: list[Answer] = []
        refusal = None
        for request in self.destination.requests(alert, self._now_ms()):
            answer, verdict = await self._send(request)
            if verdict != Verdict.TAKEN:
                self._failed("a test", answer, verdict)
                refusal = answer
                break
            answers.append(answer)
        self.destination.settled(alert, answers)
        return refusal

    async def watch_forever(self) -> None:
        """Tell the other destinations when this one is silent. Run it as a task; cancel it to stop."""
        while True:
            await self.watch()
            await self._sleep(WATCH_EVERY_S)

    async def watch(self) -> None:
        """Look once. It takes no turn: what it tells of is mostly a delivery that waits."""
        for alert in self._standing.alarms(self._now_ms()):
            await self._desk.tell(self._linked(alert))
        await self._keep()

    def _linked(self, alert: Alert) -> Alert:
        rules = self._rules
        runbook_url = text.runbook_url(rules, "delivery", self.name)
        return msgspec.structs.replace(alert, runbook_url=runbook_url, console_url=rules.console_url)

    async def _keep(self) -> None:
        """Before the first word on it, `proof` is made, so it is here in every case."""
        now_ms = self._now_ms()
        self._outcomes.standing(self._standing.proof(now_ms), now_ms)
        rows = self.destination.memory.changes()
        if rows:
            await self._desk.keep(rows)

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
                if verdict == Verdict.TAKEN:
                    self._standing.taken(self._now_ms(), repeated=True)
                else:
                    self._failed("repeating what fires", answer, verdict, self._resend_s)
                await self._keep()

    def _wait_s(self, attempt: int, answer: Answer, verdict: Verdict) -> float:
        if answer.retry_after_s is not None:
            return min(answer.retry_after_s, LONGEST_OBEYED_S)
        first_s, longest_s = FIRST_RETRY_S, LONGEST_RETRY_S
        if verdict == Verdict.BLOCKED or answer.status == TOO_MANY:
            first_s, longest_s = FIRST_SLOW_RETRY_S, LONGEST_SLOW_RETRY_S
        # Half of it is random, so that many senders do not come back at the same moment.
        return min(longest_s, first_s * 2.0 ** min(attempt, 30)) * (0.5 + self._random() / 2)

    def _failed(
        self, what: str, answer: Answer, verdict: Verdict, wait_s: float | None = None, waiting: str = ""
    ) -> None:
        blocked = verdict == Verdict.BLOCKED
        self._standing.failed(self._now_ms(), _said(answer), blocked=blocked, waiting=waiting)
        self._outcomes.blocked(self.name) if blocked else self._outcomes.failed(self.name)
        _log.log(
            logging.ERROR if blocked else logging.WARNING,
            "%s did not take %s: %s%s%s",
            self.name,
            what,
            _said(answer),
            "; its address or credential is wrong, mend it" if blocked else "",
            "" if wait_s is None else f"; trying again in {wait_s:.1f} s",
        )

    async def _refused(self, alert: Alert, answer: Answer) -> None:
        await self._desk.give_up(alert, f"{self.name}: {_said(answer)}")
        self._outcomes.undeliverable(self.name)
        _log.error(
            "%s refused %s %s for good: %s; it is given up, see dead-letters and the console",
            self.name,
            alert.dedup_key,
            alert.state,
            _said(answer),
        )


def _said(answer: Answer) -> str:
    return f"{answer.status or 'no answer'} {answer.detail}".rstrip()

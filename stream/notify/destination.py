"""What a destination is: how an alert becomes requests, and what an answer means. Delivery does the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from stream.config_notify import Email, Place
from stream.notify.memory import Memory
from stream.schema.alerts import Alert


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Built anew for every attempt, since it may carry the time."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    may_be_gone: bool = False
    """It is about something that people may have deleted: then nobody is left to tell."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail, whole with its headers."""

    server: Email
    message: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status of HTTP or SMTP, or None when nothing did. `detail` is one line for people.

    `body` is that of HTTP; of SMTP the command that was refused.
    """

    status: int | None
    detail: str = ""
    retry_after_s: float | None = None
    body: bytes = b""


class Verdict(Enum):
    """What an answer means for the alert that was sent."""

    TAKEN = "taken"
    LATER = "later"
    """The destination is busy or away: soon again."""
    BLOCKED = "blocked"
    """The address or the credential is wrong. No alert is at fault, so none is given up: again, slowly."""
    REFUSED = "refused"
    """This very message is not acceptable and never will be: given up."""


class Destination(Protocol):
    """A place that alerts go to. It does no I/O and reads no clock; `now_ms` is that of the attempt."""

    @property
    def settings(self) -> Place: ...

    @property
    def memory(self) -> Memory:
        """What it must still know after a restart."""

    @property
    def urls(self) -> Sequence[str]:
        """Whose hosts must be allowed."""

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Request | Mail]:
        """What to send for a transition, one after the other; the same number until it is settled, none if
        it is no news here."""

    def verdict(self, answer: Answer) -> Verdict: ...

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        """This transition was taken with these answers; or, where they are fewer, the next was refused."""

    def resume(self, alert: Alert) -> None:
        """This alert was delivered before a restart and still fires."""

    def repeat(self, now_ms: int) -> Request | None:
        """What to send once in `resend_s` so that the destination does not forget; None for nothing."""


_BUSY = frozenset({408, 421, 423, 425, 429})
# What says "not you" or "not here", never "not this": 401 and 403 of a wrong token, 404 and 410 of a wrong
# or revoked address, 405 of another address of the same server, 402 of an account that lapsed.
_BLOCKED = frozenset({401, 402, 403, 404, 405, 407, 410, 451, 511})


def of_status(answer: Answer) -> Verdict:
    """The verdict by HTTP status alone; docs/operations.md has it as a table.

    A redirect is not followed, as it could lead to a host that is not allowed; so the address is wrong.
    """
    status = answer.status
    if status is None or status in _BUSY:
        return Verdict.LATER
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status in _BLOCKED or 300 <= status < 400:
        return Verdict.BLOCKED
    return Verdict.LATER if status >= 500 else Verdict.REFUSED

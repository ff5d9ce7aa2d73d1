"""E-mail over SMTP: a message a transition, all of one problem in one thread.

Message IDs are made of the dedup key, so what is sent twice after a crash is the same message to a mail
program, and nothing has to be remembered.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from stream import config_notify as config
from stream.notify import page
from stream.notify.destination import Answer, Mail, Request, Verdict
from stream.notify.memory import Memory
from stream.notify.words import cut
from stream.schema.alerts import METER, SPEND, Alert, State

SUBJECT: Final = 200  # characters; mail programs show about 60
# 552: too large, 554: the text is not wanted. Said of the text, they are about this very message; every
# other refusal is about the server, the login or an address, and must be mended.
_REFUSED: Final = frozenset({552, 554})

# A line may have 998 characters; folded at the usual 78, a subject begins with a blank in some programs.
_POLICY: Final = policy.SMTP.clone(max_line_length=900)


class Email:
    """One mail server and those who read."""

    def __init__(self, settings: config.Email) -> None:
        self.settings = settings
        self.memory = Memory()
        self.urls = (f"smtp://{settings.host}:{settings.port}",)

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Mail]:
        if alert.state == State.RESOLVED and (alert.digest is not None or alert.about not in (SPEND, METER)):
            return []  # that a digest is out of date is no news, and a test ends with its message
        return [Mail(self.settings, self._message(alert, now_ms))]

    def verdict(self, answer: Answer) -> Verdict:
        status = answer.status
        if status is None or 400 <= status < 500:
            return Verdict.LATER
        if status < 400:
            return Verdict.TAKEN
        of_text = answer.body == b"DATA"
        return Verdict.REFUSED if of_text and status in _REFUSED else Verdict.BLOCKED

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        """Nothing to remember."""

    def resume(self, alert: Alert) -> None:
        """Nothing to remember."""

    def repeat(self, now_ms: int) -> Request | None:
        return None

    def _message(self, alert: Alert, now_ms: int) -> bytes:
        message = EmailMessage(_POLICY)
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self.settings.recipients)
        message["Subject"] = cut(f"[burnline] {page.title(alert)}", SUBJECT)
        message["Date"] = format_datetime(dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC))
        message["Message-ID"] = self._id(f"{alert.dedup_key} {alert.state} {alert.time_s}")
        problem = alert.dedup_key.rpartition("/")[0] or alert.dedup_key  # the same for all its tiers
        message["References"] = self._id(problem)
        message["Auto-Submitted"] = "auto-generated"  # so that no absence note answers
        message["X-Burnline-Severity"] = str(alert.severity)
        message.set_content(page.render(alert) + "\n")
        return bytes(message)

    def _id(self, of: str) -> str:
        domain = self.settings.sender.rpartition("@")[2].strip("> ")
        return f"<{hashlib.sha256(of.encode()).hexdigest()[:32]}@{domain}>"

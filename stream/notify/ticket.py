"""Tickets in any tracker that has an HTTP API: one a problem, opened, commented and closed by templates.

A template's texts are filled in after it has become JSON, and in an address each value is quoted: what an
alert says can't become a field, a path or a command. The tracker's name for a ticket comes from its answer
and is remembered under the dedup key. A crash between the two can open a ticket twice; the dedup key in the
text tells them apart from others.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from stream import config_notify as config
from stream.notify import page
from stream.notify.destination import Answer, Request, Verdict, of_status
from stream.notify.memory import Memory
from stream.notify.words import cut
from stream.schema.alerts import Alert, State

TITLE: Final = 250  # characters: GitHub takes 256, Jira 255
_PLACE: Final = re.compile(r"\{(\w+)\}")


class Ticket:
    """One tracker."""

    def __init__(self, settings: config.Ticket) -> None:
        self.settings = settings
        self.memory = Memory()
        calls = (settings.open, *settings.update, *settings.close)
        self.urls = tuple(dict.fromkeys(_PLACE.sub("x", call.url) for call in calls))

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Request]:
        ticket = self._ticket(alert)
        if ticket is None:
            return [] if alert.state == State.RESOLVED else [self._request(self.settings.open, alert, "")]
        calls = self.settings.close if alert.state == State.RESOLVED else self.settings.update
        return [self._request(call, alert, ticket) for call in calls]

    def verdict(self, answer: Answer) -> Verdict:
        return of_status(answer)

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        ticket = self._ticket(alert)
        if ticket is None and answers:
            ticket = found(answers[0].body, self.settings.id)
        for key in (alert.previous_key, alert.dedup_key):
            self.memory.drop(f"ticket/{key}")
        if ticket is not None and alert.state != State.RESOLVED:
            self.memory.set(f"ticket/{alert.dedup_key}", ticket)

    def resume(self, alert: Alert) -> None:
        """All is in the memory."""

    def repeat(self, now_ms: int) -> Request | None:
        return None

    def _ticket(self, alert: Alert) -> str | None:
        own = self.memory.get(f"ticket/{alert.dedup_key}")
        return own or (self.memory.get(f"ticket/{alert.previous_key}") if alert.previous_key else None)

    def _request(self, call: config.Call, alert: Alert, ticket: str) -> Request:
        values = {**_values(alert), "id": ticket}
        secret = {name: value.get_secret_value() for name, value in self.settings.headers.items()}
        return Request(
            _PLACE.sub(lambda place: quote(values[place[1]], safe=""), call.url),
            msgspec.json.encode(filled(call.body, values)),
            {"Content-Type": "application/json", **secret},
            call.method,
            may_be_gone=bool(ticket),
        )


def _values(alert: Alert) -> Mapping[str, str]:
    """What `config.PLACES` promises."""
    text = page.render(alert)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)  # so that no name can end it
    return {
        "key": alert.dedup_key,
        "title": cut(page.title(alert), TITLE),
        "summary": cut(alert.summary, TITLE),
        "text": text,
        "markdown": f"{fence}text\n{text}\n{fence}",
        "state": str(alert.state),
        "severity": str(alert.severity),
        "scope": alert.scope,
        "runbook_url": alert.runbook_url,
        "console_url": alert.console_url,
    }


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """The template with each `{place}` in its texts replaced; names of fields are left as they are."""
    if isinstance(template, str):
        return _PLACE.sub(lambda place: values[place[1]], template)
    if isinstance(template, Mapping):
        return {name: filled(value, values) for name, value in template.items()}
    if isinstance(template, Sequence):
        return [filled(value, values) for value in template]
    return template


def found(body: bytes, path: str) -> str | None:
    """What stands at a dotted path of a JSON document, as text; None if there is no such thing."""
    try:
        value: Any = msgspec.json.decode(body)
        for name in path.split("."):
            value = value[name]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return None
    return str(value) if isinstance(value, str | int) else None

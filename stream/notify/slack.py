"""Slack: one message an alert. With a bot's token it is kept up to date, and what happens is told in its
thread; an incoming webhook can only post, so there each transition is a message.

What an alert says comes from outside, so `&`, `<` and `>` are escaped: nobody can be made to ring by a label.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from stream import config_notify as config
from stream.notify import page
from stream.notify.destination import Answer, Request, Verdict, of_status
from stream.notify.facts import facts, steps
from stream.notify.memory import Memory
from stream.notify.words import cut
from stream.schema.actions import Step
from stream.schema.alerts import TEST, Alert, Severity, State

# What Slack takes: characters of a header and of a section; the whole has a limit that is nowhere written
# and lies near 13,000.
HEADER: Final = 150
SECTION: Final = 3000
WHOLE: Final = 8000
LINK: Final = 500  # a cut address leads nowhere, so a longer one is left out

_LATER: Final = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
# Of this very message; all else (a token, a scope, a channel) must be mended, and no alert is at fault.
_REFUSED: Final = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text",
     "invalid_arguments", "invalid_arg_name", "invalid_json", "json_not_object", "markdown_text_conflict",
     "invalid_charset", "invalid_form_data"}
)  # fmt: skip
# The message was deleted, or is too old: the thread tells the same.
_NOT_THERE: Final = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


class Slack:
    """One channel."""

    def __init__(self, settings: config.Slack) -> None:
        self.settings = settings
        self.memory = Memory()
        self._hook = settings.url.get_secret_value() if settings.url is not None else ""
        self.urls = (self._hook or settings.api_url,)

    def requests(self, alert: Alert, now_ms: int) -> Sequence[Request]:
        message = {"text": cut(escaped(page.title(alert)), SECTION), "blocks": _blocks(alert)}
        if self._hook:
            return [_post(self._hook, message, {})]
        root = self._root(alert)
        if root is None:
            return [self._call("chat.postMessage", {"channel": self.settings.channel, **message})]
        channel, at = root.split("/")
        news: dict[str, Any] = {"channel": channel, "thread_ts": at, "text": message["text"]}
        if alert.state in (State.FIRING, State.ESCALATED):
            news |= {"reply_broadcast": True}  # into the channel too: this is what must be seen
        return [
            self._call("chat.update", {"channel": channel, "ts": at, **message}),
            self._call("chat.postMessage", news),
        ]

    def verdict(self, answer: Answer) -> Verdict:
        by_status = of_status(answer)
        if self._hook or by_status != Verdict.TAKEN:
            return by_status
        told = _told(answer)
        if told.ok or told.error in _NOT_THERE:
            return Verdict.TAKEN
        if told.error in _LATER:
            return Verdict.LATER
        return Verdict.REFUSED if told.error in _REFUSED else Verdict.BLOCKED

    def settled(self, alert: Alert, answers: Sequence[Answer]) -> None:
        root = self._root(alert)
        if root is None and answers and not self._hook:
            told = _told(answers[0])
            root = f"{told.channel}/{told.ts}"
        for key in (alert.previous_key, alert.dedup_key):
            self.memory.drop(f"message/{key}")
        if root is not None and alert.state != State.RESOLVED:
            self.memory.set(f"message/{alert.dedup_key}", root)

    def resume(self, alert: Alert) -> None:
        """All is in the memory."""

    def repeat(self, now_ms: int) -> Request | None:
        return None

    def _root(self, alert: Alert) -> str | None:
        """Channel and time of the message of this alert, or of the tier before."""
        own = self.memory.get(f"message/{alert.dedup_key}")
        return own or (self.memory.get(f"message/{alert.previous_key}") if alert.previous_key else None)

    def _call(self, method: str, document: dict[str, Any]) -> Request:
        assert self.settings.token is not None
        bearer = f"Bearer {self.settings.token.get_secret_value()}"
        return _post(f"{self.settings.api_url.rstrip('/')}/{method}", document, {"Authorization": bearer})


class _Told(msgspec.Struct):
    """What every method of Slack's API answers."""

    ok: bool = False
    error: str = "no answer of Slack's API"
    channel: str = ""
    ts: str = ""


def _told(answer: Answer) -> _Told:
    try:
        return msgspec.json.decode(answer.body, type=_Told)
    except msgspec.MsgspecError:  # some other server: its address is wrong
        return _Told()


def _post(url: str, document: dict[str, Any], headers: dict[str, str]) -> Request:
    return Request(
        url, msgspec.json.encode(document), {"Content-Type": "application/json; charset=utf-8", **headers}
    )


_MARKS: Final = {Severity.PAGE: "🔴", Severity.TICKET: "🟠", Severity.DIGEST: "📋"}


def _blocks(alert: Alert) -> list[dict[str, Any]]:
    mark = {State.RESOLVED: "✅", State.ACKNOWLEDGED: "👀"}.get(alert.state, _MARKS[alert.severity])
    state = "" if alert.digest is not None else f"{alert.severity} {alert.state}: "
    if alert.about == TEST:
        mark, state = "🧪", "TEST: "
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {
                "type": "plain_text",
                "text": cut(f"{mark} {state}{alert.summary}", HEADER),
                "emoji": True,
            },
        }
    ]
    left = WHOLE
    for chunk in _chunks(alert):
        if len(chunk) <= left:
            left -= len(chunk)
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": chunk, "verbatim": True}})
    blocks += [_step(step) for step in steps(alert)]
    links = " · ".join(_link(words, url) for words, url in page.links(alert) if len(url) <= LINK)
    foot = [links, f"`{escaped(cut(alert.dedup_key, 300)).replace('`', '')}`"]
    elements = [{"type": "mrkdwn", "text": each} for each in foot if each]
    return [*blocks, {"type": "context", "elements": elements}]


def _chunks(alert: Alert) -> list[str]:
    """The facts, as many to a section as it holds."""
    chunks = [""]
    for fact in facts(alert):
        if fact.name == "contain" and steps(alert):
            continue  # in blocks of their own
        said = f"*{escaped(fact.name)}*  " + "\n".join(escaped(each) for each in fact.lines)
        said = said if len(said) <= SECTION else said[: SECTION - 1] + "…"
        if len(chunks[-1]) + 1 + len(said) > SECTION:
            chunks.append("")
        chunks[-1] += f"\n{said}" if chunks[-1] else said
    return [chunk for chunk in chunks if chunk]


def _step(step: Step) -> dict[str, Any]:
    """Commands as they are: in preformatted text nothing is a sign of Slack's, and a copy is exact."""
    elements = [_section(_plain("contain", bold=True), _plain(f"  {step.what}"))]
    for words, command in (("first note what it is", step.before), ("", step.run), ("undo it", step.undo)):
        if command:
            elements += [_section(_plain(words))] if words else []
            elements.append({"type": "rich_text_preformatted", "elements": [_plain(command)]})
    return {"type": "rich_text", "elements": elements}


def _section(*texts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": texts}


def _plain(text: str, *, bold: bool = False) -> dict[str, Any]:
    return {"type": "text", "text": text} | ({"style": {"bold": True}} if bold else {})


def _link(words: str, url: str) -> str:
    return f"<{escaped(url).replace('|', '%7C')}|{escaped(words)}>"


def escaped(text: str) -> str:
    """The three signs that Slack reads as its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

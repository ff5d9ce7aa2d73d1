"""`actions`: what was proposed to contain an alert, and all that became of it; the audit log.

Nothing here was run by burnline. Each record is a CloudEvent (1.0, structured JSON) of the type
`io.burnline.action.<event>`, or `io.burnline.action.dry-run.<event>` while its rule is on trial, so that who
acts on `io.burnline.action.approved` acts on nothing else. `data` is an `Entry`.
"""

import datetime as dt
from typing import Any, Final

import msgspec

SOURCE: Final = "burnline"
TYPE: Final = "io.burnline.action."

PROPOSED: Final = "proposed"
APPROVED: Final = "approved"
DECLINED: Final = "declined"
EXPIRED: Final = "expired"
WITHDRAWN: Final = "withdrawn"
"""States of an action: the alert ended before anyone decided."""
REFUSED: Final = "refused"
HANDED_OVER: Final = "handed-over"
LAPSED: Final = "lapsed"
UNDELIVERABLE: Final = "undeliverable"
"""More events: a decision that came too late or twice; and what became of the approval at its destination."""

HAND_OVER_S: Final = 600  # an approval that its destination has not taken by then is void


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One way to contain what burns, as commands for a POSIX shell: `run` does it, `undo` takes it back.

    In `undo`, `<before>` stands for what `before` shows; it is empty where nothing needs to be known.
    `missing` are labels that nobody has named: they stand as `'<name>'`, which no tool takes.
    """

    id: str
    what: str
    run: str
    undo: str
    before: str = ""
    missing: tuple[str, ...] = ()


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One step that a rule proposes for one alert. Times are epoch seconds.

    It can be approved before `expires_s`, once. `by` decided at `at_s` through the command `decision`.
    """

    id: str
    rule: str
    alert: str
    scope: str
    labels: dict[str, str]
    step: Step
    dry_run: bool
    destination: str
    proposed_s: int
    expires_s: int
    state: str = PROPOSED
    by: str = ""
    at_s: int | None = None
    note: str = ""
    decision: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an action, which is as it stood then; `by` whom, and `detail` in words.

    `refused` is the command whose decision came too late or twice.
    """

    event: str
    at_s: int
    action: Action
    by: str = ""
    detail: str = ""
    refused: str = ""


class _Event(msgspec.Struct):
    data: Entry


def encode(entry: Entry) -> bytes:
    """The CloudEvent. Its id is the same however often it is sent."""
    trial = "dry-run." if entry.action.dry_run else ""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "/".join(filter(None, (entry.action.id, entry.event, entry.refused))),
        "source": SOURCE,
        "type": f"{TYPE}{trial}{entry.event}",
        "subject": entry.action.scope,
        "time": dt.datetime.fromtimestamp(entry.at_s, dt.UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": entry,
    }
    return msgspec.json.encode(event)


def decode(value: bytes) -> Entry:
    return msgspec.json.decode(value, type=_Event).data


def due(entry: Entry, now_s: int) -> Entry:
    """What to tell its destination now: an approval that could not be handed over in time is none."""
    if entry.event == APPROVED and now_s - entry.at_s > HAND_OVER_S:
        return msgspec.structs.replace(entry, event=LAPSED, at_s=now_s)
    return entry

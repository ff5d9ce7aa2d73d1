"""Containment that is proposed and waits for somebody's approval, and the log of what became of it.

Nothing is run here. Proposals come with an alert's transitions, decisions as commands; an action is decided
once, before it expires and while its alert stands.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from stream.alerts import contain
from stream.config import Config, OwnerRule
from stream.config_actions import ActionRule
from stream.planned import matches
from stream.schema.actions import (
    APPROVED,
    DECLINED,
    EXPIRED,
    PROPOSED,
    REFUSED,
    WITHDRAWN,
    Action,
    Entry,
)
from stream.schema.alerts import ACTION, EMPTY, Alert, Severity
from stream.schema.commands import Approval

KEPT_S: Final = 7 * 86_400  # what is over, so that a late decision is refused with its reason
MOST: Final = 1_000
_ROW: Final = b"action/"
_RANK: Final = {Severity.DIGEST: 0, Severity.TICKET: 1, Severity.PAGE: 2}


def notice(entry: Entry, now_ms: int) -> Alert:
    """The record of `alerts` that tells the destination of an action what has become of it."""
    return msgspec.structs.replace(
        EMPTY,
        about=ACTION,
        dedup_key=f"action/{entry.action.id}/{entry.event}",
        destination=entry.action.destination,
        scope=entry.action.scope,
        labels=entry.action.labels,
        summary=f"{entry.action.step.what}: {entry.event}",
        time_s=entry.at_s,
        onset_s=entry.action.proposed_s,
        fired_s=entry.action.proposed_s,
        spent_ms=now_ms,
        emitted_ms=now_ms,
        action=entry,
    )


class Actions:
    """Actions by id. `entries` are those since they were last taken."""

    def __init__(self, config: Config) -> None:
        self._rules: tuple[ActionRule, ...] = config.actions
        self._owners: tuple[OwnerRule, ...] = config.owners
        self._actions: dict[str, Action] = {}
        self.entries: list[Entry] = []

    def all(self) -> list[Action]:
        """The newest first."""
        return sorted(self._actions.values(), key=lambda one: (-one.proposed_s, one.id))

    def open(self, scope: str) -> tuple[Action, ...]:
        """Those of a scope that wait for somebody."""
        found = (one for one in self._actions.values() if one.scope == scope and one.state == PROPOSED)
        return tuple(sorted(found, key=lambda one: one.id))

    def propose(self, alert: Alert, now_s: int) -> None:
        """Whatever the rules propose for an alert that has just fired or got worse."""
        ready = {step.id: step for step in contain.ready(alert)}
        waiting = {one.rule for one in self.open(alert.scope)}
        for rule in self._rules:
            id_ = f"{rule.name}-{hashlib.sha256(alert.dedup_key.encode()).hexdigest()[:8]}"
            if rule.step not in ready or rule.name in waiting or id_ in self._actions:
                continue
            if _RANK[alert.severity] < _RANK[Severity(rule.severity)]:
                continue
            if not matches(rule.about(), alert.scope, alert.labels, self._owners):
                continue
            action = Action(
                id=id_,
                rule=rule.name,
                alert=alert.dedup_key,
                scope=alert.scope,
                labels=alert.labels,
                step=ready[rule.step],
                dry_run=rule.dry_run,
                destination=rule.destination,
                proposed_s=now_s,
                expires_s=now_s + rule.expires_s,
            )
            self._note(action, PROPOSED, now_s)

    def decide(self, said: Approval, heard_s: int) -> None:
        """Take a decision that was written at `heard_s`; one that comes too late or twice is refused."""
        action = self._actions.get(said.action)
        if action is None or action.decision == said.id:
            return  # the API says which there are; the same record twice is one
        at_s = max(said.made_s, heard_s)
        if action.state == PROPOSED and at_s >= action.expires_s:
            action = self._end(action, EXPIRED, action.expires_s)
        if action.state != PROPOSED:
            whose = f" by {action.by}" if action.by else ""
            self.entries.append(
                Entry(event=REFUSED, at_s=at_s, action=action, by=said.by,
                      detail=f"it was {action.state}{whose} already", refused=said.id)
            )  # fmt: skip
            return
        decided = msgspec.structs.replace(
            action, by=said.by, at_s=said.made_s, note=said.note, decision=said.id
        )
        self._end(decided, APPROVED if said.approved else DECLINED, said.made_s)

    def step(self, now_s: int, standing: set[str]) -> None:
        """Time has come to `now_s`; `standing` are the scopes whose alert has not ended."""
        for action in list(self._actions.values()):
            if action.state == PROPOSED and action.scope not in standing:
                self._end(action, WITHDRAWN, now_s)
            elif action.state == PROPOSED and now_s >= action.expires_s:
                self._end(action, EXPIRED, now_s)
        over = sorted((one.proposed_s, one.id) for one in self._actions.values() if one.state != PROPOSED)
        for index, (proposed_s, id_) in enumerate(over):
            if proposed_s < now_s - KEPT_S or index < len(self._actions) - MOST:
                del self._actions[id_]

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        for id_, action in self._actions.items():
            yield _ROW + id_.encode(), msgspec.json.encode(action)

    def restore(self, key: bytes, value: bytes) -> bool:
        """Take a state row, if it is one of these."""
        if not key.startswith(_ROW):
            return False
        action = msgspec.json.decode(value, type=Action)
        self._actions[action.id] = action
        return True

    def _end(self, action: Action, state: str, at_s: int) -> Action:
        ended = msgspec.structs.replace(action, state=state)
        self._note(ended, state, at_s)
        return ended

    def _note(self, action: Action, event: str, at_s: int) -> None:
        self._actions[action.id] = action
        self.entries.append(Entry(event=event, at_s=at_s, action=action, by=action.by))

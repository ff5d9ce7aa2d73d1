"""The alerts stage: signals of all scopes, deploys and commands in, transitions of alerts out.

It runs on event time. Evaluations wait until every spend partition has reached their time, and are then
worked through in order of time, so what comes out does not depend on how partitions happened to mix.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from stream.alerts.actions import notice
from stream.alerts.changes import Changes
from stream.alerts.clock import Clock
from stream.alerts.held import Report
from stream.alerts.watch import Watch
from stream.config import Config
from stream.planned import matches
from stream.schema import actions, alerts, commands, dead_letters, deploys, signals, topics
from stream.schema.actions import Action
from stream.schema.alerts import Alert, DigestLine
from stream.schema.commands import Approval, Command, Maintenance, Plan
from stream.schema.dead_letters import DeadLetter
from stream.schema.signals import Evaluation
from stream.scopes import scope_labels
from stream.stage import Batch, Commit, Output, StateRow

_CLOCK: Final = b"clock"
_WAITING: Final = b"waiting/"


class Alerts:
    """A stage over `signals[0]`, `deploys[0]` and `commands[0]`; outputs go to `alerts` and `dead-letters`.

    Raises from `take` when a `signals` record can't be read: it is our own, so a bug or a wrong topic.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._workflows = config.deploys.github_workflows
        self._clock = Clock()
        self._changes = Changes(config.owners)
        self._watch = Watch(config, self._changes.all)
        self._waiting: dict[tuple[int, int], Evaluation] = {}
        self._durable: dict[bytes, bytes] = {}
        self._letters: list[DeadLetter] = []
        self._positions: dict[tuple[str, int], int] = {}

    @property
    def now_s(self) -> int:
        """Event time that every spend partition has reached; 0 before the first signals."""
        return self._clock.now_s

    @property
    def slowest_s(self) -> int:
        """The same, also of partitions that `now_s` no longer waits for: up to then all spend is judged."""
        return self._clock.slowest_s

    def active(self) -> list[Alert]:
        """Every alert that is not resolved, as it stands now, in order of scope.

        A pending one has no dedup key yet. Attached scopes are listed in their cause's `attached`.
        """
        return [
            self._watch.alert(track, self._clock.now_s)
            for track in sorted(self._watch.tracks.values(), key=lambda track: track.scope)
            if track.life.rung or track.cause in (None, track.scope)
        ]

    def digest(self) -> list[DigestLine]:
        """What the next digest would say if it were due now."""
        return self._watch.digests.lines(self._clock.now_s)

    def held_back(self) -> list[Report]:
        """By window that holds now: what would have been told without it."""
        return self._watch.reports.standing()

    def covers(self, window: Maintenance | Plan, scope: str) -> bool:
        """Whether a window is about a scope."""
        labels = scope_labels(scope, self._config.scopes)
        return matches(window.match, scope, labels, self._config.owners)

    def actions(self) -> list[Action]:
        """What was proposed of late, the newest first."""
        return self._watch.actions.all()

    def commands(self) -> list[Command]:
        """What people asked for, those of the configuration first, as far as it is not long over."""
        return list(self._watch.board.all())

    def restore(self, rows: Iterable[StateRow]) -> None:
        for row in rows:
            if row.value is None:
                continue
            self._durable[row.key] = row.value
            if row.key == _CLOCK:
                self._clock = msgspec.json.decode(row.value, type=Clock)
            elif row.key.startswith(_WAITING):
                evaluation = signals.decode(row.value)
                self._waiting[evaluation.time_s, evaluation.partition] = evaluation
            elif not self._changes.restore(row.key, row.value):
                self._watch.restore(row.key, row.value)

    def take(self, batch: Batch) -> None:
        columns = zip(batch.values, batch.offsets, batch.timestamps_ms, strict=True)
        for place, (value, offset, timestamp_ms) in enumerate(columns):
            if batch.topic == topics.SIGNALS:
                self._take_signals(signals.decode(value))
            elif batch.topic == topics.COMMANDS:
                self._take_command(batch, value, offset, timestamp_ms)
            else:
                headers = batch.headers[place] if batch.headers else {}
                self._take_deploy(batch, value, headers, offset, timestamp_ms)
        self._positions[batch.topic, batch.partition] = batch.next_offset

    def commit(self, now_ms: int) -> Commit:
        """The transitions since the last commit, with `now_ms` as their `emitted_ms`."""
        self._changes.forget(self._clock.now_s)
        outputs = [
            Output(
                topics.ALERTS,
                alert.dedup_key.encode(),
                alerts.encode(msgspec.structs.replace(alert, emitted_ms=now_ms)),
            )
            for alert in self._watch.transitions
        ]
        outputs += self._entries(now_ms)
        for letter in self._letters:
            key = f"{letter.topic}/{letter.partition}".encode()
            outputs.append(Output(topics.DEAD_LETTERS, key, dead_letters.encode(letter), 0))
        commit = Commit(outputs, self._changed_rows(), self._positions)
        self._watch.transitions, self._letters, self._positions = [], [], {}
        return commit

    def _entries(self, now_ms: int) -> list[Output]:
        """What happened to actions: for the log, and for the destinations of those that have one."""
        entries, self._watch.actions.entries = self._watch.actions.entries, []
        outputs = []
        for entry in entries:
            outputs.append(Output(topics.ACTIONS, entry.action.id.encode(), actions.encode(entry)))
            if entry.action.destination and entry.event != actions.REFUSED:
                told = notice(entry, now_ms)
                outputs.append(Output(topics.ALERTS, told.dedup_key.encode(), alerts.encode(told)))
        return outputs

    def _changed_rows(self) -> list[StateRow]:
        rows = self._rows()
        keys = sorted(rows.keys() | self._durable.keys())
        changed = [StateRow(key, rows.get(key)) for key in keys if rows.get(key) != self._durable.get(key)]
        self._durable = rows
        return changed

    def _rows(self) -> dict[bytes, bytes]:
        encode = msgspec.json.encode
        rows = self._watch.rows()
        for (time_s, partition), evaluation in self._waiting.items():
            rows[_WAITING + f"{time_s}/{partition}".encode()] = encode(evaluation)
        rows.update(self._changes.rows())
        if self._clock.heard:
            rows[_CLOCK] = encode(self._clock)
        return rows

    def _take_deploy(
        self, batch: Batch, value: bytes, headers: Mapping[str, str], offset: int, timestamp_ms: int
    ) -> None:
        try:
            self._changes.take(deploys.decode(value, timestamp_ms, headers, self._workflows), offset)
        except deploys.UNREADABLE as error:
            self._refuse(batch, value, offset, timestamp_ms, error)

    def _take_command(self, batch: Batch, value: bytes, offset: int, timestamp_ms: int) -> None:
        try:
            if not value:  # Kafka's way to delete a key; which one, a stage is not told
                raise msgspec.ValidationError("an empty record ends no command: write it anew with ended_s")
            command = commands.decode(value)
            refused = self._watch.board.put(command)
            if refused is not None:
                raise msgspec.ValidationError(refused)
            if isinstance(command, Approval):
                self._watch.actions.decide(command, timestamp_ms // 1000)
        except deploys.UNREADABLE as error:
            self._refuse(batch, value, offset, timestamp_ms, error)
        self._watch.heed(self._clock.now_s)

    def _refuse(self, batch: Batch, value: bytes, offset: int, timestamp_ms: int, why: Exception) -> None:
        self._letters.append(
            DeadLetter(
                topic=batch.topic,
                partition=batch.partition,
                offset=offset,
                timestamp_ms=timestamp_ms,
                reason=dead_letters.reason_of(why),
                detail=str(why),
                cost_nusd=0,
                original=dead_letters.pack_original(value),
                original_bytes=len(value),
            )
        )

    def _take_signals(self, evaluation: Evaluation) -> None:
        before_s = self._clock.now_s
        self._clock.hear(evaluation)
        # One that is late (its partition was left out of the clock) counts from now on.
        time_s = max(evaluation.time_s, before_s)
        self._waiting[time_s, evaluation.partition] = self._merged(time_s, evaluation)
        due = sorted(key for key in self._waiting if key[0] <= self._clock.now_s)
        for index, key in enumerate(due):
            self._watch.apply(self._waiting.pop(key), key[0])
            if index + 1 == len(due) or due[index + 1][0] != key[0]:
                heard_s = {number: progress.time_s for number, progress in self._clock.heard.items()}
                self._watch.step(key[0], heard_s)

    def _merged(self, time_s: int, evaluation: Evaluation) -> Evaluation:
        """Two of one partition for one time (a late one, a repeated one) become one."""
        other = self._waiting.get((time_s, evaluation.partition))
        own = msgspec.structs.replace(evaluation, time_s=time_s)
        return own if other is None else msgspec.structs.replace(own, signals=other.signals + own.signals)

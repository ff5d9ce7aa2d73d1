"""The alerts stage: signals of all scopes and deploys in, transitions of alerts out.

It runs on event time. Evaluations wait until every spend partition has reached their time, and are then
worked through in order of time, so what comes out does not depend on how partitions happened to mix.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from stream.alerts import lifecycle
from stream.alerts.blame import blame
from stream.alerts.clock import Clock
from stream.alerts.grouping import Grouping, Member
from stream.alerts.lifecycle import Level
from stream.alerts.track import Track, started
from stream.config import Config
from stream.schema import alerts, dead_letters, deploys, signals, topics
from stream.schema.alerts import Alert, Attached, State
from stream.schema.dead_letters import DeadLetter, Reason
from stream.schema.deploys import Deploy
from stream.schema.signals import Evaluation
from stream.stage import Batch, Commit, Output, StateRow

DEPLOYS_KEPT_S: Final = 24 * 3600  # as far back as the longest window puts an onset
_MOST_DEPLOYS: Final = 10_000  # 24 h of one every 9 s; bounds memory against a flood

_CLOCK: Final = b"clock"
_SCOPE: Final = b"scope/"
_WAITING: Final = b"waiting/"
_DEPLOY: Final = b"deploy/"


class Alerts:
    """A stage over `signals[0]` and `deploys[0]`; outputs go to `alerts` and `dead-letters`.

    Raises from `take` when a `signals` record can't be read: it is our own, so a bug or a wrong topic.
    """

    def __init__(self, config: Config) -> None:
        self._rules = config.alerts
        self._grouping = Grouping(config.scopes, config.alerts.explains)
        self._clock = Clock()
        self._tracks: dict[str, Track] = {}
        self._waiting: dict[tuple[int, int], Evaluation] = {}
        self._deploys: dict[int, Deploy] = {}
        self._durable: dict[bytes, bytes] = {}
        self._transitions: list[Alert] = []
        self._letters: list[DeadLetter] = []
        self._positions: dict[tuple[str, int], int] = {}

    @property
    def now_s(self) -> int:
        """Event time that every spend partition has reached; 0 before the first signals."""
        return self._clock.now_s

    def active(self) -> list[Alert]:
        """Every alert that is pending, firing or escalated, as it stands now, in order of scope.

        A pending one has no dedup key yet. Attached scopes are listed in their cause's `attached`.
        """
        return [
            track.alert(self._clock.now_s, self._rules)
            for track in sorted(self._tracks.values(), key=lambda track: track.scope)
            if track.life.rung or track.cause in (None, track.scope)
        ]

    def restore(self, rows: Iterable[StateRow]) -> None:
        for row in rows:
            if row.value is None:
                continue
            self._durable[row.key] = row.value
            if row.key == _CLOCK:
                self._clock = msgspec.json.decode(row.value, type=Clock)
            elif row.key.startswith(_SCOPE):
                track = msgspec.json.decode(row.value, type=Track)
                self._tracks[track.scope] = track
            elif row.key.startswith(_WAITING):
                evaluation = signals.decode(row.value)
                self._waiting[evaluation.time_s, evaluation.partition] = evaluation
            elif row.key.startswith(_DEPLOY):
                offset = int(row.key.removeprefix(_DEPLOY))
                self._deploys[offset] = msgspec.json.decode(row.value, type=Deploy)

    def take(self, batch: Batch) -> None:
        for value, offset, timestamp_ms in zip(batch.values, batch.offsets, batch.timestamps_ms, strict=True):
            if batch.topic == topics.SIGNALS:
                self._take_signals(signals.decode(value))
            else:
                self._take_deploy(batch, value, offset, timestamp_ms)
        self._positions[batch.topic, batch.partition] = batch.next_offset

    def commit(self, now_ms: int) -> Commit:
        """The transitions since the last commit, with `now_ms` as their `emitted_ms`."""
        self._forget_deploys()
        outputs = [
            Output(
                topics.ALERTS,
                alert.dedup_key.encode(),
                alerts.encode(msgspec.structs.replace(alert, emitted_ms=now_ms)),
            )
            for alert in self._transitions
        ]
        for letter in self._letters:
            key = f"{letter.topic}/{letter.partition}".encode()
            outputs.append(Output(topics.DEAD_LETTERS, key, dead_letters.encode(letter), 0))
        commit = Commit(outputs, self._changed_rows(), self._positions)
        self._transitions, self._letters, self._positions = [], [], {}
        return commit

    def _changed_rows(self) -> list[StateRow]:
        rows = self._rows()
        keys = sorted(rows.keys() | self._durable.keys())
        changed = [StateRow(key, rows.get(key)) for key in keys if rows.get(key) != self._durable.get(key)]
        self._durable = rows
        return changed

    def _rows(self) -> dict[bytes, bytes]:
        encode = msgspec.json.encode
        rows = {_SCOPE + scope.encode(): encode(track) for scope, track in self._tracks.items()}
        for (time_s, partition), evaluation in self._waiting.items():
            rows[_WAITING + f"{time_s}/{partition}".encode()] = encode(evaluation)
        for offset, deploy in self._deploys.items():
            rows[_DEPLOY + str(offset).encode()] = encode(deploy)
        if self._clock.heard:
            rows[_CLOCK] = encode(self._clock)
        return rows

    def _take_deploy(self, batch: Batch, value: bytes, offset: int, timestamp_ms: int) -> None:
        try:
            self._deploys[offset] = deploys.decode(value, timestamp_ms)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._letters.append(
                DeadLetter(
                    topic=batch.topic,
                    partition=batch.partition,
                    offset=offset,
                    timestamp_ms=timestamp_ms,
                    reason=Reason.WRONG_SCHEMA,
                    detail=str(error),
                    cost_nusd=0,
                    original=dead_letters.pack_original(value),
                    original_bytes=len(value),
                )
            )

    def _forget_deploys(self) -> None:
        oldest_s = self._clock.now_s - DEPLOYS_KEPT_S
        offsets = sorted(self._deploys)
        for index, offset in enumerate(offsets):
            if self._deploys[offset].time_s < oldest_s or index < len(offsets) - _MOST_DEPLOYS:
                del self._deploys[offset]

    def _take_signals(self, evaluation: Evaluation) -> None:
        before_s = self._clock.now_s
        self._clock.hear(evaluation)
        # One that is late (its partition was left out of the clock) counts from now on.
        time_s = max(evaluation.time_s, before_s)
        self._waiting[time_s, evaluation.partition] = self._merged(time_s, evaluation)
        due = sorted(key for key in self._waiting if key[0] <= self._clock.now_s)
        for index, key in enumerate(due):
            self._apply(self._waiting.pop(key), key[0])
            if index + 1 == len(due) or due[index + 1][0] != key[0]:
                self._step(key[0])

    def _merged(self, time_s: int, evaluation: Evaluation) -> Evaluation:
        """Two of one partition for one time (a late one, a repeated one) become one."""
        other = self._waiting.get((time_s, evaluation.partition))
        own = msgspec.structs.replace(evaluation, time_s=time_s)
        return own if other is None else msgspec.structs.replace(own, signals=other.signals + own.signals)

    def _apply(self, evaluation: Evaluation, now_s: int) -> None:
        for signal in evaluation.signals:
            track = self._tracks.get(signal.scope)
            if track is not None:
                track.partition = evaluation.partition
                track.hear(signal)
            elif signal.severity != "none":
                self._tracks[signal.scope] = started(signal, evaluation.partition, now_s)

    def _step(self, now_s: int) -> None:
        """Move every alert on to `now_s`."""
        for track in self._tracks.values():
            track.settle(self._clock.heard[track.partition].time_s)
        members = {scope: _member(track) for scope, track in self._tracks.items()}
        causes = self._grouping.causes(members.values())
        groups: dict[str, list[Track]] = {}
        for scope in sorted(causes):
            if (cause := causes[scope]) != scope:
                track = self._tracks[scope]
                if track.cause not in (None, scope, cause):
                    track.life.held = []  # its age belongs to the cause it had before
                self._advance(track, now_s, quiet=True)
                groups.setdefault(cause, []).append(track)
        for scope in sorted(causes):
            if causes[scope] == scope:
                self._lead(self._tracks[scope], groups.get(scope, []), now_s, members[scope])
        for scope, cause in causes.items():
            self._tracks[scope].attach(cause)
        self._tracks = {scope: track for scope, track in self._tracks.items() if not track.life.over}

    def _lead(self, track: Track, attached: list[Track], now_s: int, member: Member) -> None:
        """Move on an alert that stands for its whole group: the worst level of the group is its own."""
        track.attached = tuple(_attached(other) for other in attached if other.leading is not None)
        level, since_s = track.level, None
        if track.leading is not None:
            for other in attached:
                if other.level is not None and (level is None or other.level.rank > level.rank):
                    level, track.reason = other.level, f"{other.scope}: {other.reason}"
            since_s = _lent_s(attached, level)
        wait_s = self._rules.group_wait_s if self._grouping.has_parts(member) else 0
        self._advance(track, now_s, level=level, since_s=since_s, wait_s=wait_s)

    def _advance(
        self,
        track: Track,
        now_s: int,
        *,
        level: Level | None = None,
        since_s: int | None = None,
        wait_s: int = 0,
        quiet: bool = False,
    ) -> None:
        level = track.level if quiet else level
        entered = lifecycle.advance(
            track.life, now_s, level, self._rules, since_s=since_s, wait_s=wait_s, quiet=quiet
        )
        if entered is None:
            return
        if entered != State.RESOLVED:
            track.new_key()
            suspects = [self._deploys[offset] for offset in sorted(self._deploys)]
            found = blame(suspects, track.onset_s, track.latest.labels)
            track.blame = found or track.blame
        self._transitions.append(track.alert(now_s, self._rules))


def _lent_s(attached: list[Track], level: Level | None) -> int | None:
    """Since when the group has been at `level`, so that finding the cause late does not delay its page."""
    if level is None:
        return None
    since = [since_s for track in attached if (since_s := track.life.since_s(level)) is not None]
    return min(since, default=None)


def _member(track: Track) -> Member:
    wants = track.level.severity if track.level else None
    rung = track.life.fired.severity if track.life.rung and track.life.fired else None
    return Member(
        scope=track.scope,
        labels=track.latest.labels,
        signal=track.leading,
        excess_usd_per_hour=track.excess_usd_per_hour,
        wants=lifecycle.SEVERITIES[wants] if wants else 0,
        rung=lifecycle.SEVERITIES[rung] if rung else 0,
        cause=track.cause,
        explained_usd_per_hour=track.explained_usd_per_hour,
    )


def _attached(track: Track) -> Attached:
    signal = track.leading or track.latest
    return Attached(
        scope=track.scope, burn_usd_per_hour=signal.burn_usd_per_hour, excess_nusd=track.excess_nusd
    )

"""All scopes that have something to say, and how their alerts move on from step to step."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from stream.alerts import lifecycle
from stream.alerts.actions import Actions
from stream.alerts.blame import Onset, Part, blame, happenings
from stream.alerts.board import Board
from stream.alerts.contain import Containment
from stream.alerts.digest import Digests
from stream.alerts.flaps import Flaps
from stream.alerts.grouping import Grouping, Member
from stream.alerts.held import Reports
from stream.alerts.lifecycle import Level
from stream.alerts.track import Track, started
from stream.config import Config
from stream.schema.alerts import Alert, Attached, Severity, State
from stream.schema.deploys import Deploy
from stream.schema.signals import Evaluation, Signal
from stream.scopes import scope_labels

_SCOPE: Final = b"scope/"


class Watch:
    """The tracks of all scopes, what people ask for, and what is gathered for the digest.

    `transitions` are those since they were last taken; `known` gives deploys and what else happened.
    """

    def __init__(self, config: Config, known: Callable[[], Iterable[Deploy]]) -> None:
        self.board = Board(config)
        self.flaps = Flaps(config.alerts)
        self.digests = Digests(config.alerts)
        self.reports = Reports()
        self.tracks: dict[str, Track] = {}
        self.transitions: list[Alert] = []
        self._containment = Containment(config)
        self._rules = config.alerts
        self._grouping = Grouping(config.scopes, config.alerts.explains)
        self._known = known
        self._scopes = config.scopes
        self.actions = Actions(config)
        self._kept = (self.board, self.flaps, self.digests, self.reports, self.actions)

    def apply(self, evaluation: Evaluation, now_s: int) -> None:
        """Take in what one partition says."""
        for signal in evaluation.signals:
            track = self.tracks.get(signal.scope)
            if track is not None:
                track.partition = evaluation.partition
                track.hear(signal)
            elif signal.severity != "none":
                self.tracks[signal.scope] = started(signal, evaluation.partition, now_s)

    def step(self, now_s: int, heard_s: Mapping[int, int]) -> None:
        """Move every alert on to `now_s`; `heard_s` is how far each partition has got."""
        for track in self.tracks.values():
            track.settle(heard_s[track.partition], self.board, now_s)
        self.heed(now_s)
        self._move_on(now_s)
        self.transitions += self.reports.ended(now_s, self.board.holding(now_s), self.digests)
        self.transitions += self.digests.due(now_s)
        self.actions.step(now_s, {track.scope for track in self.tracks.values() if track.life.rung})
        self.flaps.forget(now_s)
        self.board.forget(now_s)

    def heed(self, now_s: int) -> None:
        """Tell who has taken an alert, and ring again where nobody has it any more."""
        for track in self.tracks.values():
            if track.life.rung:
                has_it = self.board.acknowledged(track.key, now_s)
                if has_it != track.acknowledged:
                    track.acknowledged = has_it
                    track.life.spent_s = now_s
                    self.transitions.append(self.alert(track, now_s))

    def alert(self, track: Track, now_s: int) -> Alert:
        """The alert of a scope as it stands, with the ways to contain it and what is proposed."""
        alert = self._containment.told(track.alert(now_s, self._rules))
        return msgspec.structs.replace(alert, actions=self.actions.open(track.scope))

    def rows(self) -> dict[bytes, bytes]:
        rows = {_SCOPE + scope.encode(): msgspec.json.encode(track) for scope, track in self.tracks.items()}
        for part in self._kept:
            rows.update(part.rows())
        return rows

    def restore(self, key: bytes, value: bytes) -> None:
        if key.startswith(_SCOPE):
            track = msgspec.json.decode(value, type=Track)
            self.tracks[track.scope] = track
        else:
            any(part.restore(key, value) for part in self._kept)

    def _move_on(self, now_s: int) -> None:
        members = {scope: _member(track) for scope, track in self.tracks.items()}
        causes = self._grouping.causes(members.values())
        groups: dict[str, list[Track]] = {}
        for scope in sorted(causes):
            if (cause := causes[scope]) != scope:
                track = self.tracks[scope]
                if track.cause not in (None, scope, cause):
                    track.life.held = []  # its age belongs to the cause it had before
                self._advance(track, now_s, level=track.level, quiet=True)
                groups.setdefault(cause, []).append(track)
        for scope in sorted(causes):
            if causes[scope] == scope:
                self._lead(self.tracks[scope], groups.get(scope, []), now_s, members[scope])
        for scope, cause in causes.items():
            self.tracks[scope].attach(cause)
        self.tracks = {scope: track for scope, track in self.tracks.items() if not track.life.over}

    def _lead(self, track: Track, attached: list[Track], now_s: int, member: Member) -> None:
        """Move on an alert that stands for its whole group: the worst level of the group is its own."""
        track.attached = tuple(_attached(other) for other in attached if other.leading is not None)
        level, since_s = track.level, None
        if level is not None:
            for other in attached:
                if other.level is not None and other.level.rank > level.rank:
                    level, track.reason = other.level, f"{other.scope}: {other.reason}"
            if not track.over_plan:
                since_s = _lent_s(attached, level)
        wait_s = self._rules.group_wait_s if self._grouping.has_parts(member) else 0
        quiet = track.quiet or track.settling
        self._advance(track, now_s, level=level, since_s=since_s, wait_s=wait_s, quiet=quiet)
        if level is not None and track.quiet:
            self._hold_back(track, now_s)
        elif level is not None and level.severity == Severity.DIGEST and not track.life.rung:
            reached_s = track.life.since_s(level)
            if reached_s is not None and now_s - reached_s >= self._rules.ticket_for_s:
                self.digests.note(track.line(self._rules), now_s)

    def _hold_back(self, track: Track, now_s: int) -> None:
        reached = lifecycle.due(track.life, now_s, self._rules)
        if reached is not None and track.held_back is not None:
            self.reports.note(track.held_back, track.plan, track.line(self._rules, reached.level.severity))

    def _advance(
        self,
        track: Track,
        now_s: int,
        *,
        level: Level | None,
        since_s: int | None = None,
        wait_s: int = 0,
        quiet: bool = False,
    ) -> None:
        if track.life.rung and level is not None and self.flaps.came_back(track.life.clear_s, now_s):
            self.flaps.fired(track.scope, now_s)
        entered = lifecycle.advance(
            track.life,
            now_s,
            level,
            self._rules,
            since_s=since_s,
            wait_s=wait_s,
            quiet=quiet,
            hold_s=self.flaps.hold_s(track.scope, now_s),
        )
        if entered is None:
            return
        if entered == State.FIRING:
            self.flaps.fired(track.scope, now_s)
        if entered != State.RESOLVED:
            track.fire(now_s, self.flaps.count(track.scope, now_s))
            self._explain(track, now_s)
            self.actions.propose(self.alert(track, now_s), now_s)
        self.transitions.append(self.alert(track, now_s))

    def _explain(self, track: Track, now_s: int) -> None:
        """Say which deploy is to blame, and what else happened."""
        signal = track.leading or track.latest
        labels, parts = signal.labels, self._parts(signal)
        known = list(self._known())
        found = blame(known, Onset(track.onset_s, signal.window_s), labels, parts)
        track.blame = found or track.blame
        track.happenings = happenings(known, track.onset_s, now_s, labels, parts)

    def _parts(self, signal: Signal) -> list[Part]:
        """Where a wide scope burns: the labels of its parts with their shares of the excess."""
        risen = [part for part in signal.children if part.excess_nusd > 0]
        whole_nusd = sum(part.excess_nusd for part in risen)
        return [(scope_labels(part.name, self._scopes), part.excess_nusd / whole_nusd) for part in risen]


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

"""What people have asked for, as it holds at one event time: windows, plans, acknowledgements, feedback."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from stream import planned
from stream.config import Config
from stream.planned import Span, matches
from stream.schema import commands
from stream.schema.alerts import Acknowledged, HeldBack, Planned
from stream.schema.commands import Acknowledge, Approval, Command, Maintenance, Plan
from stream.schema.feedback import DAY_S, Feedback, factors

# As long as an incident can be written up. What holds is kept longer; what is over may be forgotten.
KEPT_S: Final = 35 * DAY_S
# People type them: thousands are a runaway script. Each is a few hundred bytes of state.
MOST: Final = 5_000
_ROW: Final = b"command/"
_Window = TypeVar("_Window", Maintenance, Plan)


class Board:
    """Commands by their key. Those of the configuration are there too and can't be ended."""

    def __init__(self, config: Config) -> None:
        self._owners = config.owners
        self._fixed: tuple[Command, ...] = (
            *(rule.record() for rule in config.maintenance),
            *(rule.record() for rule in config.plans),
        )
        self._commands: dict[bytes, Command] = {}
        self._feedback: dict[str, list[Feedback]] = {}
        self._acknowledged: dict[str, list[Acknowledge]] = {}
        self._spans: list[tuple[Maintenance | Plan, Span]] = []
        self._spans_at_s = -1

    def put(self, command: Command) -> str | None:
        """Take a command, or a new word on a known one. Returns why it is refused."""
        key = commands.key(command)
        if key not in self._commands and len(self._commands) >= MOST:
            return f"there are {MOST:,} commands already: end what is not needed"
        self._commands[key] = command
        self._sort()
        return None

    def all(self) -> Iterator[Command]:
        yield from self._fixed
        yield from self._commands.values()

    def maintenance(self, scope: str, labels: Mapping[str, str], now_s: int) -> HeldBack | None:
        """The window that holds the scope back now, of several the one that ends last."""
        found = [
            HeldBack(kind="maintenance", id=one.id, since_s=start_s, until_s=end_s, note=one.note)
            for one, (start_s, end_s) in self._holding(Maintenance, scope, labels, now_s)
        ]
        return max(found, key=lambda held: (held.until_s, held.id), default=None)

    def plan(self, scope: str, labels: Mapping[str, str], now_s: int) -> tuple[Planned, HeldBack] | None:
        """The plan that holds for the scope now, of several the one with the highest ceiling."""
        found = [
            (
                Planned(
                    id=one.id,
                    ceiling_usd_per_hour=one.ceiling_usd_per_hour,
                    floor_usd_per_hour=one.floor_usd_per_hour,
                    until_s=end_s,
                    by=one.by,
                    note=one.note,
                ),
                HeldBack(kind="plan", id=one.id, since_s=start_s, until_s=end_s, note=one.note),
            )
            for one, (start_s, end_s) in self._holding(Plan, scope, labels, now_s)
        ]
        found += self._weekly(scope, now_s)
        return max(
            found,
            key=lambda pair: (pair[0].ceiling_usd_per_hour + pair[0].floor_usd_per_hour, pair[0].id),
            default=None,
        )

    def acknowledged(self, alert: str, now_s: int) -> Acknowledged | None:
        """Who has the alert with this dedup key now."""
        holding = [
            one
            for one in self._acknowledged.get(alert, [])
            if one.ended_s is None and (one.until_s is None or now_s < one.until_s)
        ]
        if not holding:
            return None
        last = max(holding, key=lambda one: (one.made_s, one.id))
        return Acknowledged(by=last.by, at_s=last.made_s, until_s=last.until_s, note=last.note)

    def factors(self, scope: str, now_s: int) -> dict[str, float]:
        """By detector, what its score on the scope must exceed, for those that were called false."""
        return factors(self._feedback.get(scope, ()), scope, now_s)

    def holding(self, now_s: int) -> set[str]:
        """The ids of the windows and plans that hold now, for whatever scope."""
        weekly = (held.id for scope in self._feedback for _, held in self._weekly(scope, now_s))
        return {*weekly, *(window.id for window, _ in self._current(now_s))}

    def forget(self, now_s: int) -> None:
        """Drop what has been over for long."""
        over = [key for key, one in self._commands.items() if _over_s(one) < now_s - KEPT_S]
        for key in over:
            del self._commands[key]
        if over:
            self._sort()

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        for key, command in self._commands.items():
            yield _ROW + key, commands.encode(command)

    def restore(self, key: bytes, value: bytes) -> bool:
        """Take a state row, if it is one of these."""
        if not key.startswith(_ROW):
            return False
        command = commands.decode(value)
        self._commands[commands.key(command)] = command
        self._sort()
        return True

    def _sort(self) -> None:
        self._spans_at_s = -1
        self._feedback, self._acknowledged = {}, {}
        for command in self._commands.values():
            if isinstance(command, Feedback):
                self._feedback.setdefault(command.scope, []).append(command)
            elif isinstance(command, Acknowledge):
                self._acknowledged.setdefault(command.alert, []).append(command)

    def _current(self, now_s: int) -> list[tuple[Maintenance | Plan, Span]]:
        if now_s != self._spans_at_s:  # the same for all scopes of a step
            windows = [one for one in self.all() if isinstance(one, Maintenance | Plan)]
            spans = ((one, planned.current(one, now_s)) for one in windows)
            self._spans = [(one, span) for one, span in spans if span is not None]
            self._spans_at_s = now_s
        return self._spans

    def _holding(
        self, kind: type[_Window], scope: str, labels: Mapping[str, str], now_s: int
    ) -> Iterator[tuple[_Window, Span]]:
        for window, span in self._current(now_s):
            if isinstance(window, kind) and matches(window.match, scope, labels, self._owners):
                yield window, span

    def _weekly(self, scope: str, now_s: int) -> Iterator[tuple[Planned, HeldBack]]:
        """What was called expected with a ceiling: planned at the same time of the weeks that follow."""
        for one in self._feedback.get(scope, []):
            ceiling, span = one.ceiling_usd_per_hour, planned.weekly(one, now_s)
            if ceiling is None or span is None:
                continue
            yield (
                Planned(
                    id=one.id,
                    ceiling_usd_per_hour=ceiling,
                    floor_usd_per_hour=planned.WEEKLY_FLOOR_USD_PER_HOUR,
                    until_s=span.end_s,
                    by=one.by,
                    note=one.note,
                ),
                HeldBack(kind="plan", id=one.id, since_s=span.start_s, until_s=span.end_s, note=one.note),
            )


def _over_s(command: Command) -> int:
    """Since when it holds no more; a time far ahead if it has no end."""
    if command.ended_s is not None:
        return command.ended_s
    if isinstance(command, Feedback):
        return command.expires_s
    if isinstance(command, Acknowledge):
        return command.until_s or command.made_s
    if isinstance(command, Approval):
        return command.made_s
    return command.until_s if command.until_s is not None else 2**62

"""A database that keeps nothing but what was told, for a node that runs once."""

from collections.abc import Iterable, Iterator
from typing import Final

from stream.schema import topics
from stream.shell.embedded.database import Database
from stream.stage import Output, StateRow

# Whoever begins alerts anew with what these are at a moment needs that state.
_KEPT: Final = "alerts"


class Unkept(Database):
    """`alerts` are the records of that topic, in order. Touches no file."""

    def __init__(self) -> None:
        self.alerts: list[bytes] = []
        self._rows: dict[bytes, bytes] = {}
        self._ends: dict[str, int] = {}

    def append(self, outputs: Iterable[Output], timestamp_ms: int) -> None:
        for output in outputs:
            self._ends[output.topic] = self.end(output.topic) + 1
            if output.topic == topics.ALERTS:
                self.alerts.append(output.value)

    def write_state(self, stage: str, rows: Iterable[StateRow]) -> None:
        if stage == _KEPT:
            for row in rows:
                if row.value is None:
                    self._rows.pop(row.key, None)
                else:
                    self._rows[row.key] = row.value

    def read_state(self, stage: str) -> Iterator[StateRow]:
        """Of the alerts stage alone; no other has any."""
        rows = self._rows if stage == _KEPT else {}
        return (StateRow(key, value) for key, value in rows.items())

    def same_state(self, other: "Unkept") -> bool:
        return self._rows == other._rows

    def end(self, topic: str) -> int:
        return self._ends.get(topic, 0)

    def read(self, topic: str, position: int, limit: int = 1000) -> list[tuple[int, int, bytes]]:
        return []

    def position(self, reader: str, topic: str) -> int:
        return 0

    def move(self, reader: str, topic: str, position: int) -> None:
        """Nobody will read on from there."""

    def commit(self) -> None:
        """There is nothing to make durable."""

    def close(self) -> None:
        """There is nothing to close."""

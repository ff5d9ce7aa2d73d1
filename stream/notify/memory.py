"""What a destination must still know after a restart, as rows that a shell keeps."""

from collections.abc import Iterable


class Memory:
    """Text by key. A shell restores it, and after each delivery makes what `changes` gives durable, at the
    latest with the position in the log."""

    def __init__(self) -> None:
        self._rows: dict[str, str] = {}
        self._changed: dict[str, str | None] = {}

    def restore(self, rows: Iterable[tuple[str, str]]) -> None:
        self._rows = dict(rows)
        self._changed = {}

    def get(self, key: str) -> str | None:
        return self._rows.get(key)

    def set(self, key: str, value: str) -> None:
        if self._rows.get(key) != value:
            self._rows[key] = self._changed[key] = value

    def drop(self, key: str) -> None:
        if self._rows.pop(key, None) is not None:
            self._changed[key] = None

    def changes(self) -> dict[str, str | None]:
        """What is new since the last call; None for what is gone."""
        changed, self._changed = self._changed, {}
        return changed

"""The SQLite file of the embedded shell: topics, state and positions, changed in one transaction.

`spend` and `signals` pass from stage to stage within a commit and are not stored: the transaction that
would hold the record already holds what it leads to.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from stream.errors import UserError
from stream.stage import Output, StateRow

VERSION: Final = 2
_SCHEMA: Final = """
CREATE TABLE log (
    topic TEXT NOT NULL, position INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL,
    key BLOB, value BLOB NOT NULL, PRIMARY KEY (topic, position)) WITHOUT ROWID;
CREATE TABLE state (stage TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (stage, key)) WITHOUT ROWID;
CREATE TABLE positions (reader TEXT NOT NULL, topic TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (reader, topic)) WITHOUT ROWID;
"""


class Database:
    """One file, one writer. Everything between two calls of `commit` becomes durable together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _explained(path):
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=5.0, check_same_thread=False
            )
            self._execute("PRAGMA journal_mode = WAL")
            # An fsync at every commit: what was acknowledged survives a power cut.
            self._execute("PRAGMA synchronous = FULL")
            self._prepare()
            self._lock()
        self._next: dict[str, int] = dict(
            self._execute("SELECT topic, MAX(position) + 1 FROM log GROUP BY topic")
        )

    def _prepare(self) -> None:
        version = self._execute("PRAGMA user_version").fetchone()[0]
        tables = self._execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise UserError(f"{self.path} is not a burnline database of version {VERSION}: name another file")
        broken = self._execute("PRAGMA quick_check(1)").fetchone()[0]
        if broken != "ok":
            detail = " ".join(broken.split())
            raise UserError(
                f"{self.path} is damaged ({detail}): restore it from a backup, or name a new file"
            )

    def _lock(self) -> None:
        """Two processes on one file would count everything twice."""
        self._execute("PRAGMA locking_mode = EXCLUSIVE")
        self._execute("BEGIN IMMEDIATE")

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def append(self, outputs: Iterable[Output], timestamp_ms: int) -> None:
        rows = []
        for output in outputs:
            position = self._next.get(output.topic, 0)
            self._next[output.topic] = position + 1
            rows.append((output.topic, position, timestamp_ms, output.key, output.value))
        with _explained(self.path):
            self._connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?)", rows)

    def write_state(self, stage: str, rows: Iterable[StateRow]) -> None:
        changed = list(rows)
        kept = [(stage, row.key, row.value) for row in changed if row.value is not None]
        gone = [(stage, row.key) for row in changed if row.value is None]
        with _explained(self.path):
            self._connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", kept)
            self._connection.executemany("DELETE FROM state WHERE stage = ? AND key = ?", gone)

    def read_state(self, stage: str) -> Iterator[StateRow]:
        with _explained(self.path):
            for key, value in self._execute("SELECT key, value FROM state WHERE stage = ?", (stage,)):
                yield StateRow(key, value)

    def end(self, topic: str) -> int:
        """The position that the topic's next record will get."""
        return self._next.get(topic, 0)

    def read(self, topic: str, position: int, limit: int = 1000) -> list[tuple[int, int, bytes]]:
        """Up to `limit` records from `position` on: (position, timestamp_ms, value)."""
        with _explained(self.path):
            statement = (
                "SELECT position, timestamp_ms, value FROM log WHERE topic = ? AND position >= ? LIMIT ?"
            )
            return self._execute(statement, (topic, position, limit)).fetchall()

    def values(self, topic: str) -> Iterator[bytes]:
        """Every record of a topic, a thousand held at once."""
        position = 0
        while records := self.read(topic, position):
            yield from (value for _, _, value in records)
            position = records[-1][0] + 1

    def position(self, reader: str, topic: str) -> int:
        found = self._execute(
            "SELECT next FROM positions WHERE reader = ? AND topic = ?", (reader, topic)
        ).fetchone()
        return int(found[0]) if found else 0

    def known(self, reader: str, topic: str) -> bool:
        """Whether this reader has ever moved in the topic."""
        statement = "SELECT 1 FROM positions WHERE reader = ? AND topic = ?"
        return self._execute(statement, (reader, topic)).fetchone() is not None

    def move(self, reader: str, topic: str, position: int) -> None:
        with _explained(self.path):
            self._execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (reader, topic, position))

    def forget(self, topic: str, before_ms: int) -> None:
        """Retention: drop records older than this, but never the newest, which holds the position."""
        with _explained(self.path):
            self._execute(
                "DELETE FROM log WHERE topic = ? AND timestamp_ms < ? AND position < ?",
                (topic, before_ms, self.end(topic) - 1),
            )

    def commit(self) -> None:
        with _explained(self.path):
            self._execute("COMMIT")
            self._execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Without a commit: what is not committed is given up."""
        self._connection.close()


class _explained:
    """SQLite's errors as one sentence that says what to do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, sqlite3.Error):
            return
        text = str(error)
        if "locked" in text:
            advice = "another burnline runs on it: stop that one, or name another file in embedded.database"
        elif "full" in text:
            advice = "the disk is full: make room and start again; nothing that was acknowledged is lost"
        elif "unable to open" in text or "readonly" in text:
            advice = "it can't be opened for writing: check the folder and its permissions"
        elif "malformed" in text or "not a database" in text or "disk I/O" in text:
            advice = "it is damaged or no database: restore it from a backup, or name a new file"
        else:
            advice = "see the message of SQLite"
        raise UserError(f"{self._path}: {advice} ({text})") from None

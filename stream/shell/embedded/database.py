"""The SQLite file of the embedded shell: topics, state and positions, changed in one transaction.

`spend` and `signals` pass from stage to stage within a commit and are not stored: the transaction that
would hold the record already holds what it leads to.
"""

import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from stream.errors import UserError
from stream.shell.embedded import damage
from stream.stage import Output, StateRow

VERSION: Final = 2
# The file's mark (`application_id`): whether what is newest is in the -wal beside it.
_CLOSED: Final = 0
_OPEN: Final = 0x6275726E
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
        self._failed: UserError | None = None
        with damage.explained(path):
            if damage.is_new(path):
                _make(path)
            has_wal = damage.has_content(damage.wal(path))
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=5.0, check_same_thread=False
            )
            try:
                self._open(has_wal)
            except BaseException:
                # At once: collected later, it would still clear away the -wal of a file put in this place.
                self._connection.close()
                raise

    def _open(self, has_wal: bool) -> None:
        self._execute("PRAGMA journal_mode = WAL")
        # An fsync at every commit: what was acknowledged survives a power cut.
        self._execute("PRAGMA synchronous = FULL")
        self._check(has_wal)
        self._lock()
        self._next: dict[str, int] = dict(
            self._execute("SELECT topic, MAX(position) + 1 FROM log GROUP BY topic")
        )

    def _check(self, has_wal: bool) -> None:
        if self._execute("PRAGMA user_version").fetchone()[0] != VERSION:
            raise UserError(f"{self.path} is not a burnline database of version {VERSION}: name another file")
        if self._execute("PRAGMA application_id").fetchone()[0] == _OPEN and not has_wal:
            raise UserError(
                f"{self.path} lacks its newest part, {damage.wal(self.path).name}: burnline was killed, or"
                " ran while this was copied; put that file beside it, or restore a backup"
            )
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
        self._execute(f"PRAGMA application_id = {_OPEN}")
        self._execute("COMMIT")
        # Also where nobody calls `close`: SQLite deletes the -wal as the process ends, so the mark must go.
        self._closing = weakref.finalize(self, _close, self._connection)
        # The mark must be in the file itself, without which the -wal's absence would not be noticed.
        self._execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._execute("BEGIN IMMEDIATE")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """After an error nothing more is written: SQLite may have rolled back, and what followed would be
        durable without what came before it."""
        if self._failed is not None:
            raise self._failed
        try:
            with damage.explained(self.path):
                yield
        except UserError as error:
            self._failed = error
            raise

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def append(self, outputs: Iterable[Output], timestamp_ms: int) -> None:
        rows = []
        for output in outputs:
            position = self._next.get(output.topic, 0)
            self._next[output.topic] = position + 1
            rows.append((output.topic, position, timestamp_ms, output.key, output.value))
        with self._writing():
            self._connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?)", rows)

    def write_state(self, stage: str, rows: Iterable[StateRow]) -> None:
        changed = list(rows)
        kept = [(stage, row.key, row.value) for row in changed if row.value is not None]
        gone = [(stage, row.key) for row in changed if row.value is None]
        with self._writing():
            self._connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", kept)
            self._connection.executemany("DELETE FROM state WHERE stage = ? AND key = ?", gone)

    def read_state(self, stage: str) -> Iterator[StateRow]:
        with damage.explained(self.path):
            for key, value in self._execute("SELECT key, value FROM state WHERE stage = ?", (stage,)):
                yield StateRow(key, value)

    def end(self, topic: str) -> int:
        """The position that the topic's next record will get."""
        return self._next.get(topic, 0)

    def read(self, topic: str, position: int, limit: int = 1000) -> list[tuple[int, int, bytes]]:
        """Up to `limit` records from `position` on: (position, timestamp_ms, value)."""
        with damage.explained(self.path):
            statement = (
                "SELECT position, timestamp_ms, value FROM log WHERE topic = ? AND position >= ? LIMIT ?"
            )
            return self._execute(statement, (topic, position, limit)).fetchall()

    def values(self, topic: str) -> Iterator[bytes]:
        """Every record of a topic, a thousand held at once."""
        return (value for _, value in self.records(topic))

    def records(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """The same with each one's position."""
        position = 0
        while found := self.read(topic, position):
            yield from ((at, value) for at, _, value in found)
            position = found[-1][0] + 1

    def position(self, reader: str, topic: str) -> int:
        statement = "SELECT next FROM positions WHERE reader = ? AND topic = ?"
        with damage.explained(self.path):
            found = self._execute(statement, (reader, topic)).fetchone()
        return int(found[0]) if found else 0

    def known(self, reader: str, topic: str) -> bool:
        """Whether this reader has ever moved in the topic."""
        statement = "SELECT 1 FROM positions WHERE reader = ? AND topic = ?"
        with damage.explained(self.path):
            return self._execute(statement, (reader, topic)).fetchone() is not None

    def move(self, reader: str, topic: str, position: int) -> None:
        with self._writing():
            self._execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (reader, topic, position))

    def forget(self, topic: str, before_ms: int) -> None:
        """Retention: drop records older than this, but never the newest, which holds the position."""
        with self._writing():
            self._execute(
                "DELETE FROM log WHERE topic = ? AND timestamp_ms < ? AND position < ?",
                (topic, before_ms, self.end(topic) - 1),
            )

    def commit(self) -> None:
        with self._writing():
            self._execute("COMMIT")
            self._execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Without a commit: what is not committed is given up."""
        self._closing()


def _close(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # of a full disk; then the mark stays, and so does the -wal
        connection.rollback()
        # First, so that there is room for the mark. If that fails, so does the one of `close`, which would
        # leave neither the mark nor the -wal.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute(f"PRAGMA application_id = {_CLOSED}")
    connection.close()


def _make(path: Path) -> None:
    """A new file is whole from its first moment: an empty one is always one that has lost everything."""
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    connection = sqlite3.connect(made, isolation_level=None)
    try:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    finally:
        connection.close()
    try:
        os.link(made, path)  # never over a file that another process has made meanwhile
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        made.rename(path)
    made.unlink(missing_ok=True)

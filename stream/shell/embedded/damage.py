"""What can be wrong with the SQLite file, each as one sentence that says what to do.

SQLite itself takes a file of 0 bytes for a new one, and then deletes the -wal beside it, which may hold
everything. So what files there are is looked at before SQLite opens them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.errors import UserError


def wal(path: Path) -> Path:
    """Where SQLite keeps what is newest, until it is moved into the file."""
    return path.with_name(f"{path.name}-wal")


def has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def is_new(path: Path) -> bool:
    """Whether there is no file yet. Raises `UserError` for what only a loss can leave behind."""
    if not path.exists():
        if has_content(wal(path)):
            raise UserError(
                f"{path} is missing, but {wal(path).name} is there: put both back, or move that one away to"
                " start from nothing"
            )
        return True
    if path.is_file() and path.stat().st_size == 0:
        raise UserError(
            f"{path} is empty: restore it from a backup, or delete it to start from nothing"
            f" (with {wal(path).name}, if that is there)"
        )
    if path.is_file() and not has_content(wal(path)):
        _check_length(path)
    return False


def _check_length(path: Path) -> None:
    """SQLite reads the missing end of a last page as zeros, and may find nothing wrong with them."""
    with path.open("rb") as file:
        head = file.read(18)
    if not head.startswith(b"SQLite format 3\0"):
        return  # SQLite refuses it
    page_bytes = int.from_bytes(head[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    if page_bytes and path.stat().st_size % page_bytes:
        raise UserError(f"{path} is damaged (cut short): restore it from a backup, or name a new file")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's errors as `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} can't be opened ({error.strerror}): check the folder and its permissions"
        ) from None
    except sqlite3.Error as error:
        text = str(error)
        if "locked" in text:
            advice = "another burnline runs on it: stop that one, or name another file in embedded.database"
        elif "full" in text:
            advice = "the disk is full: make room and start again; nothing that was acknowledged is lost"
        elif "unable to open" in text or "readonly" in text:
            advice = "it can't be opened for writing: check the folder and its permissions"
        elif "disk I/O" in text:
            advice = (
                "the disk fails or lets it grow no further: make room (or mend the disk) and start again;"
                " nothing that was acknowledged is lost"
            )
        elif "malformed" in text or "not a database" in text:
            advice = "it is damaged or no database: restore it from a backup, or name a new file"
        else:
            advice = "see the message of SQLite"
        raise UserError(f"{path}: {advice} ({text})") from None

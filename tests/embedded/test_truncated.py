"""A file cut short anywhere, alone or with its -wal: a committed state, or one sentence. Never zero."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stream.errors import UserError
from stream.shell.embedded.database import Database
from stream.stage import Output, StateRow

PAGE_BYTES = 4096
WAL_HEAD_BYTES, FRAME_BYTES = 32, 24 + PAGE_BYTES


def commits(database: Database, first: int, count: int) -> None:
    for number in range(first, first + count):
        database.append((Output("alerts", b"k", bytes(700)) for _ in range(3)), number)
        database.write_state("burn", [StateRow(b"%d" % key, b"%d" % number * 300) for key in range(4)])
        database.move("meter", "usage", number)
        database.commit()


def state(path: Path) -> int | str:
    """The number of the commit that the whole content belongs to, or the refusal."""
    try:
        database = Database(path)
    except UserError as error:
        sentence = str(error)
        assert sentence.startswith(str(path)) and "\n" not in sentence
        return sentence
    try:
        number = database.position("meter", "usage")
        rows = {row.value for row in database.read_state("burn")}
        assert rows == {b"%d" % number * 300}, "of one commit"
        assert database.end("alerts") == len(list(database.values("alerts"))) == 3 * number
        return number
    finally:
        database.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty commits, closed."""
    path = tmp_path_factory.mktemp("whole") / "a.db"
    database = Database(path)
    commits(database, 1, 20)
    database.close()
    return path


@pytest.fixture(scope="module")
def killed(whole: Path) -> Path:
    """Six commits more, copied with their -wal while it runs: as a kill -9 leaves them."""
    folder = whole.parent.with_name("killed")
    shutil.copytree(whole.parent, folder)
    database = Database(folder / "a.db")
    commits(database, 21, 6)
    copy = folder.with_name("killed-copy")
    shutil.copytree(folder, copy)
    database.close()
    return copy / "a.db"


def cut(source: Path, to: Path, size: int, wal_size: int | None = None) -> Path:
    """A copy of which only the first bytes are there."""
    path = to / "a.db"
    path.write_bytes(source.read_bytes()[:size])
    wal = source.with_name("a.db-wal")
    beside = path.with_name("a.db-wal")
    beside.unlink(missing_ok=True)
    if wal.exists() and wal_size != 0:
        beside.write_bytes(wal.read_bytes()[:wal_size])
    return path


def sizes(path: Path) -> list[int]:
    """Every page boundary but the last, and some places within a page."""
    length = path.stat().st_size
    inside = (1, 15, 16, 17, 99, 100, 511, 512, 2048, 4095)
    odd = [at + more for at in range(0, length, PAGE_BYTES * 4) for more in inside]
    return [at for at in sorted({*range(0, length, PAGE_BYTES), *odd, length - 1}) if at < length]


def test_a_closed_file_that_is_cut_is_refused_wherever_it_is_cut(whole: Path, tmp_path: Path) -> None:
    assert state(whole) == 20
    found = {size: state(cut(whole, tmp_path, size)) for size in sizes(whole)}
    assert len(found) > 50
    assert {size: number for size, number in found.items() if isinstance(number, int)} == {}


def test_a_file_that_is_cut_beside_its_wal(killed: Path, tmp_path: Path) -> None:
    """What the -wal still holds mends it; else it is refused. It never falls behind."""
    assert state(cut(killed, tmp_path, killed.stat().st_size)) == 26
    for size in sizes(killed):
        found = state(cut(killed, tmp_path, size))
        assert isinstance(found, str) or found == 26, size


def test_a_wal_that_is_cut(killed: Path, tmp_path: Path) -> None:
    """SQLite can't tell it from a crash: it goes back to a commit. `burnline run` says to which."""
    length = killed.with_name("a.db-wal").stat().st_size
    frames = range(WAL_HEAD_BYTES, length, FRAME_BYTES)
    found = [
        state(cut(killed, tmp_path, killed.stat().st_size, at + more)) for at in frames for more in (0, 700)
    ]
    assert set(found) == set(range(20, 27)) - {26} and found == sorted(found)


def test_a_wal_that_is_gone_is_missed(killed: Path, tmp_path: Path) -> None:
    found = state(cut(killed, tmp_path, killed.stat().st_size, wal_size=0))
    assert "lacks its newest part, a.db-wal" in str(found)
    (tmp_path / "a.db-wal").touch()
    assert "lacks its newest part, a.db-wal" in str(state(tmp_path / "a.db"))


def test_a_file_that_is_gone_or_empty_beside_its_wal_leaves_the_wal_alone(
    killed: Path, tmp_path: Path
) -> None:
    path = cut(killed, tmp_path, 0)
    wal = path.with_name("a.db-wal").read_bytes()
    assert "is empty: restore it" in str(state(path))
    path.unlink()
    assert "is missing, but a.db-wal is there" in str(state(path))
    assert path.with_name("a.db-wal").read_bytes() == wal


def test_a_file_that_nobody_closed_but_whose_process_ended_is_whole(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db")
    commits(database, 1, 1)
    del database
    assert state(tmp_path / "a.db") == 1
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (0,)

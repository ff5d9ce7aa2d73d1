"""One file, one writer, all or nothing; and one sentence for everything that can be wrong with the file."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream.errors import UserError
from stream.shell.embedded.database import Database
from stream.stage import Output, StateRow


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    database = Database(path)
    try:
        yield database
    finally:
        database.close()


def filled(path: Path, rows: int = 200) -> Path:
    with opened(path) as database:
        database.append((Output("alerts", b"k", bytes(1000)) for _ in range(rows)), 7)
        database.write_state("burn", [StateRow(b"%d" % n, bytes(500)) for n in range(rows)])
        database.commit()
    return path


def refused(path: Path) -> str:
    """The sentence that opening the file gives; it names the file and is a single line."""
    with pytest.raises(UserError) as caught:
        Database(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path)) and "\n" not in sentence
    return sentence


def test_what_is_committed_is_there_and_what_is_not_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path) as database:
        database.append([Output("alerts", None, b"1")], 5)
        database.write_state("burn", [StateRow(b"a", b"1"), StateRow(b"b", b"2")])
        database.move("meter", "usage", 3)
        database.commit()
        database.append([Output("alerts", None, b"2")], 6)
        database.write_state("burn", [StateRow(b"a", None)])
        database.move("meter", "usage", 9)
    with opened(path) as database:
        assert database.read("alerts", 0) == [(0, 5, b"1")]
        assert set(database.read_state("burn")) == {StateRow(b"a", b"1"), StateRow(b"b", b"2")}
        assert (database.position("meter", "usage"), database.end("alerts")) == (3, 1)
        database.write_state("burn", [StateRow(b"a", None), StateRow(b"b", b"3")])
        database.commit()
    with opened(path) as database:
        assert list(database.read_state("burn")) == [StateRow(b"b", b"3")]
        assert list(database.read_state("meter")) == []


def test_positions_go_on_after_records_are_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as database:
        database.append((Output("alerts", None, b"%d" % n) for n in range(5)), 10)
        database.forget("alerts", before_ms=11)
        assert [position for position, _, _ in database.read("alerts", 0)] == [4]
        database.commit()
    with opened(tmp_path / "a.db") as database:
        database.append([Output("alerts", None, b"5")], 12)
        assert [position for position, _, _ in database.read("alerts", 0)] == [4, 5]


def test_a_file_that_another_process_uses(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.db")
    holder = (
        "import sys; from pathlib import Path; from stream.shell.embedded.database import Database; "
        "held = Database(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holder, str(path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        assert "another burnline runs on it: stop that one" in refused(path)
        other.communicate()
    with opened(path) as database:
        assert database.end("alerts") == 200


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"these are my notes\n" * 500)
    assert "damaged or no database" in refused(path)
    assert path.read_bytes() == b"these are my notes\n" * 500


@pytest.mark.parametrize("how", ["overwritten", "cut short"])
def test_a_damaged_file(tmp_path: Path, how: str) -> None:
    path = filled(tmp_path / "a.db")
    data = path.read_bytes()
    middle = len(data) // 2 // 4096 * 4096
    path.write_bytes(
        data[:middle] + (os.urandom(8192) + data[middle + 8192 :] if how == "overwritten" else b"")
    )
    assert "damaged" in refused(path)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE photos (name TEXT)")
    other.close()
    assert "not a burnline database" in refused(path)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]


def test_a_database_of_another_version(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.db")
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 7")
    other.close()
    assert "not a burnline database of version" in refused(path)


def test_a_folder_that_is_not_there_and_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    assert "check the folder" in refused(tmp_path / "absent" / "a.db")
    assert "check the folder" in refused(tmp_path)


def test_a_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        was_root = os.geteuid() == 0
        if was_root:  # whom no permission stops
            os.seteuid(65534)
        try:
            assert "check the folder and its permissions" in refused(folder / "a.db")
        finally:
            if was_root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_full_disk_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.db")
    with opened(path) as database:
        pages = database._execute("PRAGMA page_count").fetchone()[0]
        database._execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(UserError, match="the disk is full: make room") as caught:
            database.append((Output("alerts", b"k", bytes(1000)) for _ in range(1000)), 8)
        assert str(caught.value).startswith(str(path))
    with opened(path) as database:
        assert (database.end("alerts"), len(list(database.read_state("burn")))) == (200, 200)
        database.append([Output("alerts", None, b"on")], 9)
        database.commit()
        assert database.end("alerts") == 201

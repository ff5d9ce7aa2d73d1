"""One input file: plain or gzip, bytes or CSV rows, its progress, and one sentence when it is broken."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from stream.collect.reader import Rejected
from stream.errors import UserError

# Wider than any export: 1,443 columns of function counts are about 10 kB. Longer means "not a table".
LINE_LIMIT_CHARS: Final = 4_000_000
_BINARY: Final = re.compile("[\x00-\x08\ud800-\udfff]")
_GZIP: Final = b"\x1f\x8b"
_NOT_TEXT: Final = {
    b"PAR1": "a Parquet file: export it as CSV",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"(\xb5/\xfd": "a zstd file: unpack it, or pack it with gzip",
    b"BZh": "a bzip2 file: unpack it, or pack it with gzip",
}


class InputFile:
    """A file opened for reading; gzip is told by its first bytes, not by its name.

    `bytes_read` counts bytes of the file as it is stored, so `bytes_read / size_bytes` is the progress.
    Anything wrong with the file itself raises `UserError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._raw = path.open("rb")
            self.size_bytes = path.stat().st_size
            head = self._raw.read(4)
            self._raw.seek(0)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
        if problem := next((text for magic, text in _NOT_TEXT.items() if head.startswith(magic)), None):
            self._raw.close()
            raise UserError(f"{path.name} is {problem}.")
        self._gzipped = head.startswith(_GZIP)
        self._bytes = gzip.GzipFile(fileobj=self._raw) if self._gzipped else self._raw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()
        self._raw.close()

    @property
    def bytes_read(self) -> int:
        return self.size_bytes if self._raw.closed else self._raw.tell()

    def byte_lines(self, limit: int) -> Iterator[bytes]:
        """Lines with their ends; of a line longer than `limit` only the first `limit + 1` bytes."""
        with _Sound(self.path):
            while line := self._bytes.readline(limit + 1):
                yield line
                rest = line
                while len(rest) > limit and not rest.endswith(b"\n"):
                    rest = self._bytes.readline(limit + 1)

    def text_lines(self) -> Iterator[str]:
        """Lines as `csv` wants them: ends untouched, no byte-order mark, wrong bytes kept as surrogates."""
        text = io.TextIOWrapper(
            self._bytes,
            encoding="utf-8-sig",
            errors="surrogateescape",
            newline="",
        )
        with _Sound(self.path):
            while line := text.readline(LINE_LIMIT_CHARS + 1):
                if len(line) > LINE_LIMIT_CHARS:
                    raise UserError(
                        f"{self.path.name} has a line over {LINE_LIMIT_CHARS:,} characters. Is it CSV?"
                    )
                yield line


class _Sound:
    """Turns what a broken gzip or disk raises into a sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, EOFError):
            raise UserError(f"{self._path.name} ends in the middle. Copy it again.") from error
        if isinstance(error, zlib.error | OSError):
            raise UserError(f"{self._path.name} is damaged ({error}). Copy it again.") from error


class Row:
    """One data row. `number` counts from 1, the header not included."""

    __slots__ = ("_table", "_values", "number", "raw")

    def __init__(self, number: int, values: list[str], table: "Table", raw: str) -> None:
        self.number = number
        self.raw = raw
        self._values = values
        self._table = table

    def text(self, *names: str) -> str | None:
        """The first of these columns (lower case) that is there and not null, without outer blanks."""
        for name in names:
            index = self._table.columns.get(name)
            if index is not None and (value := self._value(index)) is not None:
                return value
        return None

    def _value(self, index: int) -> str | None:
        value = self._values[index].strip()
        return None if value.lower() in self._table.nulls else value

    def need(self, *names: str) -> str:
        value = self.text(*names)
        if value is None:
            raise ValueError(f"{names[0]} is empty")
        return value

    def at(self, index: int) -> str:
        return self._values[index]

    def index_of(self, name: str) -> int | None:
        return self._table.columns.get(name)

    def after_prefix(self, prefix: str) -> Iterator[tuple[str, str | None]]:
        """What stands in the columns that begin with `prefix`, by the rest of their name, case kept."""
        for index, name in enumerate(self._table.header):
            if name.startswith(prefix):
                yield name[len(prefix) :], self._value(index)

    def rejected(self, reason: str) -> Rejected:
        return Rejected(self.number, reason, self.raw.encode("utf-8", "surrogateescape"))


class Table:
    """A CSV file: its header, then rows. Column names are looked up without regard to case.

    `nulls` are texts (lower case) that mean "no value". A row that is not CSV, has the wrong number of
    fields, a NUL or bytes that are not UTF-8 comes out as `Rejected`. Blank lines are no rows.
    """

    def __init__(self, file: InputFile, nulls: frozenset[str]) -> None:
        self._file = file
        self.nulls = nulls
        self._record: list[str] = []
        self._reader = csv.reader(self._remember())
        try:
            self.header = next((row for row in self._reader if row), [])
        except csv.Error as error:
            raise UserError(f"{file.path.name} does not begin with a CSV header ({error}).") from error
        if not self.header:
            raise UserError(f"{file.path.name} is empty. Check that the export finished.")
        if _BINARY.search("".join(self.header)):
            raise UserError(f"{file.path.name} does not begin with a header of text. Is it CSV in UTF-8?")
        if twice := next((name for name in self.header if name and self.header.count(name) > 1), None):
            raise UserError(f"{file.path.name} has two columns named {twice!r}. Remove or rename one.")
        self.columns: dict[str, int] = {}
        for index, name in enumerate(self.header):
            self.columns.setdefault(name.strip().lower(), index)

    def require(self, names: frozenset[str], format_name: str) -> None:
        if missing := sorted(names - self.columns.keys()):
            raise UserError(
                f"{self._file.path.name} has no column {', '.join(missing)}, which {format_name} needs. "
                f"It begins with: {', '.join(self.header)[:200]}."
            )

    def __iter__(self) -> Iterator[Row | Rejected]:
        number = 0
        self._record.clear()
        while True:
            line_before = self._reader.line_num
            try:
                values = next(self._reader)
                problem = self._problem(values, line_before)
            except StopIteration:
                return
            except csv.Error as error:
                values, problem = [""], f"not CSV: {error}{self._lines(line_before)}"
            raw = "".join(self._record)
            self._record.clear()
            if not values:
                continue
            number += 1
            row = Row(number, values, self, raw)
            yield row.rejected(problem) if problem else row

    def _problem(self, values: list[str], line_before: int) -> str:
        if values and len(values) != len(self.header):
            return f"{len(values)} fields where the header has {len(self.header)}{self._lines(line_before)}"
        raw = "".join(self._record)
        if "\0" in raw:
            return "holds a NUL byte"
        if not raw.isascii() and any("\ud800" <= character <= "\udfff" for character in raw):
            return "is not UTF-8"
        return ""

    def _lines(self, line_before: int) -> str:
        if self._reader.line_num - line_before < 2:
            return ""
        return f" (lines {line_before + 1} to {self._reader.line_num}: is a quote not closed?)"

    def _remember(self) -> Iterator[str]:
        for line in self._file.text_lines():
            self._record.append(line)
            yield line

"""Reads labelled series: a folder of `group/name.csv` (or `.csv.gz`) with a `combined_windows.json`.

Each file has the columns `timestamp,value`. Rows stay as they are and in their order: repeated times, steps
back and gaps are what a detector meets in life, too. Times have no zone and are taken as UTC.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from detectors.evaluation.nab import Floats, Labels, label

WINDOWS: Final = "combined_windows.json"
HEADER: Final = ["timestamp", "value"]


class BadCorpus(ValueError):
    """The data can't be used; the message says which file, why and what to do."""


@dataclass(frozen=True, slots=True)
class Series:
    """One file. Times are epoch seconds; a value that is missing is NaN."""

    name: str
    times_s: Floats
    values: Floats
    labels: Labels

    @property
    def group(self) -> str:
        return self.name.rpartition("/")[0]


def read(folder: Path) -> tuple[list[Series], list[str]]:
    """All series of a folder by name, and a sentence for each thing that had to be left out.

    What has a file but no windows listed, or windows but no file, is left out. Raises BadCorpus.
    """
    windows = _windows(folder)
    files = {path.relative_to(folder).as_posix().removesuffix(".gz"): path for path in _files(folder)}
    if not files:
        raise BadCorpus(f"{folder} holds no group/name.csv: give the folder with the groups and {WINDOWS}")
    both = sorted(set(files) & set(windows))
    if not both:
        raise BadCorpus(
            f"{WINDOWS} names none of the files, such as {min(files)}: name them, with [] for no anomaly"
        )
    left_out = [f"{name} is named in {WINDOWS} but is no file" for name in sorted(set(windows) - set(files))]
    left_out += [f"{name} is not named in {WINDOWS}" for name in sorted(set(files) - set(windows))]
    return [_series(name, files[name], windows[name]) for name in both], left_out


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.glob("*/*.csv*") if path.name.endswith((".csv", ".csv.gz")))


def _windows(folder: Path) -> Mapping[str, Any]:
    path = folder / WINDOWS
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadCorpus(f"{path} cannot be read ({error.strerror}): give the folder that holds it") from None
    except ValueError as error:
        raise BadCorpus(f"{path} is no JSON ({error}): mend it") from None
    if not isinstance(found, dict):
        raise BadCorpus(
            f'{path} must be an object from file to windows, as {{"group/name.csv": [[start, end]]}}'
        )
    return found


def _series(name: str, path: Path, windows: Any) -> Series:
    times_s, values = _rows(name, path)
    try:
        windows_s = [(_seconds(start), _seconds(end)) for start, end in windows]
    except (TypeError, ValueError):
        raise BadCorpus(
            f"{WINDOWS}: the windows of {name} are no list of [start, end] times: mend it"
        ) from None
    try:
        labels = label(times_s, windows_s)
    except ValueError as error:
        raise BadCorpus(f"{WINDOWS}, {name}: {error}") from None
    return Series(name, times_s, values, labels)


def _rows(name: str, path: Path) -> tuple[Floats, Floats]:
    times_s, values = [], []
    rows = csv.reader(io.StringIO(_text(name, path), newline=""))
    header = next(rows, [])
    if [title.strip() for title in header] != HEADER:
        raise BadCorpus(f"{name} begins with {','.join(header)!r}: the first line must be 'timestamp,value'")
    for row in rows:
        if not row:
            continue
        try:
            time, value = row
            times_s.append(_seconds(time))
            values.append(float(value) if value.strip() else np.nan)
        except ValueError:
            shown = ",".join(row)
            raise BadCorpus(
                f"{name}, line {rows.line_num}: {shown!r} is no time and number: mend the line"
            ) from None
    if not times_s:
        raise BadCorpus(f"{name} holds no row: fill it or remove it")
    return np.asarray(times_s), np.asarray(values)


def _text(name: str, path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadCorpus(f"{name} cannot be read ({error}): put a whole copy in its place") from None


def _seconds(text: str) -> float:
    time = datetime.fromisoformat(text.strip())
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

"""Incidents that people know of: were they paged, and was it for these that people were woken?"""

import csv
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from stream.backtest.problems import Problem
from stream.config import Config
from stream.errors import UserError
from stream.scopes import TOTAL, scope_labels

# What is said within two hours of the end still speaks of it, as on a game day.
AFTERWARDS_S: Final = 7200
_EXAMPLE: Final = "start,end,scope\n2026-11-24T04:10Z,2026-11-24T06:00Z,service=shop/checkout"


class Known(msgspec.Struct, frozen=True):
    """One incident: from when to when, and where; without a scope it may be anywhere."""

    start_s: int
    end_s: int
    scope: str = ""
    name: str = ""


class Judged(msgspec.Struct):
    """How a list of problems does on known incidents. `precision` is None where nothing paged."""

    incidents: int
    paged: int
    told: int
    pages: int
    right_pages: int
    delays_s: list[int]

    @property
    def recall(self) -> float:
        return self.paged / self.incidents

    @property
    def precision(self) -> float | None:
        return self.right_pages / self.pages if self.pages else None


def read(path: Path) -> list[Known]:
    """Raises `UserError` that names the row and shows how one looks."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--incidents {path} cannot be read: {error}") from None
    rows: Iterable[Any]
    if content.lstrip().startswith(("[", "{")):
        try:
            rows = msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            raise UserError(f"--incidents {path.name} is no valid JSON: {error}") from None
        rows = rows if isinstance(rows, list) else [rows]
    else:
        rows = csv.DictReader(content.splitlines())
    found = [_known(path, number, row) for number, row in enumerate(rows, 1)]
    if not found:
        raise UserError(f"--incidents {path.name} names no incident; it should look like\n{_EXAMPLE}")
    return sorted(found, key=lambda one: one.start_s)


def _known(path: Path, number: int, row: Any) -> Known:
    where = f"--incidents {path.name}, incident {number}"
    if not isinstance(row, dict) or not row.get("start") or not row.get("end"):
        raise UserError(f"{where}: it needs a start and an end; it should look like\n{_EXAMPLE}")
    start_s, end_s = (_time_s(where, row[name]) for name in ("start", "end"))
    if end_s < start_s:
        raise UserError(f"{where}: it ends before it starts")
    return Known(start_s, end_s, str(row.get("scope") or ""), str(row.get("name") or ""))


def _time_s(where: str, value: Any) -> int:
    """ISO 8601 (without a zone: UTC), or seconds since the epoch."""
    text = str(value).strip()
    try:
        if text.isdecimal():
            return int(text)
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{where}: {text[:40]!r} is no time such as 2026-11-24T04:10Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


def judge(incidents: Sequence[Known], found: Sequence[Problem], config: Config) -> Judged:
    """A page is right if it is about a known incident, by time and scope."""
    judged = Judged(len(incidents), 0, 0, sum(one.pages for one in found), 0, [])
    right: set[str] = set()
    for incident in incidents:
        labels = scope_labels(incident.scope, config.scopes) if incident.scope else {}
        end_s = incident.end_s + AFTERWARDS_S
        about = [
            one
            for one in found
            if one.meets(incident.start_s, end_s)
            and one.told_s <= end_s
            and one.concerns(incident.scope or TOTAL, labels)
        ]
        pages = [one.paged_s for one in about if one.paged_s is not None and one.paged_s <= end_s]
        right |= {one.key for one in about if one.pages}
        judged.told += bool(about)
        if pages:
            judged.paged += 1
            judged.delays_s.append(max(0, min(pages) - incident.start_s))
    judged.right_pages = len(right)
    return judged

"""What maintenance windows and plans have held back, told when they end."""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from stream.alerts.digest import Digests, gathered
from stream.schema.alerts import Alert, DigestLine, HeldBack, Planned

MOST: Final = 200  # scopes of one window; a window over all scopes may hold back that many
_ROW: Final = b"held/"


class Report(msgspec.Struct):
    """One window: by scope what it has held back, as bad as it was. `more` scopes were too many."""

    held: HeldBack
    plan: Planned | None
    lines: dict[str, DigestLine] = {}
    more: list[str] = []


class Reports:
    """The reports of the windows that hold now, by id and beginning."""

    def __init__(self) -> None:
        self._reports: dict[str, Report] = {}

    def note(self, held: HeldBack, plan: Planned | None, line: DigestLine) -> None:
        """An alert that would have been told now."""
        report = self._reports.setdefault(f"{held.id}@{held.since_s}", Report(held, plan))
        report.held = held
        known = report.lines.get(line.scope)
        if known is not None:
            worse = max(known.burn_usd_per_hour, line.burn_usd_per_hour)
            line = msgspec.structs.replace(line, since_s=known.since_s, burn_usd_per_hour=worse)
        elif len(report.lines) >= MOST:
            report.more = sorted({*report.more, line.scope})[:MOST]
            return
        report.lines[line.scope] = line

    def standing(self) -> list[Report]:
        return [self._reports[key] for key in sorted(self._reports)]

    def ended(self, now_s: int, holding: Collection[str], digests: Digests) -> list[Alert]:
        """The records of the windows that hold no more."""
        records: list[Alert] = []
        for key, report in sorted(self._reports.items()):
            if report.held.id not in holding or report.held.until_s <= now_s:
                del self._reports[key]
                digest = gathered(
                    _title(report),
                    report.held.since_s,
                    min(now_s, report.held.until_s),
                    report.lines.values(),
                )
                left_off = digest.left_off + len(report.more)
                digest = msgspec.structs.replace(digest, left_off=left_off)
                tier = f"{report.held.kind}:{report.held.id}"
                records += digests.open(f"{report.held.kind}/{key}", tier, digest, now_s)
        return records

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        for key, report in self._reports.items():
            yield _ROW + key.encode(), msgspec.json.encode(report)

    def restore(self, key: bytes, value: bytes) -> bool:
        """Take a state row, if it is one of these."""
        if not key.startswith(_ROW):
            return False
        self._reports[key.removeprefix(_ROW).decode()] = msgspec.json.decode(value, type=Report)
        return True


def _title(report: Report) -> str:
    what = "The plan" if report.held.kind == "plan" else "Maintenance"
    name = report.held.note or report.held.id
    count = len(report.lines) + len(report.more)
    return f"{what} '{name}' is over: it held back {count} alert{'s' if count != 1 else ''}"

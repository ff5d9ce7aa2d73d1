"""The daily digest: what is too small for a ticket is gathered, and told once a day in one record.

A digest stands until the next one is due; then it is resolved, so that no ticket of a week ago lingers.
Reports on maintenance are told the same way, when they are ready.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from stream.alerts import text
from stream.config_alerts import Alerting
from stream.schema.alerts import Alert, Digest, DigestLine, Severity, State

MOST_LINES: Final = 50  # of one digest: more is no reading matter, and a record has its limit
MOST_KEPT: Final = 1_000
_ROW: Final = b"digest"
# A rate moves by some percent all the time.
_RISING: Final = 1.2
_FALLING: Final = 1 / _RISING


class Entry(msgspec.Struct):
    """One small thing: as it was last seen, when that was, and its rate in the last digest."""

    line: DigestLine
    seen_s: int
    told_usd_per_hour: float | None = None


class Daily(msgspec.Struct):
    """All small things since the last digest. `day` is the local date of that, `open` what still stands."""

    day: str = ""
    told_s: int = 0
    entries: dict[str, Entry] = {}
    open: list[Alert] = []


class Digests:
    """Gathers lines and hands out the records when they are due."""

    def __init__(self, rules: Alerting) -> None:
        self._rules = rules
        self._zone = zoneinfo.ZoneInfo(rules.digest.timezone)
        self._daily = Daily()

    def note(self, line: DigestLine, now_s: int) -> None:
        """This small thing stands at `now_s`."""
        entries = self._daily.entries
        known = entries.get(line.scope)
        if known is not None:
            since_s = min(known.line.since_s, line.since_s)
            known.line, known.seen_s = msgspec.structs.replace(line, since_s=since_s), now_s
        elif len(entries) < MOST_KEPT:
            entries[line.scope] = Entry(line, now_s)

    def lines(self, now_s: int) -> list[DigestLine]:
        """What the next digest would say now, the most dollars first."""
        lines = [_line(entry, now_s) for entry in self._daily.entries.values()]
        return sorted(lines, key=lambda line: (-line.excess_nusd, line.scope))

    def due(self, now_s: int) -> list[Alert]:
        """The records of a digest whose hour has come."""
        daily, day = self._daily, self._day(now_s)
        if not daily.day:
            daily.day, daily.told_s = day, now_s
        if day <= daily.day:
            return []
        records = [_ended(alert, now_s) for alert in daily.open]
        daily.open = []
        lines = self.lines(now_s)
        if lines or self._rules.digest.send_empty:
            digest = gathered(_title(lines), daily.told_s, now_s, lines)
            records += self.open(f"digest@{day}", "daily", digest, now_s)
        for scope, entry in list(daily.entries.items()):
            if entry.seen_s < now_s:
                del daily.entries[scope]
            else:
                entry.told_usd_per_hour = entry.line.burn_usd_per_hour
        daily.day, daily.told_s = day, now_s
        return records

    def open(self, key: str, tier: str, digest: Digest, now_s: int) -> list[Alert]:
        """The record of a digest or report, which stands until the next daily one is due."""
        record = _record(key, tier, digest, now_s, self._rules)
        self._daily.open.append(record)
        return [record]

    def _day(self, now_s: int) -> str:
        """The day whose digest is the newest that can have been sent by now."""
        local = dt.datetime.fromtimestamp(now_s, self._zone)
        early = local.hour < self._rules.digest.hour
        return (local.date() - dt.timedelta(days=early)).isoformat()

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        if self._daily.day:
            yield _ROW, msgspec.json.encode(self._daily)

    def restore(self, key: bytes, value: bytes) -> bool:
        """Take a state row, if it is this one."""
        if key == _ROW:
            self._daily = msgspec.json.decode(value, type=Daily)
        return key == _ROW


def gathered(title: str, since_s: int, until_s: int, lines: Iterable[DigestLine]) -> Digest:
    """The most dollars first."""
    ordered = sorted(lines, key=lambda line: (-line.excess_nusd, line.scope))
    kept = tuple(ordered[:MOST_LINES])
    return Digest(
        title=title, since_s=since_s, until_s=until_s, lines=kept, left_off=len(ordered) - len(kept)
    )


def _line(entry: Entry, now_s: int) -> DigestLine:
    line, told = entry.line, entry.told_usd_per_hour
    if entry.seen_s < now_s:
        return msgspec.structs.replace(line, trend="over", until_s=entry.seen_s)
    if told is None:
        return msgspec.structs.replace(line, trend="new")
    now = line.burn_usd_per_hour
    trend = "rising" if now > told * _RISING else "falling" if now < told * _FALLING else "steady"
    return msgspec.structs.replace(line, trend=trend)


def _title(lines: list[DigestLine]) -> str:
    if not lines:
        return "Nothing small to look at"
    things = "1 small thing" if len(lines) == 1 else f"{len(lines)} small things"
    excess_nusd = sum(max(0, line.excess_nusd) for line in lines)
    return f"{things} to look at, {text.usd_of(excess_nusd)} beyond normal"


def _ended(alert: Alert, now_s: int) -> Alert:
    return msgspec.structs.replace(
        alert, state=State.RESOLVED, time_s=now_s, resolved_s=now_s, spent_ms=now_s * 1000
    )


def _record(key: str, tier: str, digest: Digest, now_s: int, rules: Alerting) -> Alert:
    lines = digest.lines
    normal = [line.baseline_usd_per_hour for line in lines if line.baseline_usd_per_hour is not None]
    detectors = tuple(dict.fromkeys(line.detector for line in lines))
    return Alert(
        dedup_key=key,
        previous_key=None,
        state=State.FIRING,
        severity=Severity.DIGEST,
        tier=tier,
        scope="total",
        labels={},
        detectors=detectors,
        summary=digest.title,
        reason="",
        time_s=now_s,
        onset_s=min((line.since_s for line in lines), default=digest.since_s),
        fired_s=now_s,
        resolved_s=None,
        burn_usd_per_hour=sum(line.burn_usd_per_hour for line in lines),
        baseline_usd_per_hour=sum(normal) if len(normal) == len(lines) else None,
        baseline_kind="",
        excess_nusd=sum(max(0, line.excess_nusd) for line in lines),
        month_to_date_nusd=0,
        projection_usd=None,
        projection_low_usd=None,
        projection_high_usd=None,
        budget_usd=None,
        budget_exhaustion_s=None,
        calibration=1.0,
        drivers=(),
        children=(),
        attached=(),
        blame=None,
        runbook_url=text.runbook_url(rules, detectors[0] if detectors else "", "total"),
        console_url=rules.console_url,
        spent_ms=now_s * 1000,
        emitted_ms=0,
        digest=digest,
    )

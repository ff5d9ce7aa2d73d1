"""What must come out, worked out from the input log alone: ids and whole nano-dollars, no code of burnline.

Every message is read in the order of the log, as plain JSON. Money below a nano-dollar waits for the next
of the same partition; all other costs are whole, in every bucket.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tests.chaos.plan import CALL_NUSD, TICK_S

# (scope, component, role) as docs/formats.md has them; a scope's own series has no component.
Series = tuple[str, str, int]
Bucket = tuple[Series, int, int]
"""A series, the width of a ring's buckets in seconds, and which bucket since the epoch."""

SLOTS: Final = {"": {10: 360, 60: 1440, 3600: 888}, "component": {60: 120, 3600: 192}}
_LATE_MS: Final = 60_000
_ATTO: Final = Decimal(10**18)
_NANO: Final = 10**9
_MAX_USD: Final = Decimal(10_000_000)
DRIVER, CHILD, NOTE = 0, 1, 2


@dataclass(frozen=True)
class Record:
    """One record of `usage` as the log has it."""

    partition: int
    offset: int
    timestamp_ms: int
    value: bytes


@dataclass
class Expected:
    """`counters` and `watermark_ms` by usage partition; `letters` are (partition, offset, reason)."""

    counters: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    watermark_ms: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: -1))
    buckets: Counter[Bucket] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    letters: Counter[tuple[int, int, str]] = field(default_factory=Counter)

    def counters_total(self, name: str) -> int:
        return sum(counters[name] for counters in self.counters.values())

    def held(self) -> dict[Bucket, int]:
        """Every bucket with money that a ring still holds: the newest ones up to the newest watermark."""
        head_s = -(-max(self.watermark_ms.values(), default=0) // (TICK_S * 1000)) * TICK_S
        kept = {}
        for (series, width_s, bucket), cost_nusd in self.buckets.items():
            slots = SLOTS["component" if series[1] else ""].get(width_s, 0)
            if cost_nusd and bucket > (head_s - 1) // width_s - slots:
                kept[series, width_s, bucket] = cost_nusd
        return kept


def expect(log: Iterable[Record]) -> Expected:
    """Work through the log, which must be in order of offset within each partition."""
    expected = Expected()
    seen: set[tuple[str, int, int]] = set()
    rest_ausd: Counter[tuple[int, bool]] = Counter()
    for record in log:
        _take(expected, record, seen, rest_ausd)
    return expected


def _take(
    expected: Expected,
    record: Record,
    seen: set[tuple[str, int, int]],
    rest_ausd: Counter[tuple[int, bool]],
) -> None:
    counters = expected.counters[record.partition]
    estimates, unreadable, repeated = _read(record.value, seen)
    for reason in unreadable:
        _reject(expected, record, reason, 0)
    before_ms = expected.watermark_ms[record.partition]
    for estimate in estimates:
        poison = re.match(r"poison:(\w+)", estimate["driver"])
        if poison:
            stated = Decimal(estimate["cost_usd"])
            _reject(expected, record, poison[1], int(stated * _NANO) if abs(stated) <= _MAX_USD else 0)
            continue
        cost_nusd = _cost_nusd(estimate, rest_ausd, (record.partition, repeated))
        end_ms = max(estimate["end"], estimate["start"] + 1)
        counters["sent_events"] += 1
        counters["sent_nusd"] += cost_nusd
        if repeated:
            counters["duplicate_events"] += 1
            counters["duplicate_nusd"] += cost_nusd
            continue
        counters["accepted_events"] += 1
        counters["accepted_nusd"] += cost_nusd
        if end_ms <= before_ms - _LATE_MS:
            counters["late_events"] += 1
            counters["late_nusd"] += cost_nusd
        if estimate["driver"] == "wonders":
            counters["unpriced_events"] += 1
        if "team" not in estimate["labels"]:
            counters["unmapped_nusd"] += cost_nusd
        reached = min(end_ms, record.timestamp_ms)
        expected.watermark_ms[record.partition] = max(expected.watermark_ms[record.partition], reached)
        _spread(expected, estimate, cost_nusd)


def _read(value: bytes, seen: set[tuple[str, int, int]]) -> tuple[list[dict[str, Any]], list[str], bool]:
    """Estimates, reasons why what could not be read was rejected, and whether it was there before."""
    marked = re.search(rb"poison:(malformed_json|wrong_schema|not_utf8|not_finite)", value)
    if marked:
        return [], [marked[1].decode()], False
    document = json.loads(value)
    if "estimates" not in document:
        return [document], [], False
    key = (document["source"], document["epoch"], document["seq"])
    repeated = key in seen
    seen.add(key)
    return document["estimates"], [], repeated


def _reject(expected: Expected, record: Record, reason: str, cost_nusd: int) -> None:
    counters = expected.counters[record.partition]
    for name in ("sent", "rejected"):
        counters[f"{name}_events"] += 1
        counters[f"{name}_nusd"] += cost_nusd
    expected.letters[record.partition, record.offset, reason] += 1


def _cost_nusd(
    estimate: dict[str, Any], rest_ausd: Counter[tuple[int, bool]], place: tuple[int, bool]
) -> int:
    if "cost_usd" not in estimate:
        return CALL_NUSD * int(estimate["quantity"]) if estimate["driver"] == "calls" else 0
    nusd, rest = divmod(int(Decimal(estimate["cost_usd"]) * _ATTO), _NANO)
    # The running total is rounded, half up; each estimate gets the difference.
    before = (rest_ausd[place] + _NANO // 2) // _NANO
    rest_ausd[place] += rest
    return nusd + (rest_ausd[place] + _NANO // 2) // _NANO - before


def _spread(expected: Expected, estimate: dict[str, Any], cost_nusd: int) -> None:
    first, last = estimate["start"] // (TICK_S * 1000), -(-estimate["end"] // (TICK_S * 1000))
    part_nusd, over = divmod(cost_nusd, last - first)
    assert not over, f"this input has no one right answer: {estimate}"
    rows = list(_rows(estimate))
    for series in rows:
        if not series[1]:
            expected.totals[series[0]] += cost_nusd
    for width_s in (10, 60, 3600):
        ticks = width_s // TICK_S
        for bucket in range(first // ticks, -(-last // ticks)):
            inside = min(last, (bucket + 1) * ticks) - max(first, bucket * ticks)
            for series in rows:
                expected.buckets[series, width_s, bucket] += part_nusd * inside


def _rows(estimate: dict[str, Any]) -> Iterable[Series]:
    """Every series that an estimate adds to: five kinds of scopes, their drivers, their children."""
    labels, driver = estimate["labels"], estimate["driver"]
    namespace, service = labels["namespace"], labels["service"]
    leaf = f"service={namespace}/{service}"
    team = f"team={labels['team']}" if "team" in labels else "unmapped"
    children = {"total": team, team: leaf, f"namespace={namespace}": leaf}
    scopes = [*children, leaf]
    if "account" in labels:
        children[f"account={labels['account']}"] = leaf
        scopes.append(f"account={labels['account']}")
        if "provider" in labels:
            scopes.append(f"billing={labels['provider']}/{labels['account']}/{service}")
    if team == "unmapped":
        members = [scope for scope in scopes if scope != team and not scope.startswith("billing=")]
        yield from ((scope, "__unmapped__", NOTE) for scope in members)
    for scope in scopes:
        yield scope, "", DRIVER
        yield scope, driver, DRIVER
        if scope in children:
            yield scope, children[scope], CHILD

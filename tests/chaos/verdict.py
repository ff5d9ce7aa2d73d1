"""Compares what was observed with what must be. Each check names what is wrong, a line each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stream.schema.alerts import Alert
from tests.chaos.observe import COUNTERS, Observed
from tests.chaos.oracle import Expected, Record
from tests.chaos.reference import essence

_SHOWN: Final = 5


@dataclass
class Verdict:
    """`wrong` has the findings by check, `compared` how many things each check has looked at."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    compared: Counter[str] = field(default_factory=Counter)

    def add(self, check: str, compared: int, findings: Iterable[str]) -> None:
        found = list(findings)
        self.compared[check] += compared
        if found:
            self.wrong.setdefault(check, []).extend(found)

    @property
    def rows(self) -> int:
        """How many rows are wrong."""
        return sum(len(findings) for findings in self.wrong.values())

    def explain(self) -> str:
        lines = []
        for check, findings in self.wrong.items():
            lines += [f"{check}: {len(findings)} wrong", *(f"  {one}" for one in findings[:_SHOWN])]
        return "\n".join(lines) or "all right"


def judge(
    verdict: Verdict,
    expected: Expected,
    observed: Observed,
    calm: list[Alert],
    delivered: list[tuple[str, str]],
    log: list[Record],
) -> None:
    """Add what is wrong to `verdict`."""
    counters = _differ(_counters(expected), _counters(observed))
    reasons = Counter(reason for _, _, reason in expected.letters.elements())
    verdict.add("counters", len(observed.counters) * len(COUNTERS), counters)
    verdict.add("counters", len(reasons), _differ(reasons, observed.reasons))
    verdict.add(
        "watermark", len(expected.watermark_ms), _differ(expected.watermark_ms, observed.watermark_ms)
    )
    held = expected.held()
    verdict.add("windows", len(held), _differ(held, observed.buckets))
    totals = {scope: nusd for scope, nusd in observed.totals.items() if nusd}
    verdict.add("windows", len(expected.totals), _differ(+expected.totals, totals))
    verdict.add("dead letters", expected.letters.total(), _differ(expected.letters, observed.letters))
    verdict.add("dead letters", len(log), _altered(observed, log))
    verdict.add("alerts", len(calm), _alerts(calm, observed.told))
    verdict.add("notifications", len(calm), _notifications(observed.told, delivered))


def _counters(side: Expected | Observed) -> dict[tuple[int, str], int]:
    return {(number, name): each[name] for number, each in side.counters.items() for name in COUNTERS}


def _differ(right: Mapping[Any, Any], seen: Mapping[Any, Any]) -> Iterator[str]:
    for key in right.keys() | seen.keys():
        if right.get(key) != seen.get(key):
            yield f"{key}: {seen.get(key)} instead of {right.get(key)}"


def _altered(observed: Observed, log: list[Record]) -> Iterator[str]:
    """A dead letter has the bytes that were sent; of an envelope, those of the one estimate."""
    values = {(record.partition, record.offset): record.value for record in log}
    for (partition, offset, reason), original in observed.originals.items():
        if original not in values.get((partition, offset), b""):
            yield f"the letter of {partition}/{offset} ({reason}) has other bytes"


def _alerts(calm: list[Alert], told: list[Alert]) -> Iterator[str]:
    """Exactly once, the same, and in the same order within a scope."""
    for (key, state), count in Counter((alert.dedup_key, alert.state) for alert in told).items():
        if count > 1:
            yield f"{key} {state} was told {count} times"
    right, seen = _by_scope(calm), _by_scope(told)
    for scope in right.keys() | seen.keys():
        wanted, found = right.get(scope, []), seen.get(scope, [])
        if [_step(one) for one in wanted] != [_step(one) for one in found]:
            yield f"{scope}: {[_step(one) for one in found]} instead of {[_step(one) for one in wanted]}"
            continue
        for one, other in zip(wanted, found, strict=True):
            for name, value in one.items():
                if other[name] != value:
                    yield f"{_step(one)}: {name} is {other[name]} instead of {value}"


def _by_scope(told: list[Alert]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for alert in told:
        found.setdefault(alert.scope, []).append(essence(alert))
    return found


def _step(alert: dict[str, Any]) -> tuple[str, str]:
    return alert["dedup_key"], alert["state"]


def _notifications(told: list[Alert], delivered: list[tuple[str, str]]) -> Iterator[str]:
    """At least once, under the same key, first come in the order of the topic."""
    wanted = [(alert.dedup_key, str(alert.state)) for alert in told]
    first = list(dict.fromkeys(delivered))
    for lost in [one for one in wanted if one not in first]:
        yield f"{lost} was not delivered"
    if [one for one in first if one in wanted] != list(dict.fromkeys(one for one in wanted if one in first)):
        yield f"delivered in the order {first} instead of {wanted}"
    yield from (f"{one} was delivered and never told" for one in first if one not in wanted)

"""What people would have got: alerts with their transitions gathered, and which of two lists are the same."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from stream.schema.alerts import Alert, State

_PAGE: Final = "page"


class Problem(msgspec.Struct, kw_only=True):
    """One alert from its first word to its last.

    `severity` is the highest it had; `told_s` is when people first heard of it, `paged_s` when it paged.
    `until_nusd` was spent beyond normal by `told_s`, `until_page_nusd` by `paged_s`, `in_all_nusd` in all.
    `end_s` is None where the history ends first. Rates are those of when it last rose.
    """

    scope: str
    labels: dict[str, str]
    severity: str
    detector: str
    key: str
    onset_s: int
    told_s: int
    paged_s: int | None
    end_s: int | None = None
    until_nusd: int
    until_page_nusd: int | None
    in_all_nusd: int
    burn_usd_per_hour: float
    baseline_usd_per_hour: float | None
    driver: str
    attached: tuple[str, ...]
    summary: str
    reason: str

    @property
    def pages(self) -> bool:
        return self.paged_s is not None

    def meets(self, start_s: int, end_s: int | None) -> bool:
        """Whether it lasted at some time of [start, end]."""
        return (end_s is None or self.onset_s <= end_s) and (self.end_s is None or start_s <= self.end_s)

    def concerns(self, scope: str, labels: Mapping[str, str]) -> bool:
        """Whether it is about that scope: the same, one within it or around it, or attached for one cause."""
        return scope in (self.scope, *self.attached) or _nested(labels, self.labels)


def problems(told: Iterable[Alert], active: Iterable[Alert]) -> list[Problem]:
    """All problems, in order of when people heard of them. `active` is what is not over at the end."""
    found: list[Problem] = []
    by_key: dict[str, Problem] = {}
    for alert in told:
        if alert.digest is not None or alert.severity == "digest":
            continue
        known = by_key.get(alert.previous_key or "") if alert.state == State.ESCALATED else None
        if known is not None:
            _escalate(known, alert)
            by_key[alert.dedup_key] = known
        elif alert.dedup_key not in by_key and alert.state in (State.FIRING, State.ESCALATED):
            by_key[alert.dedup_key] = _first(alert)
            found.append(by_key[alert.dedup_key])
        if (problem := by_key.get(alert.dedup_key)) is not None:
            problem.in_all_nusd = max(problem.in_all_nusd, alert.excess_nusd)
            if alert.state == State.RESOLVED:
                problem.end_s = alert.resolved_s
    for alert in active:
        if (problem := by_key.get(alert.dedup_key)) is not None:
            problem.in_all_nusd = max(problem.in_all_nusd, alert.excess_nusd)
    return found


def same(problem: Problem, others: Iterable[Problem]) -> Problem | None:
    """The first of others that pages about the same thing at the same time."""
    found = [
        other
        for other in others
        if other.pages
        and other.meets(problem.onset_s, problem.end_s)
        and (problem.concerns(other.scope, other.labels) or other.concerns(problem.scope, problem.labels))
    ]
    return min(found, key=lambda other: other.paged_s or 0, default=None)


def _nested(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether one set of labels holds the other: a service and its namespace, anything and the total."""
    fewer, more = sorted((one, other), key=len)
    return fewer.items() <= more.items()


def _first(alert: Alert) -> Problem:
    pages = alert.severity == _PAGE
    return Problem(
        scope=alert.scope,
        labels=alert.labels,
        severity=alert.severity,
        detector=alert.detectors[0],
        key=alert.dedup_key,
        onset_s=alert.onset_s,
        told_s=alert.time_s,
        paged_s=alert.time_s if pages else None,
        until_nusd=alert.excess_nusd,
        until_page_nusd=alert.excess_nusd if pages else None,
        in_all_nusd=alert.excess_nusd,
        burn_usd_per_hour=alert.burn_usd_per_hour,
        baseline_usd_per_hour=alert.baseline_usd_per_hour,
        driver=alert.drivers[0].name if alert.drivers else "",
        attached=tuple(other.scope for other in alert.attached),
        summary=alert.summary,
        reason=alert.reason,
    )


def _escalate(problem: Problem, alert: Alert) -> None:
    if alert.severity == _PAGE and problem.paged_s is None:
        problem.paged_s, problem.until_page_nusd = alert.time_s, alert.excess_nusd
        problem.detector = alert.detectors[0]
    problem.severity, problem.key = alert.severity, alert.dedup_key
    problem.burn_usd_per_hour = alert.burn_usd_per_hour
    problem.baseline_usd_per_hour = alert.baseline_usd_per_hour
    problem.driver = alert.drivers[0].name if alert.drivers else problem.driver
    problem.attached = tuple(other.scope for other in alert.attached)
    problem.summary, problem.reason = alert.summary, alert.reason

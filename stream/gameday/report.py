"""The report of a game day: what each monitor found, how soon, and whom it woke for nothing."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from stream.gameday.game import BURNLINE, QUIET
from stream.gameday.score import Outcome

DAYS_A_MONTH: Final = 30


class Kind(msgspec.Struct, kw_only=True):
    """One scenario, over all seeds, as burnline saw it. Delays are seconds from its beginning."""

    scenario: str
    expected: str
    games: int
    told: int
    severities: dict[str, int]
    delay_p50_s: float | None
    delay_p95_s: float | None
    lost_usd: float
    right_driver: int
    asked_driver: int
    right_deploy: int
    false_pages: int
    false_tickets: int


class Total(msgspec.Struct, kw_only=True):
    """One monitor over everything. Ratios are None where there was nothing to divide by."""

    monitor: str
    page_recall: float | None
    page_precision: float | None
    ticket_recall: float | None
    ticket_precision: float | None
    delay_10x_p95_s: float | None
    delay_3x_p95_s: float | None
    delay_p50_s: float | None
    delay_p95_s: float | None
    lost_usd: float
    right_driver: float | None
    right_deploy: float | None
    quiet_false_pages_a_month: float | None


class Report(msgspec.Struct, kw_only=True):
    kinds: list[Kind]
    totals: list[Total]
    outcomes: list[Outcome]


def report(outcomes: list[Outcome], quiet_days: int) -> Report:
    scenarios = list(dict.fromkeys(one.scenario for one in outcomes if one.scenario != QUIET))
    ours = [one for one in outcomes if one.monitor == BURNLINE]
    kinds = [_kind([one for one in ours if one.scenario == name]) for name in scenarios]
    monitors = list(dict.fromkeys(one.monitor for one in outcomes))
    monitors.sort(key=lambda name: name != BURNLINE)
    totals = [_total([one for one in outcomes if one.monitor == name], quiet_days) for name in monitors]
    return Report(kinds=kinds, totals=totals, outcomes=outcomes)


def _kind(outcomes: Sequence[Outcome]) -> Kind:
    delays = [one.delay_s for one in outcomes if one.delay_s is not None]
    severities: dict[str, int] = {}
    for one in outcomes:
        if one.told:
            severities[one.severity] = severities.get(one.severity, 0) + 1
    return Kind(
        scenario=outcomes[0].scenario,
        expected=outcomes[0].expected,
        games=len(outcomes),
        told=sum(one.told for one in outcomes),
        severities=severities,
        delay_p50_s=_quantile(delays, 50),
        delay_p95_s=_quantile(delays, 95),
        lost_usd=sum(one.lost_usd for one in outcomes) / len(outcomes),
        right_driver=sum(one.right_driver is True for one in outcomes),
        asked_driver=sum(one.right_driver is not None for one in outcomes),
        right_deploy=sum(one.right_deploy is True for one in outcomes),
        false_pages=sum(one.false_pages for one in outcomes),
        false_tickets=sum(one.false_tickets for one in outcomes),
    )


def _total(outcomes: Sequence[Outcome], quiet_days: int) -> Total:
    played = [one for one in outcomes if one.scenario != QUIET]
    quiet = [one for one in outcomes if one.scenario == QUIET]
    pages = [one for one in played if one.expected == "page"]
    tickets = [one for one in played if one.expected == "ticket"]
    delays = [one.delay_s for one in pages if one.delay_s is not None]
    return Total(
        monitor=outcomes[0].monitor,
        page_recall=_share([one.told for one in pages]),
        page_precision=_ratio(sum(one.pages for one in played), sum(one.false_pages for one in played)),
        ticket_recall=_share([one.told for one in tickets]),
        ticket_precision=_ratio(sum(one.tickets for one in played), sum(one.false_tickets for one in played)),
        delay_10x_p95_s=_quantile([one.delay_10x_s for one in pages if one.delay_10x_s is not None], 95),
        delay_3x_p95_s=_quantile([one.delay_3x_s for one in pages if one.delay_3x_s is not None], 95),
        delay_p50_s=_quantile(delays, 50),
        delay_p95_s=_quantile(delays, 95),
        lost_usd=sum(one.lost_usd for one in pages) / max(len(pages), 1),
        right_driver=_share([one.right_driver for one in played if one.right_driver is not None]),
        right_deploy=_share([one.right_deploy for one in played if one.right_deploy is not None]),
        quiet_false_pages_a_month=sum(one.false_pages for one in quiet)
        / len(quiet)
        * DAYS_A_MONTH
        / quiet_days
        if quiet
        else None,
    )


def _quantile(values: Iterable[float], percent: float) -> float | None:
    found = list(values)
    return float(np.percentile(found, percent)) if found else None


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _ratio(right: int, wrong: int) -> float | None:
    return right / (right + wrong) if right + wrong else None

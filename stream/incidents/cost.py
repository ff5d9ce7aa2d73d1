"""What an incident cost: spend less what is normal, over its window and scopes. Pure.

The interval: the baseline's error is taken as one and the same within a day and independent from day to
day, as the month's projection does. With the spread s in dollars an hour, over H hours it is
1.96 x s x H up to a day, then 1.96 x s x 24 x sqrt(H / 24); of s = $2/h, 3 h make 1.96 x 2 x 3 = $11.76. The
margins of several scopes add up, as if they erred together: too wide rather than too narrow.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from stream.burn.figures import Figures
from stream.burn.month import TWO_SIDED_95
from stream.burn.parts import HOUR_S, Part, split, widened
from stream.burn.windows import Windows
from stream.incidents.overlap import Spent, disjoint
from stream.incidents.split import completed
from stream.schema.incidents import Incident
from stream.schema.signals import Share
from stream.schema.spend import CALIBRATION, CHILD, DRIVER, NOTE

NANO: Final = 1_000_000_000
DAY_H: Final = 24
TOP: Final = 3

INTERIM: Final = "interim"
ESTIMATED: Final = "estimated"


class Spending(Protocol):
    """What is asked of a burn stage."""

    @property
    def windows(self) -> Windows: ...
    def expected_usd(self, scope: str, start_s: int, end_s: int) -> float | None: ...
    def top(self, scope: str, time_s: int, role: int, count: int = TOP) -> tuple[Share, ...]: ...


@dataclass(frozen=True, slots=True)
class Counted:
    """One scope's share of an incident. `baseline_known` False: normal counts as nothing."""

    scope: str
    spent_nusd: int
    baseline_nusd: int
    baseline_known: bool

    @property
    def excess_nusd(self) -> int:
        return self.spent_nusd - self.baseline_nusd


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of an incident over `[start_s, end_s)`. Money in nano-dollars, rates in US dollars an hour.

    `state` is "interim" while the window reaches beyond what has been heard or a source of it is silent,
    else "estimated": invoices have the last word. `whole` False: the windows no longer hold the beginning.
    `scopes` add up to the totals, `left_out` says which scopes don't count, and why. `excess_low_nusd` and
    `_high_` bound the excess with 95 % as far as the baseline goes; None where what is normal is not known.
    `drivers` and `owners` each add up to the totals. `until_contained_nusd` and `after_contained_nusd` are
    excess and add up to it; None without a containment. `projection_usd` is the month of all counted
    scopes.
    """

    incident: Incident
    state: str
    start_s: int
    end_s: int
    whole: bool
    scopes: tuple[Counted, ...]
    left_out: Mapping[str, str]
    spent_nusd: int
    baseline_nusd: int
    excess_nusd: int
    excess_low_nusd: int | None
    excess_high_nusd: int | None
    until_contained_nusd: int | None
    after_contained_nusd: int | None
    burn_usd_per_hour: float | None
    baseline_usd_per_hour: float | None
    projection_usd: float | None
    projection_low_usd: float | None
    projection_high_usd: float | None
    calibration: float
    baseline_kinds: tuple[str, ...]
    drivers: tuple[Part, ...]
    owners: tuple[Part, ...]
    top: tuple[Share, ...]


def cost(
    incident: Incident, spendings: Sequence[Spending], figures: Mapping[str, Figures], now_s: int
) -> Cost:
    """The incident as of `now_s`, up to which everything is in. `spendings` are all spend partitions.

    `figures` maps a scope to its latest figures.
    """
    homes = {scope: _homes(spendings, scope) for scope in incident.scopes}
    since_s, until_s = _window(incident, now_s)
    spans = [widened(one.windows.scopes, since_s, until_s) for found in homes.values() for one in found]
    start_s = min((span[0] for span in spans), default=since_s)
    end_s = max((span[1] for span in spans), default=until_s)
    kept, left_out = disjoint(_spent(found, scope, start_s, end_s) for scope, found in homes.items() if found)
    left_out |= {scope: "nothing has been spent under this name" for scope in homes if not homes[scope]}
    chosen = {scope: found for scope, found in homes.items() if found and scope in kept}
    counted = [_counted(found, scope, start_s, end_s) for scope, found in chosen.items()]
    known = [figures[scope] for scope in chosen if scope in figures]
    spent_nusd = sum(each.spent_nusd for each in counted)
    baseline_nusd = sum(each.baseline_nusd for each in counted)
    margin_nusd = _margin_nusd(counted, figures, (end_s - start_s) / HOUR_S)
    excess_nusd = spent_nusd - baseline_nusd
    until, after = _around_containment(incident, chosen, start_s, end_s, excess_nusd)
    drivers: list[Part] = []
    for scope, one in _each(chosen):
        drivers += split(one.windows, scope, DRIVER, start_s, end_s)
    beyond = incident.until_s is not None and incident.until_s > now_s
    return Cost(
        incident=incident,
        state=INTERIM if beyond or any(each.interim_usd_per_hour for each in known) else ESTIMATED,
        start_s=start_s,
        end_s=end_s,
        whole=start_s <= since_s,
        scopes=tuple(counted),
        left_out=left_out,
        spent_nusd=spent_nusd,
        baseline_nusd=baseline_nusd,
        excess_nusd=excess_nusd,
        excess_low_nusd=None if margin_nusd is None else excess_nusd - margin_nusd,
        excess_high_nusd=None if margin_nusd is None else excess_nusd + margin_nusd,
        until_contained_nusd=until,
        after_contained_nusd=after,
        burn_usd_per_hour=_sum(each.burn_usd_per_hour.get(300) for each in known),
        baseline_usd_per_hour=_sum(each.baseline_usd_per_hour for each in known),
        projection_usd=_sum(each.projection_usd for each in known),
        projection_low_usd=_sum(each.projection_low_usd for each in known),
        projection_high_usd=_sum(each.projection_high_usd for each in known),
        calibration=_calibration(chosen, start_s, end_s),
        baseline_kinds=tuple(sorted({each.baseline_kind for each in known})),
        drivers=completed(drivers, spent_nusd, baseline_nusd),
        owners=_owners(chosen, counted, start_s, end_s),
        top=_top(chosen, now_s),
    )


def _window(incident: Incident, now_s: int) -> tuple[int, int]:
    """What of the incident's window lies before now."""
    until_s = now_s if incident.until_s is None else min(incident.until_s, now_s)
    return incident.since_s, max(incident.since_s, until_s)


def _homes(spendings: Iterable[Spending], scope: str) -> list[Spending]:
    """Where a scope lives: in one partition, but each has its own `other`."""
    return [one for one in spendings if one.windows.number(scope) is not None]


def _each(chosen: Mapping[str, Sequence[Spending]]) -> Iterator[tuple[str, Spending]]:
    return ((scope, one) for scope, found in chosen.items() for one in found)


def _spent(found: Iterable[Spending], scope: str, start_s: int, end_s: int) -> Spent:
    """At the resolution of child scopes, so that the two can be compared to the nano-dollar."""
    spent_nusd, children = 0, Counter[str]()
    for one in found:
        span = widened(one.windows.components, start_s, end_s)
        children.update(one.windows.children_nusd(scope, *span))
        spent_nusd += one.windows.spent_nusd(scope, *span)
    return Spent(scope, spent_nusd, children)


def _counted(found: Sequence[Spending], scope: str, start_s: int, end_s: int) -> Counted:
    expected_usd = [one.expected_usd(scope, start_s, end_s) for one in found]
    spent_nusd = sum(one.windows.spent_nusd(scope, start_s, end_s) for one in found)
    normal_nusd = sum(round((usd or 0.0) * NANO) for usd in expected_usd)
    return Counted(scope, spent_nusd, normal_nusd, None not in expected_usd)


def _margin_nusd(counted: Iterable[Counted], figures: Mapping[str, Figures], hours: float) -> int | None:
    """Half the interval; None as soon as one scope's normal or its spread is not known."""
    effective_h = hours if hours <= DAY_H else DAY_H * math.sqrt(hours / DAY_H)
    total_usd = 0.0
    for each in counted:
        found = figures.get(each.scope)
        if found is None or found.spread_usd_per_hour is None or not each.baseline_known:
            return None
        total_usd += TWO_SIDED_95 * found.spread_usd_per_hour * effective_h
    return round(total_usd * NANO)


def _around_containment(
    incident: Incident, chosen: Mapping[str, Sequence[Spending]], start_s: int, end_s: int, excess_nusd: int
) -> tuple[int | None, int | None]:
    """The excess before the containment and the rest, cut at the edge of a bucket."""
    if incident.contained_s is None:
        return None, None
    cut_s = min(max(incident.contained_s, start_s), end_s)
    cuts = [widened(one.windows.scopes, start_s, cut_s)[1] for _, one in _each(chosen)]
    cut_s = min(max(cuts, default=cut_s), end_s)
    before = sum(_counted(found, scope, start_s, cut_s).excess_nusd for scope, found in chosen.items())
    return before, excess_nusd - before


def _calibration(chosen: Mapping[str, Sequence[Spending]], start_s: int, end_s: int) -> float:
    """What factors added is held as coarsely as parts are, so the spend beside it is of the same buckets."""
    spent_nusd = added_nusd = 0
    for scope, one in _each(chosen):
        span = widened(one.windows.components, start_s, end_s)
        spent_nusd += one.windows.spent_nusd(scope, *span)
        added_nusd += one.windows.components_nusd(scope, *span, NOTE).get(CALIBRATION, 0)
    return spent_nusd / (spent_nusd - added_nusd) if added_nusd and spent_nusd != added_nusd else 1.0


def _owners(
    chosen: Mapping[str, Sequence[Spending]], counted: Sequence[Counted], start_s: int, end_s: int
) -> tuple[Part, ...]:
    """The children of a single scope that has any; else the scopes themselves."""
    spent_nusd = sum(each.spent_nusd for each in counted)
    baseline_nusd = sum(each.baseline_nusd for each in counted)
    parts: list[Part] = []
    if len(chosen) == 1:
        for scope, one in _each(chosen):
            parts += split(one.windows, scope, CHILD, start_s, end_s)
    if not parts:
        parts = [Part(each.scope, each.spent_nusd, each.baseline_nusd, each.excess_nusd) for each in counted]
    return completed(parts, spent_nusd, baseline_nusd)


def _top(chosen: Mapping[str, Sequence[Spending]], now_s: int) -> tuple[Share, ...]:
    """The drivers that spent most beyond their normal in the last 60 minutes, over all scopes."""
    found: dict[str, Share] = {}
    for scope, one in _each(chosen):
        for share in one.top(scope, now_s, DRIVER, count=1000):
            known = found.get(share.name, Share(name=share.name, cost_nusd=0, excess_nusd=0))
            found[share.name] = Share(
                name=share.name,
                cost_nusd=known.cost_nusd + share.cost_nusd,
                excess_nusd=known.excess_nusd + share.excess_nusd,
            )
    return tuple(sorted(found.values(), key=lambda share: (-share.excess_nusd, share.name))[:TOP])


def _sum(values: Iterable[float | None]) -> float | None:
    """None as soon as one is not known."""
    known = list(values)
    return sum(value for value in known if value is not None) if known and None not in known else None

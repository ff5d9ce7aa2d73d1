"""One cause, one page: which alerting scopes move for the same cause, and which of them is reported.

Scopes overlap: the dollars of service=shop/checkout are also dollars of its namespace, team, account and
of the total, and when it runs away all five alert. The most specific scope that explains most of a wider
one's excess is its *cause*; the wider one is attached to it and not sent. The rules, for each scope from
the most specific to the widest:

1. A scope that people were already told of, as severely, stays its own cause: what has rung is never
   moved to another scope.
2. A scope that explains one of those wider ones joins it. (The wide one rang before its cause was found,
   later than the group wait. Its page names its parts; a second page for the same trouble helps nobody.)
3. A scope whose excess is explained, for the share `explains`, by narrower alerting ones is attached to
   the cause of the largest. They may explain it together if they can't overlap: two services that run
   away independently make two pages, and none for the total.
4. Once attached, a scope stays so while half of that share is still explained, or while its cause is
   within its hold time; sums over an hour and over five minutes disagree for a while.
5. When its cause has resolved, it stays quiet as long as it burns less than half the excess that was
   explained: a detector with a window of hours is still counting what people have dealt with.
6. Anything else is its own cause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stream.config import ScopeRule
from stream.schema.signals import Share, Signal
from stream.scopes import scope_labels

_KEEP: Final = 0.5


@dataclass(frozen=True, slots=True)
class Member:
    """One scope as grouping sees it.

    `signal` is its worst active one, None within the hold time, and `excess_usd_per_hour` the largest rate
    beyond normal of any active one (each is measured over its own detector's window). `wants` and `rung`
    are the severities (0: none) that its detectors ask for and that people were told. `cause` is its last
    cause, and `explained_usd_per_hour` the largest excess it had under another's.
    """

    scope: str
    labels: Mapping[str, str]
    signal: Signal | None
    excess_usd_per_hour: float
    wants: int
    rung: int
    cause: str | None
    explained_usd_per_hour: float


class Grouping:
    """The rules above, for the scopes of one configuration."""

    def __init__(self, scopes: Sequence[ScopeRule], explains: float) -> None:
        self._scopes = scopes
        self._kinds = {rule.name: (index, rule) for index, rule in enumerate(scopes)}
        self._explains = explains

    def causes(self, members: Iterable[Member]) -> dict[str, str]:
        """The cause of every member; a scope that maps to itself is reported."""
        ordered = sorted(members, key=lambda member: (self.specificity(member), member.scope), reverse=True)
        told = [member for member in ordered if member.rung and member.rung >= member.wants]
        causes = {member.scope: member.scope for member in told}
        told = [member for member in told if member.signal is None or self.has_parts(member)]
        narrower: list[Member] = []
        present = {member.scope for member in ordered}
        for member in ordered:
            if member.scope not in causes:
                causes[member.scope] = self._cause(member, told, narrower, causes)
                if causes[member.scope] == member.scope and member.cause not in present:
                    causes[member.scope] = _lingering(member)
            narrower.append(member)
        return causes

    def specificity(self, member: Member) -> tuple[int, int]:
        """More labels are more specific; among equals the kind named later in the configuration is."""
        kind = member.scope.partition("=")[0]
        return len(member.labels), self._kinds[kind][0] if kind in self._kinds else len(self._kinds)

    def has_parts(self, member: Member) -> bool:
        """Whether there may be a narrower scope that explains this one."""
        known = self._kinds.get(member.scope.partition("=")[0])
        return known is not None and known[1].children is not None

    def _cause(
        self, member: Member, told: list[Member], narrower: list[Member], causes: Mapping[str, str]
    ) -> str:
        for wide in told:
            if wide.rung >= member.wants and wide.scope != member.scope:
                if wide.signal is None:
                    if wide.scope == member.cause:
                        return wide.scope
                elif self.share(member, wide) >= self._needed(member, wide.scope):
                    return wide.scope
        if not self.has_parts(member):
            return member.scope
        shares = [(share, other) for other in narrower if (share := self.share(other, member)) > 0]
        shares.sort(key=lambda part: (-part[0], part[1].scope))
        explained, parts = 0.0, list[Member]()
        for share, other in shares:
            if all(_disjoint(other, part) for part in parts):
                parts.append(other)
                explained += share
            cause = causes[parts[0].scope]
            if explained >= self._needed(member, cause):
                return cause
        return member.scope

    def _needed(self, member: Member, cause: str) -> float:
        attached = member.cause is not None and member.cause != member.scope
        return self._explains * (_KEEP if attached and member.cause == cause else 1.0)

    def share(self, narrow: Member, wide: Member) -> float:
        """The share of `wide`'s excess that is `narrow`'s, 0 when `narrow` is no part of it.

        The larger of two measures: of the last 60 minutes, by the wide scope's own list of parts; and of
        the rates at which both detectors decided. The first knows scopes that share no label (a service
        in a team); the second knows the last minutes.
        """
        if narrow.signal is None or wide.signal is None or narrow.scope == wide.scope:
            return 0.0
        parts = [(part, scope_labels(part.name, self._scopes)) for part in wide.signal.children]
        whole_nusd = max(_excess_nusd(wide.signal.children), _excess_nusd(wide.signal.drivers))
        share = 0.0
        if whole_nusd > 0:
            inside = [
                part for part, labels in parts if part.name == narrow.scope or _within(labels, narrow.labels)
            ]
            share = _excess_nusd(inside) / whole_nusd
        part_of = (
            len(wide.labels) < len(narrow.labels) and _within(narrow.labels, wide.labels, empty=True)
        ) or any(part.name == narrow.scope or _within(narrow.labels, labels) for part, labels in parts)
        if part_of and wide.excess_usd_per_hour > 0:
            share = max(share, narrow.excess_usd_per_hour / wide.excess_usd_per_hour)
        return share


def _lingering(member: Member) -> str:
    """The cause of a scope whose last one has resolved."""
    if member.cause is None or member.signal is None:
        return member.scope
    live = member.excess_usd_per_hour > _KEEP * member.explained_usd_per_hour
    return member.scope if live else member.cause


def _within(labels: Mapping[str, str], wider: Mapping[str, str], empty: bool = False) -> bool:
    """Whether a scope with `labels` lies inside one with the labels `wider`."""
    return (empty or bool(wider)) and all(labels.get(name) == value for name, value in wider.items())


def _disjoint(one: Member, other: Member) -> bool:
    """Whether no dollar can count in both: they have a label in common and differ in it."""
    return any(one.labels[name] != other.labels[name] for name in one.labels.keys() & other.labels.keys())


def _excess_nusd(shares: Iterable[Share]) -> int:
    return sum(max(share.excess_nusd, 0) for share in shares)

"""Which scopes of an incident may be added up, so that no dollar counts twice.

Two scopes of one kind (`service=a`, `service=b`) share nothing: an estimate has one value of each label.
`total` holds everything. For others, a scope's own children tell: what `team=payments` spent through
`service=shop/checkout` is known to the nano-dollar. Where nothing tells, they may share money, and only the
one that spent more counts. So a sum may leave something out, which is said, but never counts it twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_TOTAL: Final = "total"


@dataclass(frozen=True, slots=True)
class Spent:
    """One scope over the incident's window. `children` maps its child scopes to their money in it."""

    scope: str
    spent_nusd: int
    children: Mapping[str, int]


def disjoint(scopes: Iterable[Spent]) -> tuple[set[str], dict[str, str]]:
    """The scopes to add up, and why each of the others is left out. The widest is taken first."""
    kept: list[Spent] = []
    left_out: dict[str, str] = {}
    for one in sorted(scopes, key=lambda one: (one.scope != _TOTAL, -one.spent_nusd, one.scope)):
        clash = next((why for wider in kept if (why := _clash(wider, one))), None)
        if clash is None:
            kept.append(one)
        else:
            left_out[one.scope] = clash
    return {one.scope for one in kept}, left_out


def _clash(wider: Spent, other: Spent) -> str | None:
    """Why `other` must not be added to `wider`; None where they share nothing."""
    if wider.scope == _TOTAL:
        return f"is counted in {_TOTAL}"
    if _kind(wider.scope) == _kind(other.scope):
        return None
    for outer, inner in ((wider, other), (other, wider)):
        if _kind(inner.scope) in {_kind(child) for child in outer.children}:
            shared_nusd = outer.children.get(inner.scope, 0)
            if not shared_nusd:
                return None
            if outer is wider and shared_nusd == inner.spent_nusd:
                return f"is counted in {wider.scope}"
            return f"shares money with {wider.scope}, which spent more"
    return f"may share money with {wider.scope}, which spent more"


def _kind(scope: str) -> str:
    return scope.partition("=")[0]

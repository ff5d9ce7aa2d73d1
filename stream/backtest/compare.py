"""What another policy would change: which pages appear, which go, which come at another time."""

from collections.abc import Sequence

import msgspec

from stream.backtest.problems import Problem, same


class Moved(msgspec.Struct, frozen=True):
    """A page that both have, by how much later it comes (negative: sooner)."""

    problem: Problem
    later_s: int


class Difference(msgspec.Struct, kw_only=True):
    """The tried policy beside the present one."""

    pages_now: int
    pages_tried: int
    tickets_now: int
    tickets_tried: int
    appear: list[Problem]
    go: list[Problem]
    moved: list[Moved]


def difference(now: Sequence[Problem], tried: Sequence[Problem]) -> Difference:
    pages_now, pages_tried = ([one for one in each if one.pages] for each in (now, tried))
    moved = []
    for problem in pages_now:
        other = same(problem, pages_tried)
        if other is not None and other.paged_s != problem.paged_s:
            moved.append(Moved(problem, (other.paged_s or 0) - (problem.paged_s or 0)))
    return Difference(
        pages_now=len(pages_now),
        pages_tried=len(pages_tried),
        tickets_now=len(now) - len(pages_now),
        tickets_tried=len(tried) - len(pages_tried),
        appear=[one for one in pages_tried if same(one, pages_now) is None],
        go=[one for one in pages_now if same(one, pages_tried) is None],
        moved=moved,
    )

"""Rings say what a plain dictionary of all rows says, after any lap, gap, late row, crash and restart."""

from collections import Counter
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stream.burn.rings import COMPONENT_RINGS, NEVER, SCOPE_RINGS, RingSet, Spec
from stream.stage import StateRow

T = 1_767_225_600  # 2026-01-01 00:00 UTC
# Short rings, so that laps come often: 6 min, 2 h, 1 day. Parts of a scope have no 10 s ring.
SMALL = (Spec(10, 36, 4), Spec(60, 120, 10), Spec(3600, 24, 4))
SMALL_PARTS = SMALL[1:]
NAMES = [b'["total","",0]', b'["team=pay","",0]', b'["service=shop/web","",0]']


def held_from_s(rings: RingSet, level: int) -> int:
    """From when on this ring is the one to ask: its oldest bucket, moved to a coarser edge."""
    coarser = rings.rings[min(level + 1, len(rings.rings) - 1)].spec.width_s
    ring = rings.rings[level]
    return -(-ring.tail * ring.spec.width_s // coarser) * coarser


class Rings(RuleBasedStateMachine):
    """`rows` is the model: everything that was ever added, by (series, width, bucket)."""

    specs: tuple[Spec, ...] = SMALL

    def __init__(self) -> None:
        super().__init__()
        self.rings = RingSet("s", self.specs)
        self.rows: Counter[tuple[bytes, int, int]] = Counter()
        self.version = 0
        self.state: dict[bytes, bytes] = {}
        self.committed: tuple[int, Counter[tuple[bytes, int, int]]] = (-1, Counter())

    @initialize(hours=st.integers(0, 30))
    def start(self, hours: int) -> None:
        self.advance(T + hours * 3600 - self.rings.head_s)

    @rule(by_s=st.one_of(st.integers(1, 40), st.sampled_from([36, 37, 120, 360, 720, 2400, 8640, 9000])))
    def pass_time(self, by_s: int) -> None:
        """Steps of 10 s; the long ones are longer than a ring."""
        self.advance(by_s * 10)

    def advance(self, by_s: int) -> None:
        self.rings.advance(self.rings.head_s + by_s)

    @rule(
        rows=st.lists(
            st.tuples(
                st.sampled_from(NAMES),
                st.one_of(st.integers(-40, 3), st.integers(-1000, 0), st.integers(-12_000, 0)),
                st.integers(-(10**12), 10**12),
            ),
            max_size=6,
        )
    )
    def add(self, rows: list[tuple[bytes, int, int]]) -> None:
        """As the meter does: the finest width that may still be held at that age."""
        series, widths, buckets, costs = [], [], [], []
        now_s = self.rings.head_s
        head_s = max([now_s, *(now_s + age * 10 + 10 for _, age, _ in rows)])
        self.rings.advance(head_s)
        for name, age, cost in rows:
            at_s = now_s + age * 10
            width = 10 if at_s >= (head_s - 360) // 60 * 60 else 60
            if at_s < (head_s - 7200) // 3600 * 3600:
                width = 3600
            series.append(self.rings.series(name))
            widths.append(width)
            buckets.append(at_s // width)
            costs.append(cost)
            self.rows[name, width, at_s // width] += cost
        columns = (np.array(column, np.int64) for column in (series, widths, buckets, costs))
        self.rings.add(*columns)

    @rule()
    def commit(self) -> None:
        self.version += 1
        for row in self.rings.changes(self.version):
            assert row.value is not None
            self.state[row.key] = row.value
        self.committed = (self.rings.head_s, Counter(self.rows))

    @precondition(lambda self: self.version)
    @rule()
    def crash(self) -> None:
        """What was not committed is lost; what was comes back, from rows in any order."""
        head_s, self.rows = self.committed[0], Counter(self.committed[1])
        self.rings = RingSet("s", self.specs)
        self.rings.restore([StateRow(key, value) for key, value in reversed(self.state.items())], head_s)

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        def edge() -> int:
            level = data.draw(st.integers(0, len(self.specs) - 1))
            width = self.specs[level].width_s
            low = -(-held_from_s(self.rings, level) // width)
            return data.draw(st.integers(low, max(low, self.rings.head_s // width))) * width

        start, end = sorted((edge(), edge()))
        between = self.rings.between(start, end)
        for name, series in self.rings.ids.items():
            expected = sum(
                cost for (n, width, bucket), cost in self.rows.items()
                if n == name and start <= bucket * width < end
            )  # fmt: skip
            assert self.rings.spent_nusd(series, start, end) == expected
            assert between[series] == expected

    @invariant()
    def every_bucket_held_is_the_fold_of_its_rows(self) -> None:
        for ring in self.rings.rings:
            width = ring.spec.width_s
            assert ring.head == (self.rings.head_s - 1) // width
            expected = np.zeros((ring.spec.slots, len(self.rings)), np.int64)
            for (name, fine, bucket), cost in self.rows.items():
                mine = bucket * fine // width
                if fine <= width and mine >= ring.tail and name in self.rings.ids:
                    expected[mine - ring.head - 1, self.rings.ids[name]] += cost
            found = ring.rows(ring.head - ring.spec.slots + 1, ring.head + 1)[:, : len(self.rings)]
            assert (found == expected).all(), f"{width} s"

    @invariant()
    def totals_are_all_that_was_added(self) -> None:
        for name, series in self.rings.ids.items():
            mine = {key: cost for key, cost in self.rows.items() if key[0] == name}
            assert self.rings.total_nusd[series] == sum(mine.values())
            hours = [bucket * width // 3600 for _, width, bucket in mine]
            assert self.rings.first_hour[series] == min(hours, default=NEVER)


class Parts(Rings):
    specs = SMALL_PARTS


TestRings: Any = Rings.TestCase
TestRings.settings = settings(stateful_step_count=30)
TestParts: Any = Parts.TestCase
TestParts.settings = settings(stateful_step_count=30)


def filled(specs: tuple[Spec, ...] = SCOPE_RINGS) -> RingSet:
    """A dollar in every bucket of 10 s of an hour and a half, from 00:00."""
    rings = RingSet("s", specs)
    rings.advance(T + 5400)
    one = np.full(540, rings.series(NAMES[0]))
    rings.add(one, 0 * one + 10, T // 10 + np.arange(540), 0 * one + 1)
    return rings


def test_every_ring_holds_whole_totals() -> None:
    rings = filled()
    fine, minutes, hours = rings.rings
    assert fine.total(T // 10, T // 10 + 540)[0] == 360  # an hour of them
    assert minutes.total(T // 60, T // 60 + 90)[0] == 540
    assert hours.total(T // 3600, T // 3600 + 2)[0] == 540


def test_a_late_row_reaches_only_rings_that_hold_its_bucket() -> None:
    rings = filled()
    lost = rings.add(np.array([0]), np.array([10]), np.array([T // 10 - 8640]), np.array([5]))
    assert lost == 0
    assert rings.spent_nusd(0, T - 86_400, T) == 5
    assert rings.rings[1].total(0, T // 60)[0] == 0


def test_a_row_that_no_ring_holds_is_lost_to_the_windows_but_not_to_the_total() -> None:
    rings = filled()
    lost = rings.add(np.array([0]), np.array([3600]), np.array([T // 3600 - 900]), np.array([5]))
    assert (lost, rings.total_nusd[0]) == (5, 545)
    again = RingSet("s", SCOPE_RINGS)
    again.restore(list(rings.changes(1)), rings.head_s)
    assert again.total_nusd[0] == 545


@pytest.mark.parametrize("specs", [SCOPE_RINGS, COMPONENT_RINGS])
def test_memory_of_a_series(specs: tuple[Spec, ...]) -> None:
    """At most 24 KiB a scope, 3 KiB a part of one: 10,000 scopes with 20 parts each take 0.8 GB."""
    flags = sum(spec.slots for spec in specs[1:])
    size = sum(spec.slots * 8 for spec in specs) + flags
    assert size <= (24 * 1024 if specs is SCOPE_RINGS else 3 * 1024)
    assert all(spec.slots % spec.block == 0 for spec in specs)
    assert all(b.width_s % a.width_s == 0 and a.width_s * a.slots >= b.width_s
               for a, b in pairwise(specs))  # fmt: skip


def test_an_idle_commit_writes_nothing() -> None:
    rings = filled()
    assert list(rings.changes(1))
    assert list(rings.changes(2)) == []


def test_a_commit_a_second_writes_only_the_open_block() -> None:
    rings = filled()
    list(rings.changes(1))
    before = deepcopy(rings.rings[0].data)
    rings.advance(T + 5410)
    rings.add(np.array([0]), np.array([10]), np.array([T // 10 + 540]), np.array([1]))
    assert len(list(rings.changes(2))) == 1
    assert (rings.rings[0].data != before).sum() <= 1


def test_more_series_than_there_was_room_for() -> None:
    rings = filled()
    numbers = np.array([rings.series(b'["team=t%d","",0]' % n) for n in range(1000)])
    rings.add(numbers, 0 * numbers + 10, 0 * numbers + T // 10 + 500, numbers)
    assert (rings.between(T + 4800, T + 5400)[numbers] == numbers).all()
    assert rings.between(T + 4800, T + 5400)[0] == 60
    assert (rings.first_hour[: len(rings)] == np.minimum(rings.first_hour[0] + 1, T // 3600 + 1 - (
        np.arange(len(rings)) == 0))).all()  # fmt: skip

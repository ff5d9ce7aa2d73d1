"""Rings say what a plain dictionary of all rows says, after any lap, gap, late row, crash and restart."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stream.burn.restore import Restore
from stream.burn.rings import COMPONENT_RINGS, NEVER, SCOPE_RINGS, RingSet, Spec
from stream.schema.spend import DRIVER, Name
from stream.schema.windows import CHUNK, decode_key

T = 1_767_225_600  # 2026-01-01 00:00 UTC
# Short rings, so that laps come often: 6 min, 2 h, 1 day. Parts of a scope have no 10 s ring.
SMALL = (Spec(10, 36), Spec(60, 120), Spec(3600, 24))
SMALL_PARTS = SMALL[1:]
NAMES = [Name(scope, "", DRIVER) for scope in ("total", "team=pay", "service=shop/web")]
# So many that those which first spend after them lie in another chunk.
FILLERS = [Name(f"service={number}", "", DRIVER) for number in range(CHUNK)]


def state(rings: RingSet) -> list[tuple[bytes, bytes]]:
    return [(row.key, row.value) for row in rings.changes() if row.value is not None]


def restored(
    specs: tuple[Spec, ...], rows: Iterable[tuple[bytes, bytes]], head_s: int, totals: bool = True
) -> RingSet:
    rings = RingSet("s", specs, totals)
    restore = Restore(rings)
    for encoded, value in rows:
        key = decode_key(encoded)
        assert key is not None
        restore.load(key, value)
    restore.settle(head_s)
    return rings


def held_from_s(rings: RingSet, level: int) -> int:
    """From when on this ring is the one to ask: its oldest bucket, moved to a coarser edge."""
    coarser = rings.rings[min(level + 1, len(rings.rings) - 1)].spec.width_s
    ring = rings.rings[level]
    return -(-ring.tail * ring.spec.width_s // coarser) * coarser


class Rings(RuleBasedStateMachine):
    """`rows` is the model: everything that was ever added, by (series, width, bucket)."""

    specs: tuple[Spec, ...] = SMALL
    totals = True
    wide = False  # whether rows come that are wider than they need to be

    def __init__(self) -> None:
        super().__init__()
        self.rings = RingSet("s", self.specs, self.totals)
        self.rows: Counter[tuple[Name, int, int]] = Counter()
        self.commits = 0
        self.state: dict[bytes, bytes] = {}
        self.committed: tuple[int, Counter[tuple[Name, int, int]]] = (-1, Counter())

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
                st.integers(0, 2),
            ),
            max_size=6,
        )
    )
    def add(self, rows: list[tuple[Name, int, int, int]]) -> None:
        """As the meter does: the finest width that may still be held at that age, or by a meter whose
        time is ahead of ours, a wider one."""
        series, widths, buckets, costs = [], [], [], []
        now_s = self.rings.head_s
        head_s = max([now_s, *(now_s + age * 10 + 10 for _, age, *_ in rows)])
        self.rings.advance(head_s)
        for name, age, cost, wider in rows:
            at_s = now_s + age * 10
            width = 10 if at_s >= (head_s - 360) // 60 * 60 else 60
            if at_s < (head_s - 7200) // 3600 * 3600:
                width = 3600
            if self.wide:
                width = max(width, (10, 60, 3600)[wider])
            series.append(self.rings.series(name))
            widths.append(width)
            buckets.append(at_s // width)
            costs.append(cost)
            self.rows[name, width, at_s // width] += cost
        columns = (np.array(column, np.int64) for column in (series, widths, buckets, costs))
        self.rings.add(*columns)

    @rule()
    def many_come_that_spend_nothing(self) -> None:
        for name in FILLERS:
            self.rings.series(name)

    @rule()
    def commit(self) -> None:
        self.commits += 1
        for row in self.rings.changes():
            assert row.value is not None
            self.state[row.key] = row.value
        self.committed = (self.rings.head_s, Counter(self.rows))

    @precondition(lambda self: self.commits)
    @rule()
    def crash(self) -> None:
        """What was not committed is lost; what was comes back, from rows in any order."""
        head_s, self.rows = self.committed[0], Counter(self.committed[1])
        self.rings = restored(self.specs, reversed(self.state.items()), head_s, self.totals)

    def spenders(self) -> list[tuple[Name, int]]:
        return [(name, self.rings.ids[name]) for name in NAMES if name in self.rings.ids]

    @precondition(lambda self: not self.wide)  # the finer rings lack what came in wide rows
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        def edge() -> int:
            level = data.draw(st.integers(0, len(self.specs) - 1))
            width = self.specs[level].width_s
            low = -(-held_from_s(self.rings, level) // width)
            return data.draw(st.integers(low, max(low, self.rings.head_s // width))) * width

        start, end = sorted((edge(), edge()))
        between = self.rings.between(start, end)
        for name, series in self.spenders():
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
        for name, series in self.spenders():
            mine = {key: cost for key, cost in self.rows.items() if key[0] == name}
            if not self.totals:
                assert (self.rings.total_nusd[series], self.rings.first_hour[series]) == (0, NEVER)
                continue
            assert self.rings.total_nusd[series] == sum(mine.values())
            hours = [bucket * width // 3600 for _, width, bucket in mine]
            assert self.rings.first_hour[series] == min(hours, default=NEVER)


class Parts(Rings):
    specs = SMALL_PARTS
    totals = False


class Ahead(Rings):
    wide = True


TestRings: Any = Rings.TestCase
TestRings.settings = settings(stateful_step_count=30)
TestParts: Any = Parts.TestCase
TestParts.settings = settings(stateful_step_count=30)
TestAhead: Any = Ahead.TestCase
TestAhead.settings = settings(stateful_step_count=30)


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
    again = restored(SCOPE_RINGS, state(rings), rings.head_s)
    assert again.total_nusd[0] == 545


@pytest.mark.parametrize("specs", [SCOPE_RINGS, COMPONENT_RINGS])
def test_memory_of_a_series(specs: tuple[Spec, ...]) -> None:
    """At $100 an hour 11.7 KB a scope, 1.5 KB a part of one: 10,000 scopes with 20 parts each take 0.4 GB."""
    rings = RingSet("s", specs).rings
    for ring in rings:
        for slot in range(ring.spec.slots):
            ring.cells.put(slot, 0, np.full(CHUNK, 100 * 10**9 * ring.spec.width_s // 3600))
    size = sum(ring.cells.nbytes for ring in rings) / CHUNK
    assert size == (11_640 if specs is SCOPE_RINGS else 1440)
    assert all(b.width_s % a.width_s == 0 and a.width_s * a.slots >= b.width_s
               for a, b in pairwise(specs))  # fmt: skip


def test_an_idle_commit_writes_nothing() -> None:
    rings = filled()
    assert list(rings.changes())
    assert list(rings.changes()) == []


def test_what_is_due_of_a_bucket_that_fell_out_is_not_written_of_the_one_in_its_place() -> None:
    """That one is open: it is folded from the finer ring, and a row of it would stand still."""
    rings = filled(SMALL)
    rings.add(np.array([0]), np.array([3600]), np.array([T // 3600 - 3]), np.array([5]))
    rings.advance(T + 5400 + 20 * 3600)  # a day later than that hour: its slot is the open hour's
    kept = dict(state(rings))
    for bucket in (1, 2):
        now = T // 10 + 540 + 20 * 360 + bucket
        rings.advance(now * 10 + 10)
        rings.add(np.array([0]), np.array([10]), np.array([now]), np.array([7]))
        kept |= dict(state(rings))
    again = restored(SMALL, kept.items(), rings.head_s)
    hour = rings.rings[2].head
    assert again.rings[2].total(hour, hour + 1)[0] == rings.rings[2].total(hour, hour + 1)[0] == 14


def test_an_open_hour_that_holds_more_than_its_minutes_is_written_as_it_goes_on() -> None:
    rings = filled(SMALL)
    hour = rings.rings[2].head
    kept = dict(state(rings))
    for width_s, bucket in ((3600, hour), (10, rings.rings[0].head)):
        rings.add(np.array([0]), np.array([width_s]), np.array([bucket]), np.array([5]))
        kept |= dict(state(rings))
    again = restored(SMALL, kept.items(), rings.head_s)
    assert again.rings[2].total(hour, hour + 1)[0] == rings.rings[2].total(hour, hour + 1)[0] == 180 + 10


def test_a_commit_a_second_writes_only_the_open_block() -> None:
    rings = filled()
    list(rings.changes())
    before = rings.rings[0].cells.rows(np.arange(360))
    rings.advance(T + 5410)
    rings.add(np.array([0]), np.array([10]), np.array([T // 10 + 540]), np.array([1]))
    assert len(list(rings.changes())) == 2  # of the whole chunk: its totals and the open bucket
    assert (rings.rings[0].cells.rows(np.arange(360)) != before).sum() <= 1


def test_more_series_than_there_was_room_for() -> None:
    rings = filled()
    numbers = np.array([rings.series(Name(f"team=t{n}", "", DRIVER)) for n in range(1000)])
    rings.add(numbers, 0 * numbers + 10, 0 * numbers + T // 10 + 500, numbers)
    assert (rings.between(T + 4800, T + 5400)[numbers] == numbers).all()
    assert rings.between(T + 4800, T + 5400)[0] == 60
    assert (rings.first_hour[: len(rings)] == np.minimum(rings.first_hour[0] + 1, T // 3600 + 1 - (
        np.arange(len(rings)) == 0))).all()  # fmt: skip

"""Cells say what a plain dictionary of Python's integers says, of whatever size these are."""

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stream.burn.cells import BLOCK, Cells
from stream.schema.windows import CHUNK

SLOTS = 5
CHUNKS = BLOCK + 2  # a second block has begun
SERIES = [0, 1, CHUNK, BLOCK * CHUNK - 1, BLOCK * CHUNK, CHUNKS * CHUNK - 1]

# Around the edges of 32 and 48 bits, where a cell needs one more byte or two.
NUSD = st.one_of(
    st.integers(-3, 3),
    st.builds(
        lambda bits, sign, by: sign * 2**bits + by,
        st.sampled_from([31, 32, 47, 48, 60]), st.sampled_from([-1, 1]), st.integers(-2, 2),
    ),
)  # fmt: skip
PLACE = st.tuples(st.integers(0, SLOTS - 1), st.sampled_from(SERIES))


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cells = Cells(SLOTS)
        self.cells.reserve(CHUNKS)
        self.held: Counter[tuple[int, int]] = Counter()

    @rule(rows=st.lists(st.tuples(PLACE, NUSD), max_size=5))
    def add(self, rows: list[tuple[tuple[int, int], int]]) -> None:
        rows = [(place, nusd) for place, nusd in rows if abs(self.held[place] + nusd) < 2**61]
        for place, nusd in rows:
            self.held[place] += nusd
        slots, series, nusds = np.array(
            [(slot, series, nusd) for (slot, series), nusd in rows], np.int64
        ).reshape(-1, 3).T  # fmt: skip
        self.cells.add(slots, series, nusds)

    @rule(slot=st.integers(0, SLOTS - 1), chunk=st.integers(0, CHUNKS - 1), nusd=NUSD)
    def put(self, slot: int, chunk: int, nusd: int) -> None:
        self.cells.put(slot, chunk, np.full(CHUNK, nusd))
        for series in SERIES:
            if series // CHUNK == chunk:
                self.held[slot, series] = nusd
        self.cells.put(slot, chunk, np.array([nusd - 1], np.int64))
        if chunk * CHUNK in SERIES:
            self.held[slot, chunk * CHUNK] = nusd - 1

    @rule(slots=st.lists(st.integers(0, SLOTS - 1), max_size=3, unique=True))
    def clear(self, slots: list[int]) -> None:
        self.cells.clear(np.array(slots, np.int64))
        self.held = Counter({place: nusd for place, nusd in self.held.items() if place[0] not in slots})

    @rule()
    def clear_all(self) -> None:
        self.cells.clear_all()
        self.held = Counter()

    @invariant()
    def all_ways_of_reading_agree(self) -> None:
        rows = self.cells.rows(np.arange(SLOTS))
        some = self.cells.rows(np.arange(SLOTS), slice(CHUNK, None))
        totals = self.cells.total(slice(1, 4))
        for series in SERIES:
            expected = [self.held[slot, series] for slot in range(SLOTS)]
            assert rows[:, series].tolist() == expected
            assert series < CHUNK or some[:, series - CHUNK].tolist() == expected
            assert self.cells.of(series, np.arange(SLOTS)).tolist() == expected
            assert int(totals[series]) == sum(expected[1:4])


TestCells: Any = Model.TestCase
TestCells.settings = settings(max_examples=40, stateful_step_count=12)


def test_chunks_that_hold_anything_are_told() -> None:
    cells = Cells(SLOTS)
    cells.reserve(CHUNKS)
    cells.add(np.array([2, 2]), np.array([CHUNK, BLOCK * CHUNK]), np.array([2**40, 1]))
    assert np.flatnonzero(cells.holds(2)).tolist() == [1, BLOCK]
    assert not cells.holds(1).any()

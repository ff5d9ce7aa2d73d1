"""Sums by key are exact, whichever way they are worked out: by table, by one sort, or by several keys."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.meter.combine import add_up

Row = tuple[int, int, int, float]


def added(rows: list[Row]) -> list[Row]:
    one, other, cost, quantity = (np.array(column) for column in zip(*rows, strict=True))
    keys, sums = add_up([one, other], [cost, quantity])
    return list(zip(*(column.tolist() for column in (*keys, *sums)), strict=True))


def expected(rows: list[Row]) -> list[Row]:
    costs: defaultdict[tuple[int, int], int] = defaultdict(int)
    quantities: defaultdict[tuple[int, int], float] = defaultdict(float)
    for one, other, cost, quantity in rows:
        costs[one, other] += cost
        quantities[one, other] += quantity
    return [(*key, costs[key], quantities[key]) for key in sorted(costs)]


@pytest.mark.parametrize(
    "most",
    [
        5,  # few combinations: a table
        10**6,  # more than a table is worth: a sort of packed integers
        2**30,  # no room for the position beside the key: a stable sort
        2**40,  # no room for the keys in one number
    ],
)
@given(st.data())
def test_one_row_a_combination_in_rising_order(most: int, data: st.DataObject) -> None:
    key = st.integers(-most, most)
    # Whole quantities, so that the order of adding can't show; costs up to what int64 holds together.
    row = st.tuples(key, key, st.integers(-(2**55), 2**55), st.integers(0, 1000).map(float))
    few = data.draw(st.lists(row, min_size=1, max_size=20))
    again = data.draw(st.lists(st.sampled_from(few), max_size=20))
    # The extremes make the range what the case is about.
    rows = [*few, *again, (-most, most, 1, 1.0), (most, -most, 1, 1.0)]
    assert added(rows) == expected(rows)


def test_floats_are_added_in_the_order_in_which_they_come() -> None:
    rows = [(0, 0, 0, 1e16), (1, 0, 0, 1.0), (0, 0, 0, 1.0), (0, 0, 0, -1e16)]
    assert added(rows) == [(0, 0, 0, (1e16 + 1.0) - 1e16), (1, 0, 0, 1.0)]

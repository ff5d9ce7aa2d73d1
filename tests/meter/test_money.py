"""Money is exact: what floats can't prove goes through fractions, and nothing below a nano-dollar is lost."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.config import Config
from stream.meter.money import NANO, PROVABLE_USD, TWO_ROUNDINGS, multiply, nusd_of
from tests.meter.rig import Rig, envelope, estimate, nusd

LIMIT = Decimal(Config().meter.max_estimate_usd)


def decimals(places: int, limit: Decimal = LIMIT) -> st.SearchStrategy[Decimal]:
    return st.decimals(-limit, limit, allow_nan=False, allow_infinity=False, places=places)


@given(st.lists(decimals(9), min_size=1, max_size=20))
@example([Decimal("2097151.999999999"), Decimal("2097152.000000001"), Decimal("-2097151.999999999")])
@example([Decimal("0.000000001"), Decimal("-0.000000001"), Decimal("0")])
def test_nine_decimals_are_proven_to_the_nano_or_read_again(costs: list[Decimal]) -> None:
    found, proven = nusd_of(np.array([float(cost) for cost in costs]))
    for cost, value, sure in zip(costs, found.tolist(), proven.tolist(), strict=True):
        assert sure == (abs(cost) < PROVABLE_USD)
        assert not sure or value == cost * NANO


@given(st.integers(10, 18).flatmap(decimals))
@example(Decimal("2.523589325400648027"))
@example(Decimal("2097151.9999999995"))
@example(Decimal("0.0000000005"))
@example(Decimal("1E-18"))
def test_more_decimals_are_never_taken_for_a_whole_nano_dollar_that_a_double_can_tell(cost: Decimal) -> None:
    [found], [sure] = nusd_of(np.array([float(cost)]))
    assert not sure or abs(int(found) - Fraction(cost) * NANO) <= abs(Fraction(cost)) * NANO * Fraction(
        2 * TWO_ROUNDINGS
    )


factors = st.fractions(min_value=-1000, max_value=10**6, max_denominator=10**12)


@given(st.integers(-(10**16), 10**16), factors)
@example(1, Fraction(1, 2))
@example(3, Fraction(1, 2))
@example(-3, Fraction(1, 2))
@example(2**53 + 1, Fraction(1))
@example(10**16, Fraction(10**6))
def test_multiply_rounds_an_integer_once_half_to_even(amount: int, factor: Fraction) -> None:
    exact = amount * factor
    if abs(exact) < 2**63:
        found = multiply(np.array([amount], np.int64), float(factor), lambda _: factor)
        assert found.tolist() == [round(exact)]


@given(st.floats(0, 1e12), factors)
@example(0.5, Fraction(1))
@example(2.5, Fraction(1))
@example(0.1, Fraction(5))
@example(0.1, Fraction(25))
def test_multiply_takes_a_float_for_the_decimal_it_prints_as(quantity: float, factor: Fraction) -> None:
    exact = Fraction(repr(quantity)) * factor
    if abs(exact) < 2**63:
        found = multiply(np.array([quantity]), np.array([float(factor)]), lambda _: factor)
        assert found.tolist() == [round(exact)]


@given(st.lists(st.tuples(st.floats(0, 1e6), factors), max_size=20))
def test_multiply_by_column_is_multiply_one_by_one(pairs: list[tuple[float, Fraction]]) -> None:
    amounts = np.array([amount for amount, _ in pairs], np.float64)
    nearest = np.array([float(factor) for _, factor in pairs], np.float64)
    found = multiply(amounts, nearest, lambda index: pairs[index][1])
    assert found.tolist() == [round(Fraction(repr(amount)) * factor) for amount, factor in pairs]


small = st.decimals(Decimal("-0.00001"), Decimal("0.00001"), places=18)
plain = decimals(9, Decimal(1000))


@given(
    st.lists(st.tuples(st.one_of(small, plain, decimals(14, Decimal(1000))), st.integers(0, 3)), max_size=30)
)
def test_the_total_is_the_exact_sum_rounded_once_whatever_the_batches(
    costs: list[tuple[Decimal, int]],
) -> None:
    """After each cost: nothing, a new batch, a commit, or a commit and a restart."""
    rig = Rig()
    pending: list[object] = []
    for number, (cost, then) in enumerate(costs):
        pending.append(estimate(cost_usd=f"{cost:f}", labels={"team": f"t{number % 3}"}))
        if then:
            rig.take(envelope(*pending))
            pending = []
        if then > 1:
            rig.commit()
        if then > 2:
            rig.restart()
    rig.take(envelope(*pending))
    rig.commit()
    exact = sum((Fraction(cost) for cost, _ in costs), Fraction(0)) * NANO
    # A double with 14 decimals below 1000 dollars tells all but 2**-52 of it.
    slack = sum(abs(Fraction(cost)) for cost, _ in costs) * NANO * Fraction(2 * TWO_ROUNDINGS)
    assert abs(rig.spent("total") - exact) <= Fraction(1, 2) + slack
    assert rig.spent("total") == sum(rig.spent(f"team=t{number}") for number in range(3))
    assert rig.balanced


def test_a_million_costs_below_a_nano_dollar_are_not_lost() -> None:
    rig = Rig()
    for _ in range(10):
        rig.take(envelope(*[estimate(cost_usd="0.0000000004")] * 1000))
        rig.commit()
    assert rig.spent("total") == 4000
    assert rig.balanced


def test_repeats_do_not_take_from_the_rest_of_others() -> None:
    rig = Rig()
    value = envelope(estimate(cost_usd="0.0000000004"), source="s", seq=1)
    for _ in range(10):
        rig.take(value)
        rig.commit()
    assert rig.meter.counters.duplicate_nusd == round(nusd("0.0000000036"))
    rig.take(envelope(estimate(cost_usd="0.0000000004")))
    rig.commit()
    assert rig.spent("total") == 1
    assert rig.balanced


@pytest.mark.parametrize("cost", ["2.523589325400648027", "9999999.999999999", "-1234567.891234567891"])
def test_costs_as_text_and_as_numbers_are_the_same_money(cost: str) -> None:
    for written in (f'"{cost}"', cost):
        rig = Rig()
        rig.take(envelope(estimate(cost_usd="CUT")).replace(b'"CUT"', written.encode()))
        rig.commit()
        assert abs(rig.spent("total") - nusd(cost)) <= Fraction(1, 2)


def test_quantities_are_added_up_before_they_are_priced() -> None:
    """A byte of egress costs 9e-11 dollars: priced one by one, a thousand of them would be nothing."""
    rig = Rig()
    byte = estimate(driver="egress_bytes", quantity=1, cost_usd=None)
    rig.take(envelope(*[byte] * 1000))
    rig.commit()
    whole = Rig()
    whole.take(envelope(byte | {"quantity": 1000}))
    whole.commit()
    assert rig.spent("total") == whole.spent("total") > 0

"""Driver names from units; and charges cut into pieces that add up."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.collect.packing import in_order_of_end
from stream.collect.reader import Charge, Meter
from stream.collect.units import driver_of


@pytest.mark.parametrize(
    ("unit", "driver", "factor"),
    [
        ("Hours", "hours", 1),
        ("Hrs", "hours", 1),
        ("1 Hour", "hours", 1),
        ("100 Hours", "hours", 100),
        ("GB", "gb", 1),
        ("GB-Mo", "gb_months", 1),
        ("GB/Month", "gb_months", 1),
        ("1 GB/Month", "gb_months", 1),
        ("Requests", "requests", 1),
        ("10K", "units", 10_000),
        ("1/Month", "months", 1),
        ("1,000,000 Requests", "requests", 1_000_000),
        ("Million Datapoints", "datapoints", 1_000_000),
        ("Lambda-GB-Second", "gb_seconds", 1),
        ("GiB/Second-Months", "gib_second_months", 1),
        ("OCPU Per Hour", "ocpu_hours", 1),
        ("Gigabytes Per Hour", "gb_hours", 1),
        ("minute", "minutes", 1),
        ("Metrics", "metrics", 1),
        ("Keys", "keys", 1),
        ("Count", "units", 1),
        ("€", "units", 1),
    ],
)
def test_a_unit_names_its_driver_and_nothing_more(unit: str, driver: str, factor: int) -> None:
    assert driver_of(unit) == (driver, Decimal(factor))


amounts = st.decimals(-(10**9), 10**9, allow_nan=False, places=11)
charges = st.builds(
    lambda start, span, cost, quantity: Charge(
        start + span, 0, start, msgspec.Raw(b"{}"), (Meter("d", quantity, str(cost), None),)
    ),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    amounts,
    amounts.map(abs),
)


@given(st.lists(charges, max_size=5), st.integers(10**7, 10**9))
def test_pieces_are_ordered_short_seamless_and_add_up(rows: list[Charge], piece_ms: int) -> None:
    rows = [charge._replace(row=number) for number, charge in enumerate(rows)]
    pieces = list(in_order_of_end(rows, piece_ms))
    assert [piece.end_ms for piece in pieces] == sorted(piece.end_ms for piece in pieces)
    for charge in rows:
        own = [piece for piece in pieces if piece.row == charge.row]
        assert all(piece.end_ms - piece.start_ms <= piece_ms for piece in own)
        assert [charge.start_ms] + [p.end_ms for p in own] == [p.start_ms for p in own] + [charge.end_ms]
        [whole] = charge.meters
        assert sum(Decimal(p.meters[0].cost_usd or 0) for p in own) == Decimal(whole.cost_usd or 0)
        quantities = [p.meters[0].quantity or Decimal(0) for p in own]
        assert sum(quantities) == whole.quantity
        assert all(quantity >= 0 for quantity in quantities)

"""What an incident cost, by hand.

The runaway: from 14:00 on, checkout's pods cost $110/h instead of $10/h. Half an hour is $55 of pods and $1
of egress, of which $5 and $1 are normal: $50 beyond.
"""

import dataclasses

import pytest

from stream.burn.stage import Burn
from stream.incidents.cost import cost
from stream.schema.calibrations import Calibration
from tests.incidents.estate import (
    CART,
    CHECKOUT,
    HOUR,
    MINUTE,
    NANO,
    NORMAL,
    T0,
    burning,
    cost_of,
    figures_of,
    incident,
    normal,
    spend,
)

NOW = T0 + 30 * MINUTE
RUNAWAY = [
    spend(CHECKOUT, "pod_hours", T0, NOW, 55),
    spend(CHECKOUT, "egress_bytes", T0, NOW, 1),
    spend(CART, "pod_hours", T0, NOW, "2.5"),
]


@pytest.fixture(scope="module")
def burn() -> Burn:
    return burning(normal() + RUNAWAY, NOW)


def test_the_cost_is_spend_less_what_is_normal(burn: Burn) -> None:
    found = cost_of(burn, incident())
    assert (found.spent_nusd, found.baseline_nusd, found.excess_nusd) == (56 * NANO, 6 * NANO, 50 * NANO)
    assert (found.start_s, found.end_s, found.whole, found.state) == (T0, NOW, True, "estimated")
    assert found.burn_usd_per_hour == pytest.approx(112)
    assert found.baseline_usd_per_hour == pytest.approx(12)
    assert found.baseline_kinds == ("hour of day",)


def test_it_is_split_by_driver_and_by_owner(burn: Burn) -> None:
    found = cost_of(burn, incident("team=payments"))
    assert found.excess_nusd == 50 * NANO
    drivers = {part.name: (part.spent_nusd, part.normal_nusd, part.excess_nusd) for part in found.drivers}
    pods, egress = (57.5, 7.5, 50), (1, 1, 0)
    assert drivers == {
        "pod_hours": tuple(usd * NANO for usd in pods),
        "egress_bytes": tuple(usd * NANO for usd in egress),
    }
    assert [(part.name, part.excess_nusd) for part in found.owners] == [
        ("service=shop/checkout", 50 * NANO),
        ("service=shop/cart", 0),
    ]
    assert found.top[0].name == "pod_hours"


def test_the_window_ends_where_it_was_closed(burn: Burn) -> None:
    found = cost_of(burn, incident(until_s=T0 + 12 * MINUTE, closed=True))
    assert (found.end_s, found.excess_nusd) == (T0 + 12 * MINUTE, 20 * NANO)


def test_a_window_beyond_what_is_in_is_interim(burn: Burn) -> None:
    found = cost_of(burn, incident(until_s=NOW + HOUR))
    assert (found.state, found.end_s, found.excess_nusd) == ("interim", NOW, 50 * NANO)


def test_containment_cuts_the_excess_in_two(burn: Burn) -> None:
    found = cost_of(burn, incident(contained_s=T0 + 24 * MINUTE))
    assert (found.until_contained_nusd, found.after_contained_nusd) == (40 * NANO, 10 * NANO)


def test_an_incident_of_no_time_costs_nothing(burn: Burn) -> None:
    found = cost_of(burn, incident(since_s=NOW + MINUTE))
    assert (found.spent_nusd, found.excess_nusd, found.end_s - found.start_s) == (0, 0, 0)


@pytest.mark.parametrize(
    ("hours", "margin_usd"),
    [
        (0.5, 1.96 * 2 * 0.5),
        (3, 11.76),
        (24, 1.96 * 2 * 24),
        (96, 1.96 * 2 * 24 * 2),  # four days: the square root of 4 times one day
    ],
)
def test_the_interval(hours: float, margin_usd: float) -> None:
    burn = burning(normal(days=8), T0)
    one = incident(since_s=T0 - round(hours * HOUR))
    figures = {
        scope: dataclasses.replace(each, spread_usd_per_hour=2.0) for scope, each in figures_of(burn).items()
    }
    found = cost(one, [burn], figures, T0)
    assert found.excess_nusd == 0
    assert found.excess_high_nusd == -(found.excess_low_nusd or 0) == round(margin_usd * NANO)


def test_margins_of_several_scopes_add_up(burn: Burn) -> None:
    one = incident("service=shop/checkout", "service=shop/cart")
    figures = {
        scope: dataclasses.replace(each, spread_usd_per_hour=2.0) for scope, each in figures_of(burn).items()
    }
    found = cost(one, [burn], figures, NOW)
    assert found.excess_high_nusd == found.excess_nusd + round(2 * 1.96 * 2 * 0.5 * NANO)


def test_what_was_never_seen_before_is_all_beyond_normal() -> None:
    fresh = {"team": "ml", "namespace": "ml", "service": "train"}
    burn = burning([*normal(), *RUNAWAY, spend(fresh, "gpu_hours", T0, NOW, 7)], NOW)
    found = cost_of(burn, incident("service=ml/train"))
    assert found.excess_nusd == 7 * NANO
    assert not found.scopes[0].baseline_known
    assert found.excess_low_nusd is found.excess_high_nusd is None
    assert [(part.name, part.excess_nusd) for part in found.drivers] == [("gpu_hours", 7 * NANO)]


def test_a_part_that_stopped_counts_against_the_rest() -> None:
    """Checkout's egress falls to nothing while its pods run away: $50 of pods less $1 of egress."""
    burn = burning([*normal(), RUNAWAY[0], RUNAWAY[2]], NOW)
    found = cost_of(burn, incident())
    assert found.excess_nusd == 49 * NANO
    assert [(part.name, part.excess_nusd) for part in found.drivers] == [
        ("pod_hours", 50 * NANO),
        ("egress_bytes", -NANO),
    ]


def test_a_minute_that_is_not_over_is_normal_only_so_far() -> None:
    """Parts are held by the minute: at 14:12:20 the minute of 14:12 holds 20 s, of spend and of normal."""
    now_s = T0 + 12 * MINUTE + 20
    pods = spend(CHECKOUT, "pod_hours", T0, now_s, f"{10 * 740 / HOUR:.9f}")
    found = cost_of(burning([*normal(), pods], now_s), incident())
    assert [abs(part.excess_nusd) < 100 for part in found.drivers if part.name == "pod_hours"] == [True]


def test_hours_before_a_scope_was_known_are_not_hours_of_nothing() -> None:
    """Known for three days: normal is the median of those, not of them and four days of zeros."""
    found = cost_of(burning([*normal(days=3), *RUNAWAY], NOW), incident())
    assert [(part.name, part.excess_nusd) for part in found.drivers] == [
        ("pod_hours", 50 * NANO),
        ("egress_bytes", 0),
    ]


def test_an_old_onset_within_an_hour_counts_the_hour_on_both_sides() -> None:
    """Two days back only whole hours are held. 12:20 moves to 12:00, for spend and baseline alike, so the
    $100 of 12:20 to 13:20 stay $100."""
    day = T0 - 48 * HOUR
    extra = spend(CHECKOUT, "pod_hours", day - 100 * MINUTE, day - 40 * MINUTE, 100)
    found = cost_of(burning([*normal(), extra], T0), incident(since_s=day - 100 * MINUTE, until_s=day))
    assert found.start_s == day - 2 * HOUR
    assert (found.spent_nusd, found.excess_nusd) == (124 * NANO, 100 * NANO)
    assert found.whole


@pytest.mark.parametrize("ago_h", [0.5, 5, 48], ids=["minutes", "hours of parts", "hours"])
def test_the_factor_of_a_few_minutes_is_theirs_however_long_ago(ago_h: float) -> None:
    """What factors added is held as coarsely as parts are: by the hour after two hours."""
    factor = Calibration(
        provider="aws", account="a1", service="EC2", factor="1.1000", measured="1.1000", spread="0.0000",
        days=3, first_day="2025-12-20", last_day="2025-12-22", computed_ms=0,
    )  # fmt: skip
    billed = {"provider": "aws", "cloud_service": "EC2"}
    since_s = T0 - round(ago_h * HOUR)
    found = cost_of(
        burning([each | {"labels": each["labels"] | billed} for each in normal()], T0, [factor]),
        incident(since_s=since_s, until_s=since_s + 12 * MINUTE),
    )
    assert found.calibration == pytest.approx(1.1)


def test_money_that_is_no_longer_held_is_said_to_be_missing(burn: Burn) -> None:
    found = cost_of(burn, incident(since_s=T0 - 40 * 24 * HOUR))
    assert not found.whole
    assert found.start_s > T0 - 38 * 24 * HOUR


def test_scopes_of_one_kind_add_up(burn: Burn) -> None:
    found = cost_of(burn, incident("service=shop/checkout", "service=shop/cart"))
    assert found.spent_nusd == round(58.5 * NANO)
    assert [part.name for part in found.owners] == ["service=shop/checkout", "service=shop/cart"]
    assert found.left_out == {}


@pytest.mark.parametrize(
    ("wider", "narrower"),
    [
        ("team=payments", "service=shop/checkout"),
        ("namespace=shop", "service=shop/checkout"),
        ("total", "team=payments"),
        ("total", "account=a1"),
    ],
)
def test_a_wider_scope_swallows_the_narrower(burn: Burn, wider: str, narrower: str) -> None:
    found = cost_of(burn, incident(narrower, wider))
    assert found.excess_nusd == 50 * NANO
    assert found.left_out == {narrower: f"is counted in {wider}"}


def test_scopes_that_may_share_money_are_not_added(burn: Burn) -> None:
    """All of account a1 is checkout's, but no window tells how much of it is team payments'."""
    found = cost_of(burn, incident("account=a1", "team=payments"))
    assert found.spent_nusd == round(58.5 * NANO)
    assert found.left_out == {"account=a1": "may share money with team=payments, which spent more"}


def test_a_child_in_part_is_not_added_and_a_stranger_is() -> None:
    both = {"team": "platform", "namespace": "shop", "service": "checkout"}
    other = {"team": "ml", "namespace": "ml", "service": "train"}
    extra = [spend(both, "pod_hours", T0, NOW, 3), spend(other, "pod_hours", T0, NOW, 4)]
    burn = burning(normal() + RUNAWAY + extra, NOW)
    found = cost_of(burn, incident("team=payments", "service=shop/checkout", "service=ml/train"))
    # checkout spent 59, of which 56 are payments': whichever is wider counts, the other does not.
    assert {each.scope for each in found.scopes} == {"service=shop/checkout", "service=ml/train"}
    assert found.left_out == {"team=payments": "shares money with service=shop/checkout, which spent more"}


def test_a_scope_without_spend_is_named(burn: Burn) -> None:
    found = cost_of(burn, incident("service=shop/checkout", "service=shop/gone"))
    assert found.excess_nusd == 50 * NANO
    assert found.left_out == {"service=shop/gone": "nothing has been spent under this name"}


def test_normal_parts_are_normal(burn: Burn) -> None:
    """The last hour before the runaway: every part at its normal, nothing beyond."""
    found = cost_of(burn, incident("total", since_s=T0 - HOUR, until_s=T0))
    assert found.excess_nusd == 0
    assert {part.excess_nusd for part in found.drivers} == {0}
    assert found.spent_nusd == sum(usd for _, _, usd in NORMAL) * NANO

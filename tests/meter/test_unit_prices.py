"""A unit price that moves for good is told; one that wobbles, or differs from pod to pod, is not."""

import pytest

from stream.schema.prices import Moved
from tests.meter.rig import START, Rig, envelope, estimate


class Market:
    """One SKU of two services: 600 pods, a sample a minute, so 600 units an hour."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.minute = 0

    def go_on(self, minutes: int, *usd: float) -> list[Moved]:
        known = len(self.rig.records)
        for _ in range(minutes):
            self.minute += 1
            end_ms = START + self.minute * 60_000
            estimates = [
                estimate(
                    start=end_ms - 60_000, end=end_ms, sku="m5.large", quantity=10 / len(usd),
                    cost_usd=f"{price * 10 / len(usd):.9f}",
                    labels={"team": "pay", "provider": "aws", "region": "eu-west-2", "pod": str(number)},
                )
                for number, price in enumerate(usd)
            ]  # fmt: skip
            self.rig.take(envelope(*estimates, source="a"), at_ms=end_ms)
            self.rig.commit(end_ms)
        return [moved for _, record in self.rig.records[known:] for moved in record.prices]


def test_old_and_new_price_and_present_use() -> None:
    market = Market()
    assert market.go_on(60, 0.10, 0.10) == []
    [moved] = market.go_on(40, 0.125, 0.125)
    assert (moved.provider, moved.region, moved.driver, moved.sku) == (
        "aws", "eu-west-2", "pod_hours", "m5.large",
    )  # fmt: skip
    assert moved.old_usd == pytest.approx(0.10)
    assert moved.new_usd == pytest.approx(0.125)
    assert moved.units_per_hour == pytest.approx(600)
    assert moved.since_s in range(START // 1000 + 3600, START // 1000 + 3600 + 601)
    assert market.go_on(60, 0.125, 0.125) == []


def test_a_restart_remembers_the_old_price() -> None:
    market = Market()
    market.go_on(30, 0.10)
    market.rig.restart()
    [moved] = market.go_on(40, 0.00010)  # a unit mistake
    assert moved.old_usd / moved.new_usd == pytest.approx(1000)


def test_what_does_not_last_is_no_change() -> None:
    market = Market()
    market.go_on(30, 0.10)
    assert market.go_on(9, 0.20) == []
    assert market.go_on(60, 0.10) == []


def test_what_has_no_one_price_is_not_watched() -> None:
    market = Market()
    market.go_on(30, 0.10, 0.03)  # on demand and spot
    assert market.go_on(60, 0.10, 0.05) == []


def test_small_changes_are_learnt_and_not_told() -> None:
    market = Market()
    market.go_on(30, 0.10)
    assert market.go_on(40, 0.103) == []
    assert market.go_on(40, 0.106) == []


def test_credits_have_no_price() -> None:
    market = Market()
    market.go_on(30, 0.10)
    assert market.go_on(40, -0.20) == []
    assert market.rig.balanced

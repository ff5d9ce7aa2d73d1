"""The demo's shop: the same for a seed, of a plausible size, with seasons, and a runaway when asked for."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from stream.config import Config, load
from stream.demo.catalogue import SERVICES
from stream.demo.estate import Estate, Message
from stream.demo.season import gauss, uniform, weekend
from stream.meter.attribute import Attributor
from stream.meter.price import PriceBook
from stream.meter.price import load as load_prices
from stream.schema import usage
from stream.schema.usage import MISSING, Estimate

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MONDAY_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z
NOON_MS = MONDAY_MS + DAY_MS + 12 * HOUR_MS  # a Tuesday
NIGHT_MS = MONDAY_MS + DAY_MS + 4 * HOUR_MS
SUNDAY_NOON_MS = MONDAY_MS + 6 * DAY_MS + 12 * HOUR_MS


def estimates(messages: Iterable[Message]) -> Iterator[tuple[Estimate, dict[str, str]]]:
    """Each estimate with the labels of its envelope and its own."""
    for message in messages:
        envelope = usage.decode_message(message.value)
        shared = usage.decode_labels(envelope.labels)
        for estimate in envelope.estimates or []:
            yield estimate, shared | usage.decode_labels(estimate.labels)


def cost_nusd(estimate: Estimate, labels: Mapping[str, str], prices: PriceBook) -> int:
    if estimate.cost_usd != MISSING:
        return round(estimate.cost_usd * 1e9)
    price = prices.price(estimate.driver, estimate.sku, labels, estimate.start)
    assert price is not None, f"{estimate.driver} {estimate.sku} has no price"
    return price.nusd(Fraction(estimate.quantity))


def usd_per_hour(messages: Iterable[Message], by: str = "") -> dict[str, float]:
    """What an hour's messages cost, by the value of a label (all in one without)."""
    prices = load_prices(None)
    found: dict[str, float] = defaultdict(float)
    for estimate, labels in estimates(messages):
        found[labels.get(by, "")] += cost_nusd(estimate, labels, prices) / 1e9
    return found


def hour(at_ms: int, seed: int = 1) -> list[Message]:
    return list(Estate(seed, MONDAY_MS).messages(at_ms, at_ms + HOUR_MS, 3600))


def demo_config() -> Config:
    with resources.as_file(resources.files("stream.demo").joinpath("burnline.yaml")) as path:
        return load(Path(path), {})


class TestMessages:
    def test_are_the_same_for_a_seed_and_differ_between_seeds(self) -> None:
        assert hour(NOON_MS, seed=1) == hour(NOON_MS, seed=1)
        assert hour(NOON_MS, seed=1) != hour(NOON_MS, seed=2)

    def test_do_not_depend_on_how_the_time_is_cut_into_calls(self) -> None:
        whole = Estate(1, MONDAY_MS).messages(MONDAY_MS, MONDAY_MS + 1200_000, 10)
        cut = Estate(1, MONDAY_MS)
        parts = [
            *cut.messages(MONDAY_MS, MONDAY_MS + 370_000, 10),
            *cut.messages(MONDAY_MS + 370_000, MONDAY_MS + 1200_000, 10),
        ]
        assert list(whole) == parts

    def test_of_a_source_are_numbered_without_a_hole_across_calls_and_steps(self) -> None:
        estate = Estate(1, MONDAY_MS)
        messages = [
            *estate.messages(MONDAY_MS, MONDAY_MS + HOUR_MS, 300),
            *estate.messages(MONDAY_MS + HOUR_MS, MONDAY_MS + HOUR_MS + 60_000, 10),
        ]
        sequences = defaultdict(list)
        for message in messages:
            envelope = usage.decode_message(message.value)
            assert (envelope.source, envelope.epoch) == (message.source, MONDAY_MS // 1000)
            sequences[envelope.source].append(envelope.seq)
        assert len(sequences) == 7
        assert all(numbers == list(range(1, 12 + 6 + 1)) for numbers in sequences.values())

    def test_cover_the_time_without_gap_or_overlap_and_arrive_in_order_after_their_end(self) -> None:
        messages = list(Estate(1, MONDAY_MS).messages(MONDAY_MS, MONDAY_MS + 60_000, 10))
        assert [message.arrival_ms for message in messages] == sorted(m.arrival_ms for m in messages)
        spans = defaultdict(list)
        for message in messages:
            for estimate in usage.decode_message(message.value).estimates or []:
                assert estimate.end <= message.arrival_ms <= estimate.end + 5000
                spans[message.source].append((estimate.start, estimate.end))
        steps = [(MONDAY_MS + i * 10_000, MONDAY_MS + (i + 1) * 10_000) for i in range(6)]
        assert all(sorted(set(of_source)) == steps for of_source in spans.values())

    def test_hold_a_few_hundred_distinct_estimates_a_step(self) -> None:
        found = [
            (message.source, estimate.driver, estimate.sku, bytes(estimate.labels))
            for message in hour(NOON_MS)
            for estimate in usage.decode_message(message.value).estimates or []
        ]
        assert 200 <= len(found) <= 300
        assert len(set(found)) == len(found)

    def test_need_whole_steps(self) -> None:
        with pytest.raises(ValueError, match="no whole steps of 300 s"):
            next(Estate(1, MONDAY_MS).messages(MONDAY_MS, MONDAY_MS + 301_000, 300))


class TestMoney:
    def test_a_normal_week_costs_150_to_400_dollars_an_hour(self) -> None:
        rates = [usd_per_hour(hour(MONDAY_MS + h * HOUR_MS))[""] for h in range(0, 168, 3)]
        assert 150 < min(rates) < max(rates) < 400
        assert 200 < sum(rates) / len(rates) < 260

    def test_the_step_does_not_change_the_cost(self) -> None:
        fine = Estate(1, MONDAY_MS).messages(NOON_MS, NOON_MS + 300_000, 10)
        coarse = Estate(1, MONDAY_MS).messages(NOON_MS, NOON_MS + 300_000, 300)
        assert usd_per_hour(fine)[""] == pytest.approx(usd_per_hour(coarse)[""], rel=0.01)

    def test_what_opencost_prices_itself_agrees_with_the_list(self) -> None:
        prices = load_prices(None)
        own = 0
        for estimate, labels in estimates(hour(NOON_MS)):
            if estimate.cost_usd != MISSING:
                price = prices.price(estimate.driver, estimate.sku, labels, estimate.start)
                assert price is not None
                assert round(estimate.cost_usd * 1e9) == price.nusd(Decimal(repr(estimate.quantity)))
                own += 1
        assert own == sum(1 for service in SERVICES if service.eu_pods)

    def test_all_kinds_of_use_are_there(self) -> None:
        assert {estimate.driver for estimate, _ in estimates(hour(NOON_MS))} == {
            "pod_hours", "invocations", "gb_seconds", "storage_gb_hours", "egress_bytes", "nat_bytes",
            "log_bytes", "load_balancer_hours", "ci_minutes", "llm_input_tokens", "llm_output_tokens",
        }  # fmt: skip


class TestSeasons:
    def test_shoppers_come_by_day(self) -> None:
        noon, night = (usd_per_hour(hour(at_ms), "service") for at_ms in (NOON_MS, NIGHT_MS))
        assert noon["web"] / night["web"] > 1.6
        assert noon["checkout"] / night["checkout"] > 1.4

    def test_batches_run_at_night(self) -> None:
        night, noon = (usd_per_hour(hour(at_ms), "service") for at_ms in (NIGHT_MS - 2 * HOUR_MS, NOON_MS))
        assert night["warehouse-loader"] / noon["warehouse-loader"] > 2

    def test_builds_rest_at_the_weekend_and_shoppers_do_not(self) -> None:
        tuesday, sunday = (usd_per_hour(hour(at_ms), "account") for at_ms in (NOON_MS, SUNDAY_NOON_MS))
        assert sunday["shop"] / tuesday["shop"] < 0.5
        assert sunday["shop-prod"] / tuesday["shop-prod"] > 0.95

    def test_services_have_their_own_hours(self) -> None:
        at_ms = np.arange(MONDAY_MS, MONDAY_MS + DAY_MS, 600_000, dtype=np.int64)
        pods = Estate(1, MONDAY_MS).pods(at_ms)
        peaks = {int(peak) for peak in pods[:, pods.max(axis=0) > 20].argmax(axis=0)}
        assert len(peaks) > 3

    def test_the_weekend_begins_and_ends_smoothly(self) -> None:
        minutes = MONDAY_MS + np.arange(7 * 24 * 60, dtype=np.int64) * 60_000
        passage = weekend(minutes)
        assert np.abs(np.diff(np.append(passage, passage[0]))).max() < 0.005
        assert passage[60 * 24 * 2] == 0
        assert passage[60 * 24 * 6] == 1

    def test_noise_is_about_normal_and_even(self) -> None:
        keys = np.arange(100_000, dtype=np.int64)
        normal, even = gauss(7, 1, keys), uniform(7, 2, keys)
        assert (normal.mean(), normal.std()) == pytest.approx((0, 1), abs=0.02)
        assert (even.min(), even.mean(), even.max()) == pytest.approx((0, 0.5, 1), abs=0.01)
        assert abs(np.corrcoef(normal[:-1], normal[1:])[0, 1]) < 0.02


class TestDeploys:
    def test_happen_on_working_days_in_working_hours(self) -> None:
        deploys = Estate(1, MONDAY_MS).deploys(MONDAY_MS, MONDAY_MS + 14 * DAY_MS)
        times = [dt.datetime.fromtimestamp(deploy.time_s, dt.UTC) for deploy in deploys]
        assert times == sorted(times)
        assert 70 < len(times) < 220  # 42 services x 10 working days / 3 = 140
        assert all(time.weekday() < 5 and 8 <= time.hour < 16 for time in times)

    def test_are_the_same_however_the_time_is_cut(self) -> None:
        estate = Estate(1, MONDAY_MS)
        middle = MONDAY_MS + 13 * HOUR_MS + 1
        whole = estate.deploys(MONDAY_MS, MONDAY_MS + DAY_MS)
        assert estate.deploys(MONDAY_MS, middle) + estate.deploys(middle, MONDAY_MS + DAY_MS) == whole

    def test_raise_the_pods_for_two_minutes(self) -> None:
        estate = Estate(1, MONDAY_MS)
        deploy = next(d for d in estate.deploys(MONDAY_MS, MONDAY_MS + 5 * DAY_MS) if "kafka" in d.what)
        at_ms = np.array([-1000, 60_000, 121_000], dtype=np.int64) + deploy.time_s * 1000
        before, during, after = estate.pods(at_ms).sum(axis=1)
        assert during >= before + 3
        assert abs(after - before) < 3


class TestRunaway:
    AT_MS = NOON_MS + 60_000

    def pods_of_checkout(self, estate: Estate, at_ms: int) -> float:
        """The pods that an estimate of 10 s speaks of."""
        messages = estate.messages(at_ms, at_ms + 10_000, 10)
        return sum(
            estimate.quantity * 360
            for estimate, labels in estimates(messages)
            if estimate.driver == "pod_hours" and labels["service"] == "checkout"
        )

    def test_doubles_every_20_seconds_up_to_2000_pods(self) -> None:
        estate = Estate(1, MONDAY_MS)
        estate.runaway(self.AT_MS)
        before = self.pods_of_checkout(estate, self.AT_MS - 10_000)
        assert 15 <= before <= 35
        # 20 x 2^(s/20), where s is the middle of the sample: 65 s are 190 pods, 85 s are 381.
        assert self.pods_of_checkout(estate, self.AT_MS + 60_000) == pytest.approx(190, abs=2)
        assert self.pods_of_checkout(estate, self.AT_MS + 80_000) == pytest.approx(381, abs=3)
        assert self.pods_of_checkout(estate, self.AT_MS + 140_000) == pytest.approx(2000, abs=0.1)
        assert self.pods_of_checkout(estate, self.AT_MS + 7 * HOUR_MS) == pytest.approx(2000, abs=0.1)

    def test_costs_hundreds_of_dollars_an_hour(self) -> None:
        estate = Estate(1, MONDAY_MS)
        estate.runaway(self.AT_MS)
        runaway = usd_per_hour(estate.messages(NOON_MS + HOUR_MS, NOON_MS + 2 * HOUR_MS, 3600), "service")
        normal = usd_per_hour(hour(NOON_MS + HOUR_MS), "service")
        # 2000 pods of m5.xlarge at 0.192 USD are 384 USD an hour; about 25 of them are normal.
        assert runaway["checkout"] - normal["checkout"] == pytest.approx(384 - 25 * 0.192, abs=2)
        assert {name: cost for name, cost in runaway.items() if name != "checkout"} == {
            name: cost for name, cost in normal.items() if name != "checkout"
        }

    def test_leaves_the_time_before_it_as_it_was(self) -> None:
        estate = Estate(1, MONDAY_MS)
        estate.runaway(self.AT_MS)
        assert list(estate.messages(NOON_MS, self.AT_MS, 10)) == list(
            Estate(1, MONDAY_MS).messages(NOON_MS, self.AT_MS, 10)
        )

    def test_follows_a_deploy_of_the_service(self) -> None:
        estate = Estate(1, MONDAY_MS)
        estate.runaway(self.AT_MS)
        deploys = estate.deploys(self.AT_MS - 3 * 60_000, self.AT_MS - 2 * 60_000)
        bad = [deploy for deploy in deploys if "autoscaling" in deploy.what]
        assert [(d.kind, d.labels, d.time_s) for d in bad] == [
            ("deploy", {"namespace": "shop", "service": "checkout"}, self.AT_MS // 1000 - 150)
        ]

    def test_ends_within_a_minute_of_the_roll_back(self) -> None:
        estate = Estate(1, MONDAY_MS)
        estate.runaway(self.AT_MS, until_ms=self.AT_MS + 600_000)
        assert self.pods_of_checkout(estate, self.AT_MS + 590_000) == pytest.approx(2000, abs=0.1)
        assert self.pods_of_checkout(estate, self.AT_MS + 660_000) < 35
        after = estate.deploys(self.AT_MS + 600_000, self.AT_MS + 601_000)
        assert [deploy.kind for deploy in after if "checkout" in deploy.what] == ["rollback"]

    def test_spreads_over_the_clusters_of_its_service(self) -> None:
        estate = Estate(1, MONDAY_MS)
        estate.runaway(self.AT_MS, pods_from=70, pods_to=680, service="web")
        at_ms = self.AT_MS + 200_000
        pods = {
            labels["cluster"]: round(estimate.quantity * 360)
            for estimate, labels in estimates(estate.messages(at_ms, at_ms + 10_000, 10))
            if estimate.driver == "pod_hours" and labels["service"] == "web"
        }
        assert pods == {"us-1": 400, "eu-1": 280}  # as 40 to 28

    def test_needs_a_service_that_is_there(self) -> None:
        with pytest.raises(ValueError, match="no service 'chekout'; there are admin, api-gateway"):
            Estate(1, MONDAY_MS).runaway(self.AT_MS, service="chekout")


class TestConfiguration:
    def test_owners_are_found_for_all_but_two_percent_of_the_money(self) -> None:
        config, prices = demo_config(), load_prices(None)
        attributor = Attributor(config.scopes, config.owners, config.owner_label, 1000)
        by_team: dict[str, int] = defaultdict(int)
        found_by_rule = 0
        for at_ms in (NIGHT_MS, NOON_MS, SUNDAY_NOON_MS):
            for estimate, labels in estimates(hour(at_ms)):
                cost = cost_nusd(estimate, labels, prices)
                owned = attributor.attribute(labels, estimate.driver)
                by_team[owned.labels.get("team", "unmapped")] += cost
                found_by_rule += cost if "team" not in labels and not owned.unmapped else 0
        total = sum(by_team.values())
        assert set(by_team) == {"storefront", "payments", "platform", "unmapped"}
        assert 0.01 < by_team["unmapped"] / total < 0.03
        assert 0.05 < found_by_rule / total < 0.5

    def test_budgets_hold_for_scopes_of_the_shop_and_a_normal_month(self) -> None:
        config = demo_config()
        budgets = {budget.scope: budget.monthly_usd for budget in config.budgets}
        assert set(budgets) == {
            "total", "team=storefront", "team=payments", "team=platform", "service=shop/checkout",
        }  # fmt: skip
        rates = [usd_per_hour(hour(MONDAY_MS + h * HOUR_MS))[""] for h in range(0, 168, 4)]
        month_usd = 730 * sum(rates) / len(rates)
        assert 1.05 < float(budgets["total"]) / month_usd < 1.15

    def test_nothing_is_sent_anywhere(self) -> None:
        assert demo_config().notify.destinations == ()

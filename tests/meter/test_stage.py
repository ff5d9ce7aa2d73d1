"""The meter as a whole: sent = accepted + duplicate + rejected in events and in money, whatever happens."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.config import Config, OwnerRule
from stream.config import Meter as Limits
from stream.meter.stage import Meter, attributor_of
from stream.schema import topics
from stream.schema.calibrations import Calibration
from stream.schema.spend import CALIBRATION, CHILD, DRIVER, NOTE, Name
from stream.scopes import partition_of
from stream.stage import Batch
from tests.meter.rig import BOOK, NANO, NOW, START, Rig, envelope, estimate, run

HOUR, DAY = 3_600_000, 86_400_000
FACTOR = Fraction(873_401, 1_000_000)
BILLED = {"provider": "aws", "account": "111", "cloud_service": "EC2"}


def calibration() -> bytes:
    return msgspec.json.encode(
        Calibration(
            provider="aws", account="111", service="EC2", factor="0.873401", measured="0.873401",
            spread="0.0100", days=5, first_day="2026-01-01", last_day="2026-01-05", computed_ms=1,
        )
    )  # fmt: skip


# Estimates of all kinds: with a cost or a price or neither, owned or not, old, invalid, calibrated.
labels = st.fixed_dictionaries(
    {},
    optional={
        "team": st.sampled_from(["pay", "web"]),
        "namespace": st.sampled_from(["shop", "bank"]),
        "service": st.sampled_from(["a", "b", "c"]),
        "account": st.just("111"),
        "provider": st.just("aws"),
    },
)
costs = st.one_of(*(st.decimals(Decimal(-50), Decimal(1000), places=n) for n in (2, 9, 14))).map(
    lambda cost: f"{cost:f}"
)
nothing: st.SearchStrategy[Any] = st.none()


@st.composite
def estimates(draw: st.DrawFn) -> dict[str, Any]:
    age = draw(st.sampled_from([0, 10_000, 90_000, 2 * HOUR, 3 * DAY, 34 * DAY, 40 * DAY]))
    end = NOW - age + draw(st.sampled_from([0, 0, 0, 400_000]))
    return estimate(
        start=end - draw(st.sampled_from([0, 1, 60_000, HOUR, 2 * DAY, -1])),
        end=end,
        driver=draw(st.sampled_from(["pod_hours", "egress_bytes", "no_such_driver"])),
        quantity=draw(st.one_of(nothing, st.sampled_from([0.25, 3, 1e9, -1]))),
        cost_usd=draw(st.one_of(costs, nothing)),
        labels=draw(labels),
    )


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Messages of two sources, some of them sent again later."""
    sent: list[bytes] = []
    for seq in range(draw(st.integers(1, 8))):
        again = draw(st.booleans()) and sent
        one = draw(st.lists(estimates(), max_size=5))
        source = draw(st.sampled_from(["s", "t"]))
        sent.append(draw(st.sampled_from(sent)) if again else envelope(*one, source=source, seq=seq))
        if draw(st.integers(0, 5)) == 0:
            sent.append(draw(st.sampled_from([b"", b"{", sent[0][:-3]])))
    return sent


def without_prices(value: bytes) -> bytes:
    """The sums of float quantities depend on their order in the last digit, so of their prices too."""
    return value.replace(b'"egress_bytes"', b'"no_such_driver"')


@given(streams(), st.data())
def test_the_identity_holds_after_every_commit(sent: list[bytes], data: st.DataObject) -> None:
    rig = Rig(spend_partitions=3)
    assert rig.meter.calibrate(calibration()) is None
    for value in sent:
        rig.take(value)
        if data.draw(st.booleans()):
            rig.commit()
            assert rig.balanced
    rig.commit()
    assert rig.balanced
    counters = rig.meter.counters
    assert counters.rejected_events == len(rig.letters)
    assert counters.rejected_nusd == sum(letter.cost_nusd for letter in rig.letters)
    assert counters.unmapped_nusd == rig.spent("unmapped")
    assert counters.unpriced_events == sum(
        count for name, count in rig.count.items() if name.scope == "unpriced" and name.role == DRIVER
    )


@given(streams(), st.data())
def test_batches_and_restarts_change_no_total(sent: list[bytes], data: st.DataObject) -> None:
    sent = [without_prices(value) for value in sent]
    whole = run(sent)
    parts = Rig()
    for value in sent:
        parts.take(value)
        after = data.draw(st.sampled_from(["go on", "commit", "restart"]))
        if after != "go on":
            parts.commit()
        if after == "restart":
            parts.restart()
    parts.commit()
    one, other = whole.meter.counters, parts.meter.counters
    assert other == one
    assert parts.scopes() == whole.scopes()
    assert parts.meter.watermark_ms == whole.meter.watermark_ms
    assert sorted(letter.original for letter in parts.letters) == sorted(
        letter.original for letter in whole.letters
    )


def test_what_was_not_committed_is_read_again_after_a_crash() -> None:
    """The shell goes back to the committed position; nothing is lost or counted twice."""
    sent = [envelope(estimate(cost_usd="0.1234567890123"), source="s", seq=seq) for seq in range(5)]
    crashed = Rig()
    crashed.take(*sent[:2])
    crashed.commit()
    crashed.take(*sent[2:4])
    crashed.restart()
    crashed.take(*sent[2:])
    crashed.commit()
    assert crashed.scopes() == run(sent).scopes()
    assert crashed.meter.counters == run(sent).meter.counters


@given(streams())
def test_several_spend_partitions_hold_together_what_one_holds(sent: list[bytes]) -> None:
    one, many = Rig(spend_partitions=1), Rig(spend_partitions=4)
    for rig in (one, many):
        assert rig.meter.calibrate(calibration()) is None
        rig.take(*sent)
        rig.commit()
    assert many.buckets == one.buckets
    assert many.count == one.count
    assert many.meter.counters == one.meter.counters
    for partition, record in many.records:
        assert {partition_of(name.scope, 4) for name in record.rows.names} <= {partition}


owned = st.tuples(
    st.sampled_from(["pay", "web"]), st.sampled_from(["a", "b", "c"]), costs, st.integers(0, DAY)
)


@given(st.lists(owned, min_size=1, max_size=12))
def test_a_scope_is_the_sum_of_its_parts(many: list[tuple[str, str, str, int]]) -> None:
    """In total exactly. In a bucket each name is cut by itself, so the parts may be off by a nano-dollar
    for each span that crosses one of its two edges."""
    rig = Rig()
    for team, service, cost, length in many:
        labels = {"team": team, "namespace": "shop", "service": service}
        rig.take(envelope(estimate(start=NOW - length, end=NOW, cost_usd=cost, labels=labels)))
    rig.commit()
    teams, services = (sorted({f"{k}={v}" for v in vs}) for k, vs in _members(many))
    assert rig.spent("total", CHILD) == sum(rig.spent(team) for team in teams) == rig.spent("total")
    assert sum(rig.spent(service) for service in services) == rig.spent("namespace=shop")
    for team in teams:
        assert rig.spent(team, CHILD) == rig.spent(team)
    for scope in ("total", *teams, "namespace=shop"):
        by_role: list[Counter[tuple[int, int]]] = [Counter(), Counter()]
        for (name, width, bucket), cost_nusd in rig.buckets.items():
            if name.scope == scope:
                by_role[name.role][width, bucket] += cost_nusd
        drivers, children = by_role
        assert drivers.keys() == children.keys()
        assert all(abs(drivers[at] - children[at]) <= 2 * len(many) for at in drivers)


def _members(many: list[tuple[str, str, str, int]]) -> list[tuple[str, set[str]]]:
    return [("team", {team for team, *_ in many}), ("service", {f"shop/{each[1]}" for each in many})]


def test_the_scopes_of_an_estimate() -> None:
    rig = run([envelope(estimate(labels={"namespace": "shop", "service": "web"}), labels={"team": "pay"})])
    assert rig.cost == {
        Name(scope, component, role): NANO
        for scope, component, role in (
            ("total", "pod_hours", DRIVER), ("total", "team=pay", CHILD),
            ("team=pay", "pod_hours", DRIVER), ("team=pay", "service=shop/web", CHILD),
            ("namespace=shop", "pod_hours", DRIVER), ("namespace=shop", "service=shop/web", CHILD),
            ("service=shop/web", "pod_hours", DRIVER),
        )
    }  # fmt: skip


def test_own_labels_win_over_the_envelopes() -> None:
    rig = run([envelope(estimate(labels={"team": "web"}), labels={"team": "pay"})])
    assert set(rig.scopes()) == {"total", "team=web"}


def test_without_an_owner_it_counts_as_unmapped_too() -> None:
    rig = run([envelope(estimate(labels={"namespace": "shop", "service": "web"}))])
    assert rig.spent("total") == rig.spent("unmapped") == rig.meter.counters.unmapped_nusd == NANO
    assert rig.cost[Name("total", "unmapped", CHILD)] == NANO
    assert rig.cost[Name("unmapped", "service=shop/web", CHILD)] == NANO


def test_without_cost_or_price_it_counts_as_unpriced_and_keeps_its_quantity() -> None:
    rig = run([envelope(estimate(driver="widgets", quantity=7, cost_usd=None))])
    assert rig.meter.counters.unpriced_events == 1
    assert rig.spent("total") == rig.spent("unpriced") == 0
    assert rig.quantity[Name("unpriced", "widgets", DRIVER)] == pytest.approx(7)
    assert rig.balanced


def test_owner_rules_add_labels_the_first_that_fits_and_never_over_its_own() -> None:
    rules = (
        OwnerRule(match={"namespace": "shop-*"}, set={"team": "shop", "account": "acc-{namespace}"}),
        OwnerRule(match={"namespace": "*"}, set={"team": "rest", "cost_centre": "7"}),
        OwnerRule(match={"cost_centre": "7"}, set={"service": "of-{team}"}),
    )
    rig = Rig(Config(owners=rules))
    rig.take(
        envelope(
            estimate(labels={"namespace": "shop-eu"}),
            estimate(labels={"namespace": "bank"}),
            estimate(labels={"namespace": "shop-eu", "team": "own"}),
        )
    )
    rig.commit()
    assert {scope: cost // NANO for scope, cost in rig.scopes().items()} == {
        "total": 3, "team=shop": 1, "team=rest": 1, "team=own": 1, "account=acc-shop-eu": 2,
        "namespace=shop-eu": 2, "namespace=bank": 1, "service=shop-eu/of-shop": 1,
        "service=shop-eu/of-own": 1, "service=bank/of-rest": 1,
    }  # fmt: skip


def test_a_calibrated_estimate_counts_at_the_invoices_word_with_a_note_of_the_change() -> None:
    rig = Rig()
    assert rig.meter.calibrate(calibration()) is None
    rig.take(envelope(estimate(cost_usd="100", labels=BILLED | {"team": "pay"})))
    rig.commit()
    calibrated = round(100 * NANO * FACTOR)
    assert rig.spent("total") == rig.spent("team=pay") == rig.spent("billing=aws/111/EC2") == calibrated
    for scope in ("total", "team=pay", "billing=aws/111/EC2"):
        assert rig.cost[Name(scope, CALIBRATION, NOTE)] == calibrated - 100 * NANO
        assert rig.count[Name(scope, CALIBRATION, NOTE)] == 0
    assert rig.balanced


class TestLate:
    def test_late_is_60_s_behind_the_watermark_and_counts_all_the_same(self) -> None:
        rig = run([envelope(estimate(end=NOW))])
        rig.take(envelope(estimate(start=START, end=NOW - 60_000)))
        rig.take(envelope(estimate(start=START, end=NOW - 59_999)))
        rig.commit()
        counters = rig.meter.counters
        assert (counters.late_events, counters.late_nusd) == (1, NANO)
        assert rig.spent("total") == 3 * NANO

    def test_a_late_estimate_lands_in_its_own_buckets(self) -> None:
        rig = run([envelope(estimate(start=NOW - 60_000, end=NOW))])
        rig.take(envelope(estimate(start=NOW - 6 * DAY, end=NOW - 6 * DAY + 60_000)))
        rig.commit()
        hour = (NOW - 6 * DAY) // HOUR
        assert rig.buckets[Name("total", "pod_hours", DRIVER), 3600, hour] == NANO

    def test_repeats_and_rejects_are_not_late(self) -> None:
        late = estimate(end=NOW - 90_000)
        rig = run([envelope(late, source="s", seq=1), envelope(estimate(end=NOW))])
        rig.take(envelope(late, source="s", seq=1), envelope(late | {"cost_usd": "inf"}))
        rig.commit()
        assert rig.meter.counters.late_events == 0
        rig.take(envelope(late, source="s", seq=2))
        rig.commit()
        assert rig.meter.counters.late_events == 1


class TestWatermark:
    def test_it_is_the_newest_end_that_arrived(self) -> None:
        rig = Rig()
        assert rig.meter.watermark_ms == -1
        rig.take(envelope(estimate(end=NOW - 5_000), estimate(end=NOW - 50_000)))
        assert rig.meter.watermark_ms == NOW - 5_000
        rig.take(envelope(estimate(end=NOW - 7_000)))
        assert rig.meter.watermark_ms == NOW - 5_000

    def test_the_future_moves_it_as_far_as_the_arrival(self) -> None:
        rig = run([envelope(estimate(end=NOW + 200_000))])
        assert rig.meter.watermark_ms == NOW

    def test_repeats_and_rejects_do_not_move_it(self) -> None:
        rig = run([envelope(estimate(end=NOW - 90_000), source="s", seq=1)])
        rig.take(envelope(estimate(end=NOW), source="s", seq=1))
        rig.take(envelope(estimate(end=NOW, cost_usd="nan")))
        assert rig.meter.watermark_ms == NOW - 90_000

    def test_it_is_in_every_record_and_survives_a_restart(self) -> None:
        rig = Rig(spend_partitions=4)
        rig.take(envelope(estimate(end=NOW)))
        rig.commit(NOW + 500)
        assert [partition for partition, _ in rig.records] == [0, 1, 2, 3]
        assert {(record.watermark_ms, record.sent_ms) for _, record in rig.records} == {(NOW, NOW + 500)}
        rig.restart()
        assert rig.meter.watermark_ms == NOW


class TestCommit:
    def test_it_says_what_was_read(self) -> None:
        rig = Rig()
        rig.take(envelope(estimate()), b"{")
        assert rig.commit().positions == {(topics.USAGE, 0): 2}
        rig.take(envelope(estimate()))
        assert rig.commit().positions == {(topics.USAGE, 0): 3}

    def test_records_join_up_without_a_gap(self) -> None:
        rig = Rig(spend_partitions=2)
        for number in range(4):
            rig.take(*[envelope(estimate())] * number)
            rig.commit(NOW + 2_000 * number)
            if number == 2:
                rig.restart()
        for partition in (0, 1):
            mine = [record for where, record in rig.records if where == partition]
            assert [record.previous for record in mine[1:]] == [record.position for record in mine[:-1]]
            assert (mine[0].previous, mine[-1].position) == (0, 6)

    def test_silence_is_a_heartbeat_once_a_second(self) -> None:
        rig = run([envelope(estimate())])
        assert rig.commit(NOW + 999).empty
        beat = rig.commit(NOW + 1000)
        assert (beat.state, beat.positions, len(beat.outputs)) == ([], {}, 1)
        _, record = rig.records[-1]
        assert (len(record.rows.key), record.watermark_ms, record.sent_ms) == (0, START + 60_000, NOW + 1000)
        assert (record.previous, record.position) == (1, 1)

    def test_before_the_first_estimate_the_heartbeat_has_no_watermark(self) -> None:
        rig = Rig()
        rig.commit()
        assert [record.watermark_ms for _, record in rig.records] == [-1]

    def test_label_sets_are_forgotten_over_the_bound_and_money_goes_on(self) -> None:
        rig = Rig(Config(meter=Limits(max_label_sets=3)))
        for number in range(10):
            rig.take(envelope(*[estimate(labels={"team": f"t{number}-{k}"}) for k in range(4)]))
            rig.commit()
        assert rig.spent("total") == 40 * NANO
        assert all(cost == NANO for scope, cost in rig.scopes().items() if scope != "total")
        assert rig.balanced


def test_a_label_that_decides_nothing_changes_nothing_but_one_that_a_rule_names_does() -> None:
    """Attributions are remembered by the labels that matter; a rule may name any."""
    rule = OwnerRule(match={"pod": "batch-*"}, set={"team": "{squad}"})
    rig = Rig(Config(owners=(rule,)))
    labels = {"namespace": "shop", "service": "web", "squad": "red"}
    pods = (("a", "red"), ("b", "red"), ("batch-1", "red"), ("batch-2", "red"), ("batch-3", "blue"))
    for pod, squad in pods:
        changed = labels | {"pod": pod, "squad": squad}
        rig.take(msgspec.json.encode(estimate(labels=changed)))
    rig.commit()
    assert rig.scopes() == {
        "total": 5 * NANO, "namespace=shop": 5 * NANO, "service=shop/web": 5 * NANO,
        "team=red": 2 * NANO, "team=blue": NANO, "unmapped": 2 * NANO,
    }  # fmt: skip


@pytest.mark.parametrize("remembered", [1, 1000])
def test_meters_that_share_an_attributor_are_what_each_is_alone(remembered: int) -> None:
    config = Config(meter=Limits(max_label_sets=remembered))
    attributor = attributor_of(config)
    together = [Meter(partition, config, 4, BOOK, attributor) for partition in range(2)]
    alone = [Meter(partition, config, 4, BOOK) for partition in range(2)]
    for number in range(6):
        teams = f"t{number}", f"t{number // 2}", "same"
        values = [msgspec.json.encode(estimate(labels={"team": team}, cost_usd=None)) for team in teams]
        batch = Batch(topics.USAGE, 0, values, range(3), [NOW] * 3, 3)
        for meter in (*together, *alone):
            meter.take(batch)
        for one, other in zip(together, alone, strict=True):
            assert one.commit(NOW) == other.commit(NOW)

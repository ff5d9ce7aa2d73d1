"""The burn stage: when a bucket is closed, what is then judged, and what is said of it."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import registry
from stream.burn.signals import FRESH_S
from stream.config import Budget, Config
from stream.config import Burn as BurnSettings
from stream.errors import UserError
from stream.schema.signals import Signal
from stream.schema.spend import CHILD, DRIVER, Name
from tests.burn.rig import NANO, START, WEB, Rig, Row, estate, normal, record

DB = "service=shop/db"
NORMAL = {WEB: 10.0, DB: 6.0}
RUNAWAY = {WEB: 400.0, DB: 6.0}
HISTORY_H = 30
T = START + HISTORY_H * 3600
TOTAL = Name("total", "pod_hours", DRIVER)
STEPS_ONLY = {name: {"enabled": False} for name in registry.all_names() if name != "step"}


@pytest.fixture(scope="module")
def history() -> Rig:
    return normal(HISTORY_H)


def after(history: Rig, config: Config | None = None) -> Rig:
    """A stage of its own that has seen the history."""
    return Rig(config, state=history.state)


def steps(start_s: int, end_s: int, rates: dict[str, float], by_s: int = 10) -> Iterator[bytes]:
    for at_s in range(start_s, end_s, by_s):
        yield record(at_s + by_s, *estate(at_s, at_s + by_s, rates))


def one(at_s: int, usd: float = 1.0, name: Name = TOTAL) -> Row:
    return (name, 10, at_s // 10, round(usd * NANO))


class TestClosing:
    def closed(self, *records: bytes, partitions: int = 3) -> int:
        rig = Rig(usage_partitions=partitions)
        rig.take(*records)
        return rig.burn.closed_s()

    def test_at_the_watermark_of_the_only_meter(self) -> None:
        assert self.closed(record(START + 70), partitions=1) == START + 70

    def test_at_the_slowest_of_several(self) -> None:
        records = [record(START + 70, partition=0), record(START + 50, partition=1)]
        assert self.closed(*records, partitions=2) == START + 50

    def test_it_waits_a_minute_for_a_meter_never_heard(self) -> None:
        first = [record(START, partition=0), record(START, partition=1)]
        assert self.closed(*first, record(START + 59, partition=0)) == -1
        # Both go on; the third has had its minute since.
        later = [record(START + 60, partition=0), record(START + 55, partition=1)]
        assert self.closed(*first, *later) == START + 55

    def test_without_an_idle_meter_whose_watermark_stands_still_for_a_minute(self) -> None:
        records = [
            record(START, partition=0, sent_s=START + 10),
            record(START, partition=1, sent_s=START + 10),
            record(START, partition=1, sent_s=START + 69),
            record(START + 60, partition=0, sent_s=START + 69),
        ]
        assert self.closed(*records, partitions=2) == START
        beat = record(START, partition=1, sent_s=START + 70)
        assert self.closed(*records, beat, partitions=2) == START + 60
        # It comes back, and counts again.
        back = record(START + 30, partition=1, sent_s=START + 75)
        assert self.closed(*records, beat, back, partitions=2) == START + 30

    def test_without_a_lost_meter_that_is_not_heard_for_a_minute(self) -> None:
        records = [
            record(START, partition=0, sent_s=START + 10), record(START, partition=1, sent_s=START + 10),
            record(START + 60, partition=0, sent_s=START + 69),
        ]  # fmt: skip
        assert self.closed(*records, partitions=2) == START
        later = record(START + 61, partition=0, sent_s=START + 70)
        assert self.closed(*records, later, partitions=2) == START + 61

    def test_when_all_are_idle_time_goes_on_a_minute_behind_their_clocks(self) -> None:
        first = record(START, sent_s=START + 5)
        assert self.closed(first, record(START, sent_s=START + 64), partitions=1) == START
        assert self.closed(first, record(START, sent_s=START + 500), partitions=1) == START + 440

    def test_a_meter_that_has_never_seen_an_estimate_holds_nobody_up_for_more_than_a_minute(self) -> None:
        """That long, since at its first start it has only not yet read what is there."""
        records = [
            record(-1 / 1000, partition=1, sent_s=START),
            record(START + 59, partition=0, sent_s=START + 59),
        ]
        assert self.closed(*records, partitions=2) == -1
        assert self.closed(*records, record(START + 30, partition=1), partitions=2) == START + 30
        later = record(START + 60, partition=0, sent_s=START + 60)
        assert self.closed(*records, later, partitions=2) == START + 60

    def test_nothing_is_judged_before_the_first_money(self) -> None:
        rig = Rig()
        rig.tell(record(-1 / 1000, sent_s=START), record(-1 / 1000, sent_s=START + 500))
        assert rig.evaluations == []


class TestJudging:
    def test_every_bucket_once_in_order(self) -> None:
        rig = Rig()
        for at_s in (4, 10, 19, 20, 20, 21, 95, 90, 100):
            rig.tell(record(START + at_s, one(START)))
        assert rig.judged == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]

    @settings(max_examples=15)
    @given(st.lists(st.tuples(st.integers(0, 280), st.booleans(), st.booleans()), max_size=8))
    def test_whatever_the_records_commits_and_restarts(self, by: list[tuple[int, bool, bool]]) -> None:
        rig, at_s = Rig(), START
        rig.tell(record(at_s, one(at_s)))
        for step_s, commit, restart in by:
            at_s += step_s
            rig.take(record(at_s, one(at_s)))
            if commit or restart:
                rig.commit()
            if restart:
                rig.restart()
        rig.commit()
        assert rig.judged == list(range(0, (at_s - START) // 10 * 10 + 10, 10))
        assert rig.burn.evaluated_s == START + rig.judged[-1]

    def test_catching_up_it_looks_every_five_minutes_and_at_the_last(self) -> None:
        rig = Rig()
        rig.tell(record(START + 40, one(START)))
        rig.tell(record(START + 1250, one(START + 1240)))
        assert rig.judged == [40, 300, 600, 900, 1200, 1250]

    def test_what_is_older_than_an_hour_is_not_judged(self) -> None:
        rig = Rig()
        rig.tell(record(START, one(START)))
        rig.tell(record(START + 50_000, one(START + 49_990)))
        assert rig.judged == [0, *range(46_500, 50_000, 300), 50_000]

    def test_all_that_is_judged_is_told_even_with_nothing_to_say(self, history: Rig) -> None:
        rig = after(history)
        assert rig.tell(*steps(T, T + 600, NORMAL)) == []
        assert rig.judged == [HISTORY_H * 3600 + s for s in range(10, 610, 10)]
        assert {(each.partition, each.partitions) for each in rig.evaluations} == {(0, 1)}

    def test_an_evaluation_says_when_it_was_made(self) -> None:
        rig = Rig()
        rig.take(record(START, one(START)))
        rig.commit(now_ms=123)
        assert [each.emitted_ms for each in rig.evaluations] == [123]

    def test_old_money_alone_counts_in_its_hour(self) -> None:
        """Another partition got the newest estimates; here only last week's arrive, before anything else."""
        rig = Rig()
        week = (START - 7 * 86_400) // 3600
        rig.tell(record(START, (TOTAL, 3600, week, 5 * NANO)))
        assert rig.burn.windows.spent_nusd("total", week * 3600, START) == 5 * NANO
        assert rig.burn.windows.late_nusd == 0


class TestRates:
    def test_money_that_is_ahead_of_the_judged_bucket_takes_nothing_from_the_hour_before(self) -> None:
        """One meter is 280 s behind: the fine ring then holds less than the hour that is looked at."""
        rig = Rig(usage_partitions=2)
        for start_s in range(START, START + 2 * 3600, 10):
            ahead = record(start_s + 10, *estate(start_s, start_s + 10, {WEB: 36.0}))
            rig.take(ahead, record(start_s + 10 - 280, partition=1, sent_s=start_s + 20))
        [web] = [each for each in rig.burn.figures() if each.scope == WEB]
        assert web.time_s == START + 2 * 3600 - 280
        assert web.burn_usd_per_hour[3600] == pytest.approx(36.0, rel=1e-9)


class TestProjection:
    def test_a_nightly_batch_is_no_excess_that_lasts(self) -> None:
        """$36 between 01:00 and 02:00, every night, and $0.40 in each other hour: $45.20 a day."""
        rig = Rig()
        last = START + 4 * 86_400
        projected = {}
        for start_s in range(START, last + 4 * 3600, 300):
            usd_per_hour = 36.0 if start_s % 86_400 // 3600 == 1 else 0.4
            rig.take(record(start_s + 300, *estate(start_s, start_s + 300, {WEB: usd_per_hour})))
            if start_s >= last:
                [web] = [each for each in rig.burn.figures() if each.scope == WEB]
                projected[start_s - last] = web.projection_usd
        days = 27  # January from the 5th on
        assert projected == {at_s: pytest.approx(days * 45.2, rel=0.01) for at_s in projected}


class TestSignals:
    def said(self, signals: list[Signal], scope: str, detector: str = "step") -> list[tuple[int, str]]:
        return [
            (each.time_s - T, each.severity)
            for each in signals if (each.scope, each.detector) == (scope, detector)
        ]  # fmt: skip

    def test_told_at_every_look_while_fresh_then_every_minute_and_cleared_once(self, history: Rig) -> None:
        rig = after(history, Config(detectors=STEPS_ONLY))
        told = rig.tell(*steps(T, T + FRESH_S + 300, RUNAWAY), *steps(T + FRESH_S + 300, T + 1800, NORMAL))
        for scope in (WEB, "team=pay", "total"):
            *pages, (cleared_s, last) = self.said(told, scope)
            assert 0 < pages[0][0] <= 30
            assert {severity for _, severity in pages} == {"page"}
            assert all(b - a == (10 if b <= FRESH_S else 60) for (a, _), (b, _) in pairwise(pages))
            assert last == "none" and FRESH_S + 300 < cleared_s <= FRESH_S + 400
        assert self.said(told, DB) == []

    def test_signals_survive_a_restart_at_any_time(self, history: Rig) -> None:
        config = Config(detectors=STEPS_ONLY)
        records = [*steps(T, T + 200, RUNAWAY), *steps(T + 200, T + 600, NORMAL)]
        whole = after(history, config)
        expected = whole.tell(*records)
        for crash in (1, 3, 4, 9, 20, 25, 30):
            rig = after(history, config)
            told = rig.tell(*records[:crash])
            rig.take(*records[crash : crash + 2])  # not committed, so lost
            rig.restart()
            assert told + rig.tell(*records[crash:]) == expected

    def test_a_detector_that_was_switched_off_is_cleared_once(self, history: Rig) -> None:
        rig = after(history, Config(detectors=STEPS_ONLY))
        assert self.said(rig.tell(*steps(T, T + 200, RUNAWAY)), WEB)[-1][1] == "page"
        off = after(rig, Config(detectors=STEPS_ONLY | {"step": {"enabled": False}}))
        told = off.tell(*steps(T + 200, T + 600, RUNAWAY))
        for scope in (WEB, "team=pay", "total"):
            assert self.said(told, scope) == [(210, "none")]

    def test_a_worse_tier_is_told_at_once(self, history: Rig) -> None:
        rig = after(history)
        told = rig.tell(*steps(T, T + 6000, {WEB: 60.0, DB: 6.0}))
        of_web = [each for each in told if (each.scope, each.detector) == (WEB, "burn-vs-baseline")]
        changes = [(a, b) for a, b in pairwise(of_web) if (a.severity, a.tier) != (b.severity, b.tier)]
        assert of_web
        for a, b in pairwise(of_web):
            assert (a, b) in changes or b.time_s - a.time_s == (60 if b.time_s - b.onset_s > FRESH_S else 10)
        assert all(b.onset_s <= a.onset_s for a, b in pairwise(of_web))

    def test_what_a_signal_says(self, history: Rig) -> None:
        rig = after(
            history, Config(detectors=STEPS_ONLY, budgets=(Budget(scope=WEB, monthly_usd=Decimal(9000)),))
        )
        told = rig.tell(*steps(T, T + 120, RUNAWAY))
        said = next(each for each in reversed(told) if each.scope == WEB)
        windows = rig.burn.windows
        assert (said.onset_s, said.tier, said.labels) == (T, "fast", {"namespace": "shop", "service": "web"})
        assert said.baseline_usd_per_hour == pytest.approx(10)
        elapsed_h = (said.time_s - T) / 3600
        assert said.excess_nusd / NANO == pytest.approx((400 - 10) * elapsed_h, rel=1e-6)
        assert said.excess_nusd == windows.spent_nusd(WEB, said.onset_s, said.time_s) - round(
            (rig.burn.expected_usd(WEB, said.onset_s, said.time_s) or 0) * NANO
        )
        assert said.burn_usd_per_hour == pytest.approx(400, rel=0.01)
        assert said.month_to_date_nusd == windows.spent_nusd(WEB, START - 4 * 86_400, said.time_s)
        assert (said.budget_usd, said.calibration, said.baseline_kind) == (9000, 1.0, "trailing day")
        assert 6 <= said.baseline_samples <= 24, "hours"
        assert said.reason and said.score > 1
        assert [share.name for share in said.drivers] == ["pod_hours"]
        spent = windows.components_nusd(WEB, said.time_s - 3600, said.time_s)
        assert said.drivers[0].cost_nusd == spent["pod_hours"]

    def test_the_parts_of_a_signal_are_those_with_the_most_excess(self, history: Rig) -> None:
        rig = after(history, Config(detectors=STEPS_ONLY))
        told = rig.tell(*steps(T, T + 120, RUNAWAY))
        of_team = next(each for each in reversed(told) if each.scope == "team=pay")
        [web] = of_team.children  # the other has not risen
        assert (web.name, web.excess_nusd > 0) == (WEB, True)
        back = rig.tell(*steps(T + 120, T + 400, NORMAL))
        cleared = next(each for each in back if (each.scope, each.severity) == ("team=pay", "none"))
        assert cleared.children[0].name == WEB

    def test_a_scope_without_a_baseline_has_an_excess_of_all_it_spends(self) -> None:
        config = Config(budgets=(Budget(scope=WEB, monthly_usd=Decimal(1)),))
        rig = Rig(config)
        told = rig.tell(*steps(START, START + 3 * 3600, {WEB: 400.0}, by_s=300))
        assert told
        for said in told:
            assert said.baseline_usd_per_hour is None
            assert said.excess_nusd == rig.burn.windows.spent_nusd(said.scope, said.onset_s, said.time_s)

    def test_billing_scopes_and_the_unpriced_are_never_spoken_of(self) -> None:
        quiet = ("billing=aws/111/EC2", "unpriced")
        rates = [(1.0, 0, 30 * 3600), (5000.0, 30 * 3600, 30 * 3600 + 120)]
        rig = Rig()
        told: list[Signal] = []
        for rate, start_s, end_s in rates:
            by_s = 300 if rate == 1.0 else 10
            for at_s in range(START + start_s, START + end_s, by_s):
                cost = round(rate * NANO / 360)
                many = [
                    (Name(scope, "pod_hours", DRIVER), 10, bucket, cost)
                    for scope in (*quiet, "total")
                    for bucket in range(at_s // 10, (at_s + by_s) // 10)
                ]
                told += rig.tell(record(at_s + by_s, *many))
        assert {each.scope for each in told} == {"total"}

    @settings(max_examples=10)
    @given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.booleans())
    def test_batches_do_not_matter(self, history: Rig, sizes: list[int], restart: bool) -> None:
        records = [*steps(T, T + 150, RUNAWAY), *steps(T + 150, T + 400, NORMAL)]
        whole = after(history)
        whole.tell(*records)
        parts = after(history)
        at = 0
        for most in sizes:
            size = min(most, len(records) - 5 - at)
            parts.take(*records[at : at + size])
            at += size
            if size % 2:
                parts.commit()
                if restart:
                    parts.restart()
        if restart:
            parts.commit()
        parts.tell(*records[at:])
        assert parts.evaluations == whole.evaluations
        assert parts.burn.figures() == whole.burn.figures()
        parts.restart()  # scores are those of the last look, and there was none yet
        assert parts.burn.figures() == [replace(each, scores={}) for each in whole.burn.figures()]


class TestFigures:
    def test_of_a_steady_estate(self, history: Rig) -> None:
        rig = after(history, Config(budgets=(Budget(scope="total", monthly_usd=Decimal(20_000)),)))
        rig.tell(*steps(T, T + 600, NORMAL))
        found = {each.scope: each for each in rig.burn.figures()}
        assert set(found) == {"total", "team=pay", WEB, DB}
        total = found["total"]
        assert total.time_s == T + 600
        assert total.total_nusd == rig.burn.windows.spent_nusd("total", START, T + 600)
        assert total.burn_usd_per_hour == pytest.approx(
            dict.fromkeys((300, 1800, 3600, 7200, 21600, 86400), 16)
        )
        assert total.baseline_usd_per_hour == pytest.approx(16)
        assert total.spread_usd_per_hour == pytest.approx(0, abs=1e-6)
        assert total.month_to_date_nusd / NANO == pytest.approx(16 * (HISTORY_H + 1 / 6))
        # January ends 27 days after the 5th; the estate began on that day.
        assert total.projection_usd == pytest.approx(16 * 27 * 24)
        assert total.budget_usd == 20_000
        assert total.budget_exhaustion_s is None
        assert found[WEB].budget_usd is None

    def test_nothing_is_known_of_a_scope_that_is_new(self) -> None:
        rig = Rig()
        rig.tell(record(START + 10, one(START)))
        [total] = rig.burn.figures()
        assert (total.baseline_usd_per_hour, total.baseline_kind, total.burn_usd_per_hour) == (
            None,
            "none",
            {},
        )
        assert total.total_nusd == NANO

    def test_a_scope_that_only_late_money_has_brought(self) -> None:
        rig = Rig()
        rig.tell(record(START + 100, one(START + 90)))
        rig.tell(record(START + 100, one(START, 5, Name("team=late", "pod_hours", DRIVER))))
        assert [(each.scope, each.total_nusd // NANO) for each in rig.burn.figures()] == [
            ("total", 1),
            ("team=late", 5),
        ]
        assert rig.judged == [100]

    def test_before_anything_is_closed_there_are_none(self) -> None:
        assert Rig().burn.figures() == []

    def test_heard(self) -> None:
        rig = Rig()
        assert rig.burn.heard_ms == -1
        rig.take(record(START, sent_s=START + 1), record(START, sent_s=START + 9))
        assert rig.burn.heard_ms == (START + 1) * 1000


class TestCap:
    def cap(self, scopes: int) -> Rig:
        return Rig(Config(burn=BurnSettings(max_scopes=scopes)))

    def test_what_is_over_the_cap_adds_up_in_other(self) -> None:
        rig = self.cap(3)
        many = [
            one(START, 1, TOTAL),
            *(one(START, n, Name(f"team=t{n}", "pod_hours", DRIVER)) for n in range(1, 6)),
        ]
        rig.tell(record(START + 10, *many))
        rig.tell(record(START + 20, *many))
        found = {each.scope: each.total_nusd // NANO for each in rig.burn.figures()}
        assert found == {"total": 2, "team=t1": 2, "team=t2": 4, "other": 2 * (3 + 4 + 5)}
        assert rig.burn.windows.overflow_nusd == 24 * NANO
        rig.restart()
        rig.tell(record(START + 30, *many))
        assert rig.burn.windows.overflow_nusd == 36 * NANO
        assert rig.burn.windows.spent_nusd("other", START, START + 30) == 36 * NANO

    def test_parts_over_their_cap_add_up_in_other_too(self) -> None:
        rig = Rig()
        many = [one(START, 1, Name("total", f"driver_{n}", DRIVER)) for n in range(510)]
        rig.tell(record(START + 10, *many))
        parts = rig.burn.windows.components_nusd("total", START, START + 60)
        assert (len(parts), parts["other"], sum(parts.values())) == (501, 10 * NANO, 510 * NANO)
        assert rig.burn.windows.overflow_nusd == 0

    def test_children_are_no_drivers(self) -> None:
        rig = Rig()
        rig.tell(record(START + 10, one(START, 3), one(START, 3, Name("total", "team=pay", CHILD))))
        windows = rig.burn.windows
        assert windows.spent_nusd("total", START, START + 60) == 3 * NANO
        assert windows.components_nusd("total", START, START + 60) == {"pod_hours": 3 * NANO}
        assert windows.children_nusd("total", START, START + 60) == {"team=pay": 3 * NANO}


def test_an_idle_stage_commits_nothing() -> None:
    rig = Rig()
    assert rig.commit().empty
    rig.tell(record(START, one(START)))
    assert rig.commit().empty


def test_state_of_another_version_is_refused_in_one_sentence() -> None:
    rig = Rig()
    rig.take(record(START + 10, (TOTAL, 10, START // 10, NANO)))
    rig.commit()
    rig.state[b'bs0/3/["total","",0]'] = b"a row that an earlier burnline wrote"
    with pytest.raises(UserError, match=r"another version of burnline.*topic_prefix"):
        rig.restart()

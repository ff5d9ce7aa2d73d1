"""What people said reaches the baseline and its thresholds: verdicts and planned ceilings."""

from typing import Any

import msgspec
import pytest

from stream.burn.people import People
from stream.config import Burn as BurnSettings
from stream.config import Config
from stream.config_alerts import Maintenance as MaintenanceRule
from stream.config_alerts import Plan as PlanRule
from stream.schema import topics
from stream.schema.commands import Maintenance, Match, Plan, Recurrence
from stream.schema.feedback import Feedback, Verdict
from stream.schema.incidents import Incident
from stream.schema.incidents import encode as encode_incident
from stream.schema.signals import Signal
from tests.burn.rig import START, WEB, Rig, estate, normal, record

HOUR = 3600
T = START + 30 * HOUR  # the runaway begins: $10/h before, $400/h from then on
DAY = 24 * HOUR
RUNAWAY = {WEB: 400.0, "service=shop/db": 6.0}


@pytest.fixture(scope="module")
def history() -> Rig:
    """30 hours of calm, then 15 of a runaway: more than half of the last day."""
    rig = normal()
    go_on(rig, T, 15)
    return rig


def go_on(rig: Rig, from_s: int, hours: int) -> list[Signal]:
    spend = (
        record(at_s + 300, *estate(at_s, at_s + 300, RUNAWAY))
        for at_s in range(from_s, from_s + hours * HOUR, 300)
    )
    return rig.tell(*spend)


def feedback(verdict: Verdict, **changes: Any) -> Feedback:
    given: dict[str, Any] = {"id": "f1", "by": "ana", "made_s": T, "alert": f"{WEB}@{T}/page", "scope": WEB}
    given |= {"verdict": verdict, "since_s": T, "until_s": T + 15 * HOUR, "expires_s": T + 37 * DAY}
    return Feedback(**{**given, **changes})


def plan(**changes: Any) -> Plan:
    given: dict[str, Any] = {"id": "p1", "by": "ana", "made_s": START, "match": Match(scopes=(WEB,))}
    given |= {"since_s": START, "until_s": START + DAY, "ceiling_usd_per_hour": 8.0}
    return Plan(**{**given, **changes})


def after(history: Rig) -> Rig:
    return Rig(state=history.state)


def baseline(rig: Rig, scope: str = WEB) -> float | None:
    """Judges one more minute first: people are heard at a look."""
    at_s = rig.burn.evaluated_s
    rig.tell(record(at_s + 60, *estate(at_s, at_s + 60, RUNAWAY)))
    [found] = [figures for figures in rig.burn.figures() if figures.scope == scope]
    return found.baseline_usd_per_hour


def test_a_runaway_that_nobody_judges_becomes_normal(history: Rig) -> None:
    assert baseline(after(history)) == pytest.approx(400)


@pytest.mark.parametrize("verdict", [Verdict.REAL, Verdict.EXPECTED])
def test_what_was_no_normal_spend_teaches_nothing(history: Rig, verdict: Verdict) -> None:
    rig = after(history)
    rig.heed(feedback(verdict))
    assert baseline(rig) == pytest.approx(10)
    assert baseline(rig, "service=shop/db") == pytest.approx(6)
    assert baseline(rig, "total") == pytest.approx(406), "said of one scope only"


def test_what_was_false_says_nothing_of_the_baseline(history: Rig) -> None:
    rig = after(history)
    rig.heed(feedback(Verdict.FALSE))
    assert baseline(rig) == pytest.approx(400)


def test_a_verdict_that_is_taken_back_or_expires_counts_no_more(history: Rig) -> None:
    rig = after(history)
    rig.heed(feedback(Verdict.REAL))
    assert baseline(rig) == pytest.approx(10)
    rig.heed(feedback(Verdict.REAL, ended_s=T + 15 * HOUR, ended_by="ben"))
    assert baseline(rig) == pytest.approx(400)
    rig.heed(feedback(Verdict.REAL, expires_s=T + 15 * HOUR + 600))
    assert baseline(rig) == pytest.approx(10)
    go_on(rig, rig.burn.evaluated_s, 1)
    assert baseline(rig) == pytest.approx(400)


def incident(**changes: Any) -> Incident:
    given: dict[str, Any] = {
        "id": "i1",
        "title": "a loop",
        "scopes": (WEB,),
        "since_s": T,
        "opened_by": "ana",
    }
    return Incident(**{**given, "opened_s": T, **changes})


def test_an_incident_teaches_nothing_as_long_as_it_lasts(history: Rig) -> None:
    """Open, closed, opened again, extended: as its latest record stands."""
    rig = after(history)
    rig.heed(incident())
    assert baseline(rig) == pytest.approx(10), "open"
    rig.heed(incident(until_s=T + 2 * HOUR, closed=True))
    assert baseline(rig) == pytest.approx(400), "its end was put early: 13 hours of it count"
    rig.heed(incident(until_s=T + 12 * HOUR, closed=True))
    assert baseline(rig) == pytest.approx(10), "extended"
    rig.heed(incident(scopes=("total",)))
    assert baseline(rig) == pytest.approx(400), "it was about another scope"


def test_an_incident_that_is_never_closed_teaches_again_after_two_weeks() -> None:
    """Who forgets to close one is not left without a baseline."""
    people = People(Config())
    people.heed(topics.INCIDENTS, encode_incident(incident()))
    for days in (1, 20):
        [left_out] = people.lessons((WEB,), T + days * DAY).left_out.values()
        assert (left_out.series.tolist(), left_out.hours[0], left_out.hours[-1]) == (
            [0], T // HOUR, T // HOUR + 14 * 24 - 1
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "usual"),
    [
        ({"until_s": T + 15 * HOUR}, 10),
        ({"until_s": T + 15 * HOUR, "ended_s": T + HOUR, "ended_by": "ben"}, 400),
        ({"match": Match(scopes=("service=shop/*",)), "until_s": T + 15 * HOUR}, 10),
        ({"match": Match(labels={"team": "other"}), "until_s": T + 15 * HOUR}, 400),
        ({"recurs": Recurrence(at="06:00", duration_s=15 * HOUR)}, 10),  # T is at six o'clock
        ({"recurs": Recurrence(at="06:00", duration_s=15 * HOUR, weekdays=("sun",))}, 400),
    ],
)
def test_maintenance_teaches_nothing(history: Rig, changes: dict[str, Any], usual: float) -> None:
    rig = after(history)
    rig.heed(
        Maintenance(
            **{"id": "m", "by": "ana", "made_s": T, "match": Match(scopes=(WEB,)), "since_s": T, **changes}
        )
    )
    assert baseline(rig) == pytest.approx(usual)


def test_maintenance_of_the_file_teaches_nothing(history: Rig) -> None:
    rule = MaintenanceRule.model_validate(
        {"name": "m", "scopes": ["*"], "at": "06:00", "duration_s": 15 * HOUR, "weekdays": ["tue"]}
    )
    rig = Rig(Config(maintenance=(rule,)), state=history.state)
    assert baseline(rig) == pytest.approx(10)
    assert baseline(rig, "total") == pytest.approx(16)


def test_a_plan_for_once_teaches_nothing_and_one_that_recurs_does(history: Rig) -> None:
    rig = after(history)
    rig.heed(plan(since_s=T, until_s=T + 15 * HOUR, ceiling_usd_per_hour=500.0))
    assert baseline(rig) == pytest.approx(10)
    rig.heed(plan(since_s=T, until_s=None, recurs=Recurrence(at="06:00", duration_s=15 * HOUR)))
    assert baseline(rig) == pytest.approx(400)


class TestNewNormal:
    def test_what_was_before_counts_as_many_times_as_it_is_more_now(self, history: Rig) -> None:
        """Not 7 of 24 hours at $10 and the rest at $400: all at $400, and the shape of the day is kept."""
        rig = after(history)
        rig.heed(feedback(Verdict.NEW_NORMAL))
        assert baseline(rig) == pytest.approx(400)
        [web] = [figures for figures in rig.burn.figures() if figures.scope == WEB]
        assert web.spread_usd_per_hour == pytest.approx(0, abs=1e-6)
        rig.heed(feedback(Verdict.NEW_NORMAL, ended_s=T + 15 * HOUR, ended_by="ben", until_s=T + 16 * HOUR))
        rig.heed(feedback(Verdict.REAL, id="f2"))
        assert baseline(rig) == pytest.approx(10)

    @pytest.mark.parametrize(("learn_after_h", "hours"), [(6, 6), (2, 2), (12, 12)])
    def test_it_is_learnt_within_the_hours_that_are_set(self, learn_after_h: int, hours: int) -> None:
        rig = Rig(Config(burn=BurnSettings(learn_after_h=learn_after_h)), state=normal().state)
        rig.heed(feedback(Verdict.NEW_NORMAL))
        go_on(rig, T, hours - 1)
        assert baseline(rig) == pytest.approx(10)
        go_on(rig, rig.burn.evaluated_s, 1)
        assert baseline(rig) == pytest.approx(400)

    def test_the_last_word_counts(self, history: Rig) -> None:
        """An incident was opened, and then it turned out to be here to stay; or the other way round."""
        rig = after(history)
        rig.heed(incident(opened_s=T + 60))
        rig.heed(feedback(Verdict.NEW_NORMAL, made_s=T + 14 * HOUR))
        assert baseline(rig) == pytest.approx(400)
        rig.heed(incident(opened_s=T + 15 * HOUR))
        assert baseline(rig) == pytest.approx(10)


def test_a_restart_says_the_same(history: Rig) -> None:
    unbroken, broken = after(history), after(history)
    said = []
    for rig in (unbroken, broken):
        rig.heed(feedback(Verdict.REAL))
        rig.heed(plan(since_s=T, until_s=T + 2 * DAY, ceiling_usd_per_hour=300.0))
        told = go_on(rig, T + 15 * HOUR, 1)
        if rig is broken:
            rig.restart()
        said.append(told + go_on(rig, T + 16 * HOUR, 1))
    assert said[0] == said[1]
    assert {one.detector for one in said[0]} >= {"plan", "step"}


def test_what_can_not_be_read_is_passed_over() -> None:
    rig = Rig()
    for value in (b"", b"{}", b'{"kind": "plan"}', b"\xff", b"[" * 100_000):
        rig.burn.heed(topics.COMMANDS, value)
        rig.burn.heed(topics.INCIDENTS, value)


class TestCeilings:
    """A plan pages by itself: in its first hours a scope has no baseline and nobody else would."""

    @staticmethod
    def told(rig: Rig, minutes: int = 10) -> list[tuple[str, str, str]]:
        at_s = max(START + HOUR, rig.burn.evaluated_s)
        spend = (
            record(each + 60, *estate(each, each + 60, RUNAWAY))
            for each in range(at_s, at_s + minutes * 60, 60)
        )
        said = rig.tell(*spend)
        return sorted({(one.scope, one.detector, one.severity) for one in said})

    def test_above_it_pages_without_a_baseline(self) -> None:
        rig = normal(hours=1)
        assert self.told(rig) == []
        rig.heed(plan())
        assert self.told(rig) == [(WEB, "plan", "page")]

    def test_below_it_with_its_floor_does_not(self) -> None:
        rig = normal(hours=1)
        rig.heed(plan(ceiling_usd_per_hour=390.0, floor_usd_per_hour=10.5))
        assert self.told(rig) == []

    def test_it_is_over_when_the_plan_is(self) -> None:
        rig = normal(hours=1)
        rig.heed(plan(until_s=START + HOUR + 600))
        assert self.told(rig) == [(WEB, "plan", "none"), (WEB, "plan", "page")]

    def test_one_of_the_file_and_one_for_labels(self) -> None:
        daily = {"at": "00:00", "duration_s": DAY}
        rule = PlanRule.model_validate(
            {"name": "p", "labels": {"team": "pay"}, **daily, "ceiling_usd_per_hour": 20}
        )
        rig = Rig(Config(plans=(rule,)), state=normal(hours=1).state)
        assert self.told(rig) == [("team=pay", "plan", "page")]

    def test_what_is_expected_each_week_is_a_plan(self) -> None:
        rig = normal(hours=1)
        weekly = feedback(Verdict.EXPECTED, since_s=START - 7 * DAY, until_s=START - 6 * DAY)
        rig.heed(weekly)
        assert self.told(rig) == []
        rig.heed(msgspec.structs.replace(weekly, ceiling_usd_per_hour=50.0))
        assert self.told(rig) == [(WEB, "plan", "page")]

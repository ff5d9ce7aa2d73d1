"""Acknowledge and snooze, and what people said of earlier alerts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.schema import alerts as wire
from stream.schema.alerts import Severity, State
from stream.schema.commands import Command
from stream.schema.feedback import Verdict
from stream.schema.signals import Signal
from tests.alerts.estate import RULES, T0, Estate, signal
from tests.alerts.people import CHECKOUT, acknowledge, feedback, maintenance, plan

KEY = f"{CHECKOUT}@{T0}/page"
WEEK_S = 7 * 86_400


def firing() -> Estate:
    estate = Estate()
    estate.say(signal(CHECKOUT))
    assert [alert.dedup_key for alert in estate.wait(50)] == [KEY]
    return estate


def test_who_has_it_is_told_at_once_and_it_does_not_ring_again() -> None:
    estate = firing()
    [told] = estate.ask(acknowledge(KEY, note="looking"))
    assert (told.dedup_key, told.state) == (KEY, State.ACKNOWLEDGED)
    assert told.acknowledged is not None
    assert (told.acknowledged.by, told.acknowledged.note) == ("ana", "looking")
    assert told.spent_ms == told.time_s * 1000
    assert estate.ask(acknowledge(KEY, note="looking")) == [], "said twice, told once"
    for _ in range(5):
        estate.say(signal(CHECKOUT, "none"))
        estate.say(signal(CHECKOUT))
    assert estate.wait(3600)[:-1] == []
    assert [alert.state for alert in estate.stage.active()] == []


def test_a_higher_tier_rings_all_the_same() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT, "ticket"))
    [ticket] = estate.wait(100)
    estate.ask(acknowledge(ticket.dedup_key))
    estate.say(signal(CHECKOUT))
    [page] = estate.wait(50)
    assert (page.state, page.severity, page.acknowledged) == (State.ESCALATED, Severity.PAGE, None)
    assert page.previous_key == ticket.dedup_key


def test_a_snooze_ends_by_itself_and_rings() -> None:
    estate = firing()
    [told] = estate.ask(acknowledge(KEY, until_s=T0 + 300))
    assert told.acknowledged is not None
    assert told.acknowledged.until_s == T0 + 300
    [again] = estate.wait(400)
    assert (again.state, again.dedup_key, again.time_s) == (State.FIRING, KEY, T0 + 300)
    assert again.acknowledged is None


def test_a_snooze_of_what_is_over_by_then_does_not_ring() -> None:
    estate = firing()
    estate.ask(acknowledge(KEY, until_s=T0 + 600))
    estate.say(signal(CHECKOUT, "none"))
    assert [alert.state for alert in estate.wait(900)] == [State.RESOLVED]


def test_an_acknowledgement_can_be_taken_back() -> None:
    estate = firing()
    estate.ask(acknowledge(KEY))
    [again] = estate.ask(acknowledge(KEY, ended_s=estate.now_s, ended_by="bo"))
    assert (again.state, again.acknowledged) == (State.FIRING, None)


def test_an_acknowledgement_of_another_alert_changes_nothing() -> None:
    estate = firing()
    assert estate.ask(acknowledge("service=shop/cart@1/page")) == []
    assert estate.wait(50) == []


def test_what_was_false_must_be_worse_to_ring_again() -> None:
    estate = Estate()
    estate.ask(feedback(Verdict.FALSE, factors={"step": 1.8}))
    estate.say(signal(CHECKOUT, score=1.8))
    assert estate.wait(100) == []
    estate.say(signal(CHECKOUT, score=1.81))
    assert [alert.state for alert in estate.wait(50)] == [State.FIRING]


def test_it_is_false_for_one_detector_of_one_scope() -> None:
    estate = Estate()
    estate.ask(feedback(Verdict.FALSE, factors={"step": 3.0}))
    estate.say(signal("service=shop/cart"), signal(CHECKOUT, detector="egress"), signal(CHECKOUT))
    first, second = estate.wait(50)
    assert {first.scope, second.scope} == {"service=shop/cart", CHECKOUT}
    [page] = [alert for alert in (first, second) if alert.scope == CHECKOUT]
    assert page.detectors == ("egress",)


def test_what_was_false_ends_with_its_time_or_when_it_is_taken_back() -> None:
    for end in ({"expires_s": T0 + 100}, {"ended_s": T0 + 100}):
        estate = Estate()
        estate.ask(feedback(Verdict.FALSE, factors={"step": 3.0}, **end))
        [page] = [alert for _ in range(20) for alert in estate.say(signal(CHECKOUT))]
        assert page.time_s == T0 + 100 + RULES.page_for_s


def test_what_was_expected_each_week_is_planned_in_the_weeks_that_follow() -> None:
    estate = Estate()
    said = {"since_s": T0 - 300, "until_s": T0 + 300, "expires_s": T0 + 37 * 86_400}
    estate.ask(feedback(Verdict.EXPECTED, ceiling_usd_per_hour=500.0, **said))
    estate.now_s = T0 + WEEK_S
    report, page = estate.burn(700, signal(CHECKOUT, onset_s=T0 + WEEK_S))
    assert (page.severity, page.time_s) == (Severity.PAGE, T0 + WEEK_S + 600), "only at that time"
    assert report.severity == Severity.DIGEST


COMMANDS: list[Command] = [
    maintenance(T0 + 300),
    maintenance(T0 + 900, id="m2", since_s=T0 + 500),
    maintenance(T0 + 300, ended_s=T0 + 100, ended_by="bo"),
    plan(450.0, T0 + 700),
    plan(300.0, T0 + 900, id="p2"),
    acknowledge(KEY),
    acknowledge(KEY, id="a2", until_s=T0 + 400),
    acknowledge(KEY, ended_s=T0, ended_by="bo"),
    feedback(Verdict.FALSE, factors={"step": 1.6}),
    feedback(Verdict.EXPECTED, id="f2", ceiling_usd_per_hour=450.0),
]
SAID = [signal(CHECKOUT, severity, score=score, burn=burn) for severity, score, burn in (
    ("page", 1.5, 412.0), ("page", 2.5, 600.0), ("ticket", 1.2, 100.0), ("digest", 1.1, 50.0),
    ("none", 0.1, 21.0),
)]  # fmt: skip
STEPS = st.lists(st.one_of(st.sampled_from(COMMANDS), st.sampled_from(SAID)), max_size=60)


@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_a_restart_after_every_commit_changes_nothing_and_a_problem_has_one_open_key(
    steps: list[Command | Signal],
) -> None:
    steady, restarted = Estate(), Estate(restarts=True)
    for step in steps:
        for estate in (steady, restarted):
            if isinstance(step, Signal):
                estate.say(step)
            else:
                estate.ask(step)
                estate.say()
    for estate in (steady, restarted):
        estate.wait(300)
    assert [wire.encode(one) for one in steady.sent] == [wire.encode(one) for one in restarted.sent]
    assert steady.rows == restarted.rows
    standing: set[str] = set()
    for alert in (one for one in steady.sent if one.scope == CHECKOUT):
        if alert.previous_key is not None and alert.state == State.ESCALATED:
            standing.discard(alert.previous_key)
        standing.add(alert.dedup_key)
        if alert.state == State.RESOLVED:
            standing.discard(alert.dedup_key)
        assert len(standing) <= 1

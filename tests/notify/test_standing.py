"""A destination is believed when it has proven itself, and the others hear of one that has not."""

import pytest

from stream.config_notify import Notify, PagerDuty, Webhook
from stream.notify.memory import Memory
from stream.notify.page import render, title
from stream.notify.standing import Standing, fingerprint_of
from stream.schema.alerts import Alert, Severity, State
from stream.schema.notify_state import Trial
from tests.notify.golden import check
from tests.notify.pages import RUNAWAY, alert
from tests.notify.receiver import Receiver, answer
from tests.notify.rig import Rig, rig

T0_MS = 1_767_276_000_000  # 1 January 2026, 14:00 UTC
MINUTE_MS = 60_000
KEY = {"routing_key": "R0123456789abcdefghijklmnopqrstu"}
RULES = Notify(alarm_after_s=300, unproven_after_s=3600)


def pager(memory: Memory | None = None, **more: str) -> Standing:
    return Standing(PagerDuty.model_validate(KEY | more), RULES, memory or Memory())


def told(alerts: list[Alert]) -> list[tuple[str, str, str]]:
    return [(each.dedup_key, str(each.state), str(each.severity)) for each in alerts]


def test_one_that_is_never_proven_is_told_after_an_hour_until_it_is() -> None:
    it = pager()
    assert it.alarms(T0_MS) == []
    assert it.alarms(T0_MS + 59 * MINUTE_MS) == []
    [first] = it.alarms(T0_MS + 60 * MINUTE_MS)
    key = f"delivery/pagerduty@{T0_MS // 1000}/unproven"
    assert told([first]) == [(key, "firing", "ticket")]
    assert "burnline notify test pagerduty" in first.reason
    assert it.alarms(T0_MS + 90 * MINUTE_MS) == [], "told once"
    it.taken(T0_MS + 91 * MINUTE_MS)
    assert told(it.alarms(T0_MS + 91 * MINUTE_MS)) == [(key, "resolved", "ticket")]
    assert it.alarms(T0_MS + 999 * MINUTE_MS) == [], "an estate may be quiet for weeks"


def test_one_that_fails_is_told_after_five_minutes_under_one_key() -> None:
    it = pager()
    it.taken(T0_MS)
    it.failed(T0_MS + MINUTE_MS, "401 Invalid token", blocked=True, waiting="a/page")
    assert it.alarms(T0_MS + 5 * MINUTE_MS) == []
    it.failed(T0_MS + 6 * MINUTE_MS, "403 Not for you", blocked=True, waiting="a/page")
    [first] = it.alarms(T0_MS + 6 * MINUTE_MS)
    key = f"delivery/pagerduty@{T0_MS // 1000 + 60}/failing"
    assert told([first]) == [(key, "firing", "page")]
    assert first.summary == "pagerduty has taken no alert since 1 Jan 14:01 UTC"
    assert "403 Not for you" in first.reason
    assert it.proof(T0_MS).waiting == "a/page"
    it.taken(T0_MS + 9 * MINUTE_MS)
    [end] = it.alarms(T0_MS + 9 * MINUTE_MS)
    assert told([end]) == [(key, "resolved", "page")]
    assert end.summary == "pagerduty takes alerts again"
    assert it.proof(T0_MS).waiting == ""


def test_a_hiccup_is_told_to_nobody() -> None:
    it = pager()
    it.taken(T0_MS)
    it.failed(T0_MS + MINUTE_MS, "502", blocked=False)
    it.taken(T0_MS + 2 * MINUTE_MS)
    assert it.alarms(T0_MS + 99 * MINUTE_MS) == []


def test_an_unproven_one_that_then_fails_changes_its_alarm() -> None:
    it = pager()
    it.alarms(T0_MS)
    assert [each.state for each in it.alarms(T0_MS + 60 * MINUTE_MS)] == [State.FIRING]
    it.failed(T0_MS + 61 * MINUTE_MS, "no answer", blocked=False)
    last = it.alarms(T0_MS + 66 * MINUTE_MS)
    assert [(each.dedup_key.split("/")[-1], str(each.state)) for each in last] == [
        ("unproven", "resolved"),
        ("failing", "firing"),
    ]


def test_one_that_gets_no_pages_fails_for_a_ticket() -> None:
    settings = Webhook(url="http://127.0.0.1/", severities=("ticket",))
    it = Standing(settings, RULES, Memory())
    it.failed(T0_MS, "500", blocked=False)
    assert [each.severity for each in it.alarms(T0_MS + 5 * MINUTE_MS)] == [Severity.TICKET]


def test_proof_survives_a_restart_and_not_another_key() -> None:
    memory = Memory()
    pager(memory).taken(T0_MS)
    kept = {key: value for key, value in memory.changes().items() if value is not None}
    again = Memory()
    again.restore(kept.items())
    assert pager(again).proof(T0_MS + 1).proven_ms == T0_MS
    other = pager(again, routing_key="X" * 32)
    assert other.proof(T0_MS + 2).proven_ms is None


def test_a_fingerprint_tells_keys_apart_and_does_not_hold_them() -> None:
    one, same, other = (
        fingerprint_of(PagerDuty.model_validate(KEY | more))
        for more in ({}, {"severities": ["page", "ticket"]}, {"routing_key": "X" * 32})
    )
    assert one == same != other
    assert len(one) == 8


def test_what_is_repeated_every_minute_is_written_once_an_hour() -> None:
    memory = Memory()
    it = pager(memory)
    written = 0
    for minute in range(180):
        it.taken(T0_MS + minute * MINUTE_MS, repeated=True)
        written += bool(memory.changes())
    assert written == 3


def hook(receiver: Receiver) -> dict[str, object]:
    return {"destinations": [{"kind": "webhook", "url": receiver.url}], "timeout_s": 1}


async def test_a_delivery_that_waits_is_told_to_the_others() -> None:
    async with Receiver(*[answer(401)] * 5) as receiver, rig(hook(receiver)) as it:
        waited = it._sleep

        async def sleep(seconds: float) -> None:
            await waited(seconds)
            await it.deliverer.watch()

        it.deliverer._sleep = sleep
        await it.deliverer.deliver(RUNAWAY)
        await it.deliverer.watch()
    assert [(each.about, each.destination, str(each.state)) for each in it.desk.told] == [
        ("delivery", "webhook", "firing"),
        ("delivery", "webhook", "resolved"),
    ]
    assert it.desk.told[0].reason == (
        "Its address or credential is wrong: mend it. It answered: 401 no thanks."
        " What waits is delivered once it takes it."
    )
    assert it.desk.told[0].runbook_url.endswith("/runbooks/delivery")
    assert it.outcomes.proof.proven_ms is not None
    assert it.outcomes.proof.failing_since_ms is None


async def deliver_of(it: Rig, *alerts: Alert) -> None:
    for each in alerts:
        await it.deliverer.deliver(each)


async def test_a_destination_is_not_told_of_itself_and_gets_only_its_own_tests() -> None:
    about = alert(about="delivery", destination="webhook", dedup_key="d")
    other = alert(about="delivery", destination="pagerduty", dedup_key="e")
    foreign = alert(about="test", destination="pagerduty", dedup_key="t")
    async with Receiver() as receiver, rig(hook(receiver)) as it:
        await deliver_of(it, about, other, foreign)
    assert receiver.taken == [("firing", "e")]


async def test_a_test_is_tried_once_and_its_outcome_is_kept() -> None:
    trial = alert(about="test", destination="webhook", dedup_key="test/1")
    async with Receiver(answer(401)) as receiver, rig(hook(receiver)) as it:
        await it.deliverer.deliver(trial)
        failed = it.outcomes.proof
        assert failed.trial == Trial(id="test/1", at_ms=it.now_ms, taken=False, detail="401 no thanks")
        assert failed.failing_since_ms == it.now_ms
        assert failed.proven_ms is None
        await it.deliverer.deliver(trial)
    assert receiver.taken == [("firing", "test/1"), ("resolved", "test/1")]
    passed = it.outcomes.proof
    assert passed.trial == Trial(id="test/1", at_ms=it.now_ms, taken=True)
    assert passed.proven_ms == it.now_ms
    assert passed.failing_since_ms is None
    assert it.slept_s == []


@pytest.mark.parametrize("kind", ["failing", "unproven"])
def test_what_the_others_read(kind: str, update_golden: bool) -> None:
    it = pager()
    it.proof(T0_MS)
    if kind == "failing":
        it.failed(T0_MS, "401 Invalid token", blocked=True)
    [first] = it.alarms(T0_MS + 60 * MINUTE_MS)
    check(f"delivery_{kind}.txt", render(first), update_golden)
    assert title(first).startswith("PAGE firing: " if kind == "failing" else "TICKET firing: ")

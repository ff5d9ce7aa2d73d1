"""PagerDuty against a server that checks events by the published schema and answers as the real one does."""

from typing import Any

import msgspec
import pytest

from stream.config_notify import PagerDuty as Settings
from stream.notify import pagerduty
from stream.notify.destination import Request
from stream.notify.pagerduty import PagerDuty, fitting_key
from stream.schema.alerts import Alert, Blame, Severity, State
from tests.notify.golden import check
from tests.notify.pages import NANO, RUNAWAY, T0, alert, escalation, resolution, share
from tests.notify.receiver import answer, cut_the_line
from tests.notify.rig import Rig, rig
from tests.notify.schema import complaints
from tests.notify.services import ROUTING_KEY, PagerDutyServer

TICKET = alert(severity=Severity.TICKET, tier="long", dedup_key=f"service=shop/checkout@{T0}/ticket-long")


def settings(server: PagerDutyServer, **more: object) -> dict[str, object]:
    one = {"kind": "pagerduty", "url": server.url, "routing_key": ROUTING_KEY, **more}
    return {"destinations": [one], "timeout_s": 1}


def event(of: Alert, **more: object) -> Any:
    destination = PagerDuty(Settings.model_validate({"routing_key": ROUTING_KEY, **more}))
    return msgspec.json.decode(destination.requests(of, now_ms=0)[0].body)


def events(it: Rig, of: Alert) -> list[Any]:
    made = it.deliverer.destination
    return [msgspec.json.decode(one.body) for one in made.requests(of, it.now_ms) if isinstance(one, Request)]


async def test_the_life_of_a_page() -> None:
    """A higher tier rings anew under its own key, and the incident before it ends by itself."""
    medium = alert(tier="medium", dedup_key=f"service=shop/checkout@{T0}/page-medium")
    fast = escalation(medium)
    async with PagerDutyServer() as server, rig(settings(server)) as it:
        await it.deliverer.deliver(medium)
        assert server.open == [medium.dedup_key]
        await it.deliverer.deliver(fast)
        assert server.open == [fast.dedup_key]
        await it.deliverer.deliver(resolution(fast))
    assert server.incidents == {
        medium.dedup_key: ["trigger", "resolve"],
        fast.dedup_key: ["trigger", "resolve"],
    }
    assert (it.outcomes.failures, it.outcomes.refused) == (0, 0)


async def test_a_ticket_wakes_nobody_until_it_is_a_page() -> None:
    async with PagerDutyServer() as server, rig(settings(server)) as it:
        await it.deliverer.deliver(TICKET)
        assert server.received == []
        page = escalation(TICKET)
        await it.deliverer.deliver(page)
        assert server.open == [page.dedup_key]


async def test_what_comes_twice_is_one_incident() -> None:
    """As after a crash between the delivery and the note of it."""
    async with PagerDutyServer() as server, rig(settings(server)) as it:
        for each in (RUNAWAY, RUNAWAY, resolution(RUNAWAY), resolution(RUNAWAY)):
            await it.deliverer.deliver(each)
    assert server.incidents == {RUNAWAY.dedup_key: ["trigger", "resolve"]}


async def test_an_acknowledgement_silences_and_taken_back_rings_again() -> None:
    """An acknowledged incident of PagerDuty takes no trigger for news, so it gets a new one."""
    taken = alert(state=State.ACKNOWLEDGED)
    async with PagerDutyServer() as server, rig(settings(server)) as it:
        await it.deliverer.deliver(RUNAWAY)
        await it.deliverer.deliver(taken)
        assert server.incidents == {RUNAWAY.dedup_key: ["trigger", "acknowledge"]}
        await it.deliverer.deliver(RUNAWAY)
        assert server.incidents == {RUNAWAY.dedup_key: ["trigger", "acknowledge", "resolve", "trigger"]}
    async with rig(settings(server)) as it:  # after a restart
        it.deliverer.resume(taken)
        assert [one["event_action"] for one in events(it, RUNAWAY)] == ["resolve", "trigger"]
        it.deliverer.destination.settled(RUNAWAY, [])
        assert [one["event_action"] for one in events(it, RUNAWAY)] == ["trigger"]


async def test_a_half_delivered_escalation_goes_on_where_it_was() -> None:
    medium = alert(tier="medium", dedup_key=f"service=shop/checkout@{T0}/page-medium")
    async with PagerDutyServer() as server, rig(settings(server)) as it:
        await it.deliverer.deliver(medium)
        server.script = [answer(429, Retry_After="7"), cut_the_line]
        fast = escalation(medium)
        await it.deliverer.deliver(fast)
    assert it.slept_s == [7, 1]
    assert server.open == [fast.dedup_key]


async def test_too_many_events_wait_for_minutes() -> None:
    async with PagerDutyServer(*[answer(429)] * 4) as server, rig(settings(server)) as it:
        await it.deliverer.deliver(RUNAWAY)
    assert it.slept_s == [15, 30, 60, 120]
    assert server.open == [RUNAWAY.dedup_key]


async def test_a_wrong_key_loses_no_page() -> None:
    """PagerDuty says 400 to a wrong key as to a wrong event; only the words differ."""
    async with PagerDutyServer(key="x" * 32) as server, rig(settings(server)) as it:
        waited = it._sleep

        async def sleep(seconds: float) -> None:
            await waited(seconds)
            if len(it.slept_s) == 3:
                server.key = ROUTING_KEY  # someone has made the integration

        it.deliverer._sleep = sleep
        await it.deliverer.deliver(RUNAWAY)
    assert (it.outcomes.blocks, it.outcomes.refused) == (3, 0)
    assert server.open == [RUNAWAY.dedup_key]


async def test_an_event_that_is_refused_does_not_stop_the_next() -> None:
    refused = answer(400)
    async with PagerDutyServer(refused) as server, rig(settings(server)) as it:
        await it.deliverer.deliver(RUNAWAY)
        await it.deliverer.deliver(alert(dedup_key="b/page"))
    assert it.outcomes.refused == 1
    assert server.open == ["b/page"]


def test_a_page_says_all(update_golden: bool) -> None:
    page = event(RUNAWAY, image_url="https://grafana.example.com/{scope}.png")
    check("pagerduty_page.json", page, update_golden)


@pytest.mark.parametrize(("severity", "said"), [("page", "critical"), ("ticket", "warning")])
def test_severities_are_mapped_and_can_be_changed(severity: str, said: str) -> None:
    of = alert(severity=Severity(severity))
    assert event(of)["payload"]["severity"] == said
    changed = event(of, page_severity="error", ticket_severity="info")
    assert changed["payload"]["severity"] == {"page": "error", "ticket": "info"}[severity]


def test_the_largest_alert_fits() -> None:
    """Labels of 1,024 characters, names of any length, and signs that JSON writes long."""
    long = "\x00\N{FIRE}" * 2000
    many = tuple(share(long, 1, 1) for _ in range(50))
    largest = alert(
        dedup_key=long,
        scope=long,
        summary=long,
        reason=long,
        labels={f"{index}{long[:1000]}": long[:1024] for index in range(64)},
        drivers=many,
        children=many,
        attached=RUNAWAY.attached * 30,
        blame=Blame(what=long, time_s=T0, probability=0.5, url="javascript:alert(1)"),
    )
    made = event(largest)
    assert complaints("pagerduty_event", made) == []
    assert len(msgspec.json.encode(made)) < pagerduty.EVENT_BYTES / 3
    assert not [link for link in made["links"] if "javascript" in link["href"]]


def test_a_key_that_is_too_long_stays_distinct() -> None:
    one, other = "k" * 300 + "1", "k" * 300 + "2"
    assert fitting_key("short") == "short"
    assert fitting_key(one) != fitting_key(other)
    assert {len(fitting_key(one)), len(fitting_key(other))} == {pagerduty.KEY}


def test_figures_that_are_not_known_are_no_mistake() -> None:
    bare = alert(
        labels={}, detectors=(), drivers=(), children=(), attached=(), blame=None, console_url="", tier="",
        runbook_url="", projection_usd=None, baseline_usd_per_hour=None, budget_usd=None, excess_nusd=-NANO,
    )  # fmt: skip
    assert complaints("pagerduty_event", event(bare)) == []

"""Alerts in a real Alertmanager: they appear, escalate, last and resolve, however it groups."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from stream.config_notify import Alertmanager as Settings
from stream.notify import alertmanager as module
from stream.notify.alertmanager import Alertmanager, labels
from stream.notify.page import render
from stream.schema.alerts import Alert, Severity
from tests.notify.pages import RUNAWAY, T0, alert, escalation, resolution
from tests.notify.receiver import Receiver, answer
from tests.notify.rig import Rig, rig
from tests.services import AlertmanagerServer
from tests.services.http import get_json

Start = Callable[[str], AlertmanagerServer]

BY_SCOPE = "{route: {receiver: none, group_by: [scope, severity]}, receivers: [{name: none}]}"
BY_ALL = "{route: {receiver: none, group_by: ['...'], group_wait: 1s}, receivers: [{name: none}]}"
IN_ONE = "{route: {receiver: none}, receivers: [{name: none}]}"

TICKET = alert(severity=Severity.TICKET, tier="long", dedup_key=f"service=shop/checkout@{T0}/ticket-long")


def active(server: AlertmanagerServer) -> list[Any]:
    """What Alertmanager would notify of, by scope and severity."""
    found = get_json(f"{server.url}/api/v2/alerts?active=true")
    assert isinstance(found, list)
    return sorted(found, key=lambda one: (one["labels"]["scope"], one["labels"]["severity"]))


def at_wall_time(it: Rig) -> None:
    """Alertmanager goes by the machine's clock."""
    it.now_ms = time.time_ns() // 1_000_000


def settings(server: AlertmanagerServer, **more: object) -> dict[str, object]:
    return {"destinations": [{"kind": "alertmanager", "url": server.url}], **more}


@pytest.mark.parametrize("configuration", [BY_SCOPE, BY_ALL, IN_ONE], ids=["scope", "all", "one"])
async def test_the_life_of_an_alert(alertmanager: Start, configuration: str) -> None:
    server = alertmanager(configuration)
    async with rig(settings(server)) as it:
        at_wall_time(it)
        await it.deliverer.deliver(TICKET)
        [ticket] = active(server)
        assert ticket["labels"] == {
            "alertname": "BurnlineSpend",
            "severity": "ticket",
            "tier": "long",
            "scope": "service=shop/checkout",
            "namespace": "shop",
            "service": "checkout",
        }
        assert ticket["annotations"] == {
            "summary": TICKET.summary,
            "description": render(TICKET),
            "runbook_url": TICKET.runbook_url,
            "dashboard_url": TICKET.console_url,
        }
        assert dt.datetime.fromisoformat(ticket["startsAt"]).timestamp() == TICKET.fired_s
        assert ticket["generatorURL"] == TICKET.console_url

        other = alert(scope="total", labels={}, dedup_key=f"total@{T0}/page-fast")
        await it.deliverer.deliver(other)
        page = escalation(TICKET)
        await it.deliverer.deliver(page)
        at_wall_time(it)
        await it.deliverer.repeat()
        assert [(one["labels"]["scope"], one["labels"]["severity"]) for one in active(server)] == [
            ("service=shop/checkout", "page"),
            ("total", "page"),
        ]

        await it.deliverer.deliver(resolution(page))
        assert [one["labels"]["scope"] for one in active(server)] == ["total"]
        await it.deliverer.deliver(resolution(other))
        assert active(server) == []
    assert it.outcomes.refused == it.outcomes.failures == 0


async def test_what_fires_is_repeated_before_it_is_forgotten(alertmanager: Start) -> None:
    """A server that lost everything knows it again after one turn."""
    server = alertmanager(BY_SCOPE)
    async with rig(settings(server, resend_s=30)) as it:
        at_wall_time(it)
        await it.deliverer.deliver(RUNAWAY)
        [before] = active(server)
        ends = dt.datetime.fromisoformat(before["endsAt"]).timestamp()
        assert ends == pytest.approx(it.now_ms / 1000 + 4 * 30, abs=0.01)
        server.kill()
        server.start()
        assert active(server) == []
        it.now_ms += 30_000
        await it.deliverer.repeat()
        [after] = active(server)
        assert after["fingerprint"] == before["fingerprint"]
        ends = dt.datetime.fromisoformat(after["endsAt"]).timestamp()
        assert ends == pytest.approx(it.now_ms / 1000 + 4 * 30, abs=0.01)


async def test_after_a_restart_of_burnline_what_fires_is_repeated(alertmanager: Start) -> None:
    server = alertmanager(BY_SCOPE)
    async with rig(settings(server)) as it:
        at_wall_time(it)
        it.deliverer.resume(RUNAWAY)
        await it.deliverer.repeat()
        assert [one["labels"]["scope"] for one in active(server)] == [RUNAWAY.scope]
        await it.deliverer.deliver(resolution(RUNAWAY))
        assert active(server) == []
        assert it.deliverer.destination.repeat(it.now_ms) is None


async def test_a_server_that_is_down_gets_the_alert_when_it_is_back(alertmanager: Start) -> None:
    server = alertmanager(BY_SCOPE)
    async with rig(settings(server)) as it:
        at_wall_time(it)
        server.kill()
        await it.deliverer.repeat()
        assert it.outcomes.failures == 0, "nothing fires, so nothing was sent"
        waited = it._sleep

        async def sleep(seconds: float) -> None:
            await waited(seconds)
            if len(it.slept_s) == 3:
                server.start()
                at_wall_time(it)

        it.deliverer._sleep = sleep
        await it.deliverer.deliver(RUNAWAY)
        assert [one["labels"]["scope"] for one in active(server)] == [RUNAWAY.scope]
    assert it.outcomes.failures == 3


async def test_a_wrong_token_of_a_proxy_loses_nothing_and_a_refused_alert_is_not_repeated() -> None:
    script = (answer(401), answer(400))
    async with (
        Receiver(*script, path="/api/v2/alerts") as proxy,
        rig({"destinations": [{"kind": "alertmanager", "url": proxy.base}]}) as it,
    ):
        await it.deliverer.deliver(RUNAWAY)  # first 401, then 400
        assert (it.outcomes.blocks, it.outcomes.refused) == (1, 1)
        assert it.deliverer.destination.repeat(it.now_ms) is None
        await it.deliverer.deliver(RUNAWAY)
        assert it.deliverer.destination.repeat(it.now_ms) is not None


def numbers_of(alerts: list[Alert]) -> set[str]:
    return {str(sorted(labels(each).items())) for each in alerts}


def test_labels_are_the_same_whatever_the_figures() -> None:
    """Identity is the label set: no number, time or dollar may be in it."""
    later = alert(
        burn_usd_per_hour=9.0,
        excess_nusd=1,
        time_s=T0 + 999,
        onset_s=1,
        detectors=("egress",),
        reason="other",
    )
    assert len(numbers_of([RUNAWAY, later, resolution(RUNAWAY)])) == 1
    assert len(numbers_of([TICKET, escalation(TICKET)])) == 2


def test_labels_of_scopes_are_made_fit_and_never_replace_ours() -> None:
    odd = alert(tier="", labels={"severity": "x", "app.io/name": "y", "2nd": "z", "empty": ""})
    assert labels(odd) == {
        "alertname": module.ALERTNAME,
        "severity": "page",
        "scope": "service=shop/checkout",
        "exported_severity": "x",
        "app_io_name": "y",
        "_2nd": "z",
    }


def test_event_time_ahead_of_the_clock_is_no_invalid_alert() -> None:
    """A replay may be ahead; Alertmanager refuses an end before the start."""
    destination = Alertmanager(Settings(url="http://127.0.0.1:1"), resend_s=60)
    [request] = destination.requests(resolution(RUNAWAY), now_ms=(T0 - 999) * 1000)
    [sent] = msgspec.json.decode(request.body)
    assert sent["startsAt"] == sent["endsAt"]


def test_a_token_is_sent_as_a_bearer() -> None:
    destination = Alertmanager(Settings.model_validate({"url": "http://h/", "token": "t0ken"}), resend_s=60)
    [request] = destination.requests(RUNAWAY, now_ms=0)
    assert request.url == "http://h/api/v2/alerts"
    assert request.headers["Authorization"] == "Bearer t0ken"

"""Webhooks to a real server that fails in every way: order kept, same key, nothing lost."""

import asyncio
import email.utils
import hashlib
import hmac
import logging
import re

import msgspec
import pytest

from stream.errors import UserError
from stream.notify.destination import Answer, of_status
from stream.notify.firing import still_firing
from stream.notify.page import render
from stream.schema import alerts
from stream.schema.alerts import Severity
from tests.docs.pages import ROOT
from tests.notify.pages import RUNAWAY, alert, escalation, resolution
from tests.notify.receiver import Behaviour, Receiver, answer, cut_the_line, slow
from tests.notify.rig import rig

# The server that is "slow" sleeps for an hour; how long this is makes no difference to what is asserted.
TIMEOUT_S = 0.3


def hook(receiver: Receiver, **settings: object) -> dict[str, object]:
    return {"destinations": [{"kind": "webhook", "url": receiver.url, **settings}], "timeout_s": TIMEOUT_S}


async def test_what_is_posted() -> None:
    async with Receiver() as receiver, rig(hook(receiver)) as it:
        await it.deliverer.deliver(RUNAWAY)
    [received] = receiver.received
    assert received.headers["Content-Type"] == "application/json"
    assert "X-Burnline-Signature" not in received.headers
    document = received.document
    assert document["event"] == "firing"
    assert document["dedup_key"] == RUNAWAY.dedup_key
    assert document["previous_key"] is None
    assert document["text"] == render(RUNAWAY)
    assert alerts.decode(msgspec.json.encode(document["alert"])) == RUNAWAY


async def test_a_receiver_can_check_the_signature() -> None:
    async with Receiver(answer(500)) as receiver, rig(hook(receiver, secret="s3cret")) as it:
        await it.deliverer.deliver(RUNAWAY)
    times = []
    for received in receiver.received:
        time = received.headers["X-Burnline-Timestamp"]
        expected = hmac.new(b"s3cret", f"{time}.".encode() + received.body, hashlib.sha256).hexdigest()
        assert received.headers["X-Burnline-Signature"] == f"sha256={expected}"
        times.append(int(time))
    assert times[0] == RUNAWAY.emitted_ms // 1000
    assert times[1] > times[0] - 1, "signed anew"


@pytest.mark.parametrize(
    "trouble",
    [answer(500), answer(503), answer(408), answer(429), slow, cut_the_line],
    ids=["500", "503", "408", "429", "slow", "cut"],
)
async def test_after_any_trouble_everything_arrives_in_order_under_its_key(trouble: Behaviour) -> None:
    """Five transitions of two alerts, all handed over at once to a server that fails three times."""
    ticket = alert(dedup_key="a/ticket")
    other = alert(dedup_key="b/page", scope="total")
    sent = [ticket, other, escalation(ticket), resolution(other), resolution(escalation(ticket))]
    async with Receiver(trouble, trouble, trouble) as receiver, rig(hook(receiver)) as it:
        await asyncio.gather(*(it.deliverer.deliver(each) for each in sent))
    assert receiver.taken == [(each.state, each.dedup_key) for each in sent]
    tried = [received.document["dedup_key"] for received in receiver.received]
    assert tried == ["a/ticket"] * 3 + [each.dedup_key for each in sent]
    assert (it.outcomes.failures, it.outcomes.refused) == (3, 0)


async def test_a_server_that_is_down_at_first() -> None:
    async with Receiver() as gone:
        pass
    async with rig(hook(gone)) as it:
        delivery = asyncio.create_task(it.deliverer.deliver(RUNAWAY))
        while it.outcomes.failures < 2:
            await asyncio.sleep(0.01)
        assert not delivery.done()
        delivery.cancel()
    assert it.outcomes.latencies_s == [], "the shell does not move on"


@pytest.mark.parametrize(
    ("dice", "waits"),
    [(0.0, [0.5, 1, 2, 4, 8, 16, 30, 30]), (0.5, [0.75, 1.5, 3, 6, 12, 24, 45, 45])],
)
async def test_retries_wait_twice_as_long_each_time_up_to_a_minute(dice: float, waits: list[float]) -> None:
    async with Receiver(*[answer(500)] * 8) as receiver, rig(hook(receiver), dice) as it:
        await it.deliverer.deliver(RUNAWAY)
    assert it.slept_s == waits


async def test_an_hour_of_failures_loses_nothing() -> None:
    ticket = alert(dedup_key="a/ticket")
    sent = [ticket, alert(dedup_key="b/page", scope="total"), resolution(ticket)]
    async with Receiver(*[answer(503)] * 100) as receiver, rig(hook(receiver), dice=0.5) as it:
        started_ms = it.now_ms
        await asyncio.gather(*(it.deliverer.deliver(each) for each in sent))
    assert receiver.taken == [(each.state, each.dedup_key) for each in sent]
    assert it.now_ms - started_ms > 3_600_000


async def test_retry_after_is_obeyed_in_both_forms() -> None:
    when = email.utils.formatdate(RUNAWAY.emitted_ms / 1000 + 17 + 40, usegmt=True)
    script = (
        answer(429, Retry_After="17"),
        answer(503, Retry_After=when),
        answer(429, Retry_After="soon"),
        answer(429, Retry_After="999999"),
    )
    async with Receiver(*script) as receiver, rig(hook(receiver)) as it:
        await it.deliverer.deliver(RUNAWAY)
    assert it.slept_s == [17, 40, 60, 3600]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_refusal_is_reported_and_does_not_stop_what_follows(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver(answer(status)) as receiver, rig(hook(receiver)) as it:
        await it.deliverer.deliver(RUNAWAY)
        await it.deliverer.deliver(resolution(RUNAWAY))
    assert receiver.taken == [("resolved", RUNAWAY.dedup_key)]
    assert (it.outcomes.failures, it.outcomes.blocks, it.outcomes.refused) == (0, 0, 1)
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == (
        f"webhook refused {RUNAWAY.dedup_key} firing for good: {status} no thanks;"
        " it is given up, see dead-letters and the console"
    )
    assert it.desk.given_up == [(RUNAWAY, f"webhook: {status} no thanks")]


@pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 405, 407, 410])
async def test_a_wrong_address_or_credential_loses_no_page(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits, ever slower, until someone has mended it; then all arrives in order."""
    elsewhere = {"Location": "http://example.com/"} if status < 400 else {}
    sent = [RUNAWAY, alert(dedup_key="b/page"), resolution(RUNAWAY)]
    async with Receiver(*[answer(status, **elsewhere)] * 7) as receiver, rig(hook(receiver)) as it:
        await asyncio.gather(*(it.deliverer.deliver(each) for each in sent))
    assert receiver.taken == [(each.state, each.dedup_key) for each in sent]
    assert it.slept_s == [15, 30, 60, 120, 150, 150, 150]
    assert (it.outcomes.failures, it.outcomes.blocks, it.outcomes.refused) == (0, 7, 0)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert lines[0] == (
        f"webhook did not take {RUNAWAY.dedup_key} firing: {status} no thanks;"
        " its address or credential is wrong, mend it; trying again in 15.0 s"
    )


def test_docs_have_the_verdict_of_every_status() -> None:
    """docs/operations.md has a row for each verdict, with the statuses that lead to it."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    told: dict[int, str] = {}
    for statuses, verdict in re.findall(r"^\| ([2-5]\d\d[–,][0-9, –]+) \| `(\w+)` \|", text, re.M):
        for piece in statuses.split(", "):
            first, _, last = piece.partition("–")
            told |= dict.fromkeys(range(int(first), int(last or first) + 1), verdict)
    assert told == {status: of_status(Answer(status)).value for status in range(200, 600)}


@pytest.mark.parametrize(
    ("severities", "told"),
    [
        (["page"], [("escalated", "a/page-fast"), ("resolved", "a/page-fast")]),
        (["digest"], []),
        (
            ["ticket"],
            [("firing", "a/ticket"), ("escalated", "a/page-fast"), ("resolved", "a/page-fast")],
        ),
    ],
)
async def test_a_destination_gets_its_severities_and_how_each_goes_on(
    severities: list[str], told: list[tuple[str, str]]
) -> None:
    ticket = alert(dedup_key="a/ticket", severity=Severity.TICKET)
    page = escalation(ticket)
    async with Receiver() as receiver, rig(hook(receiver, severities=severities)) as it:
        for each in (ticket, page, resolution(page)):
            await it.deliverer.deliver(each)
    assert receiver.taken == told


async def test_after_a_restart_it_hears_how_its_ticket_went_on() -> None:
    ticket = alert(dedup_key="a/ticket", severity=Severity.TICKET)
    page = escalation(ticket)
    async with Receiver() as receiver, rig(hook(receiver, severities=["ticket"])) as it:
        [firing] = still_firing([ticket, page], it.deliverer.destination.settings)
        it.deliverer.resume(firing)
        await it.deliverer.deliver(resolution(page))
    assert receiver.taken == [("resolved", page.dedup_key)]


async def test_latency_is_from_the_spend_to_the_acceptance() -> None:
    async with Receiver(answer(429, Retry_After="9")) as receiver, rig(hook(receiver)) as it:
        await it.deliverer.deliver(RUNAWAY)
    assert it.outcomes.latencies_s == [31 + 9]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://evil.example.com/hook", "notify.allowed_hosts"),
        ("http://127.0.0.1.example.com/hook", "notify.allowed_hosts"),
        ("http://127.0.0.1@example.com/hook", "notify.allowed_hosts"),
        ("ftp://127.0.0.1/hook", "http://host or https://host"),
        ("127.0.0.1/hook", "http://host or https://host"),
    ],
)
async def test_only_allowed_hosts_are_contacted(url: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        async with rig({"destinations": [{"kind": "webhook", "url": url}]}):
            pass


async def test_a_secret_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    script = (answer(500), cut_the_line, answer(400))
    async with Receiver(*script) as receiver, rig(hook(receiver, secret="s3cret")) as it:
        await it.deliverer.deliver(RUNAWAY)
    assert "s3cret" not in caplog.text

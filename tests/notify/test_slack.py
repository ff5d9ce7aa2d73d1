"""Slack against a server that checks messages by the published limits and answers as the real one does."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from stream.config_notify import Notify
from stream.config_notify import Slack as Settings
from stream.notify.slack import Slack
from stream.schema.alerts import Acknowledged, Alert, Severity, State
from tests.notify.golden import check
from tests.notify.pages import RUNAWAY, T0, alert, escalation, resolution, share
from tests.notify.receiver import Behaviour, answer
from tests.notify.rig import rig
from tests.notify.schema import complaints
from tests.notify.services import SlackServer, said

TICKET = alert(severity=Severity.TICKET, tier="long", dedup_key=f"service=shop/checkout@{T0}/ticket-long")


def bot(server: SlackServer) -> dict[str, object]:
    one = {"kind": "slack", "api_url": f"{server.base}/api", "token": "xoxb-good", "channel": "C0123456789"}
    return {"destinations": [one], "timeout_s": 1}


def hook(server: SlackServer) -> dict[str, object]:
    return {"destinations": [{"kind": "slack", "url": server.hook}], "timeout_s": 1}


def header(message: Any) -> str:
    return str(message["blocks"][0]["text"]["text"])


async def test_an_alert_is_one_message_that_is_kept_up_to_date_with_a_thread() -> None:
    page = escalation(TICKET)
    taken = alert(
        state=State.ACKNOWLEDGED,
        dedup_key=page.dedup_key,
        previous_key=page.previous_key,
        acknowledged=Acknowledged(by="ana", at_s=T0 + 200),
    )
    async with SlackServer() as server, rig(bot(server)) as it:
        for each in (TICKET, page, taken, resolution(page)):
            await it.deliverer.deliver(each)
        other = alert(dedup_key="b/page", scope="total")
        await it.deliverer.deliver(other)
    [[first, message], [second, _]] = server.messages.items()
    assert header(message).startswith("✅ page resolved: service=shop/checkout is back to $22/h")
    replies = [(reply["text"].split(":")[0], reply.get("reply_broadcast")) for reply in server.threads[first]]
    assert replies == [
        ("PAGE (fast) escalated", True),
        ("PAGE (fast) acknowledged", None),
        ("PAGE (fast) resolved", None),
    ]
    assert second not in server.threads
    assert it.deliverer.destination.memory.get(f"message/{page.dedup_key}") is None, "it is over"


async def test_after_a_restart_the_thread_goes_on() -> None:
    async with SlackServer() as server:
        async with rig(bot(server)) as it:
            await it.deliverer.deliver(RUNAWAY)
            kept = it.desk.rows
        async with rig(bot(server)) as it:
            it.deliverer.destination.memory.restore(kept.items())
            it.deliverer.resume(RUNAWAY)
            await it.deliverer.deliver(resolution(RUNAWAY))
    assert len(server.messages) == 1
    assert [len(replies) for replies in server.threads.values()] == [1]


async def test_a_message_that_somebody_deleted_stops_nothing() -> None:
    async with SlackServer() as server, rig(bot(server)) as it:
        await it.deliverer.deliver(RUNAWAY)
        server.messages.clear()
        await it.deliverer.deliver(resolution(RUNAWAY))
    assert (it.outcomes.failures, it.outcomes.blocks, it.outcomes.refused) == (0, 0, 0)
    assert [len(replies) for replies in server.threads.values()] == [1]


async def test_a_webhook_posts_each_transition() -> None:
    async with SlackServer() as server, rig(hook(server)) as it:
        for each in (RUNAWAY, resolution(RUNAWAY)):
            await it.deliverer.deliver(each)
    assert [header(each)[:1] for each in server.messages.values()] == ["🔴", "✅"]
    assert not server.threads


@pytest.mark.parametrize(
    ("trouble", "counted", "waits"),
    [
        (answer(429, Retry_After="3"), (1, 0, 0), [3]),
        (said({"ok": False, "error": "ratelimited"}, Retry_After="5"), (1, 0, 0), [5]),
        (said({"ok": False, "error": "internal_error"}), (1, 0, 0), [0.5]),
        (said({"ok": False, "error": "invalid_auth"}), (0, 1, 0), [15]),
        (said({"ok": False, "error": "not_in_channel"}), (0, 1, 0), [15]),
        (said({"ok": False, "error": "missing_scope"}), (0, 1, 0), [15]),
        (said({"ok": False, "error": "one_that_is_new"}), (0, 1, 0), [15]),
        (said({"what": "another server"}), (0, 1, 0), [15]),
        (said({"ok": False, "error": "msg_blocks_too_long"}), (0, 0, 1), []),
    ],
)
async def test_what_slack_says_in_a_200(
    trouble: Behaviour, counted: tuple[int, int, int], waits: list[float]
) -> None:
    async with SlackServer(trouble) as server, rig(bot(server)) as it:
        await it.deliverer.deliver(RUNAWAY)
    assert (it.outcomes.failures, it.outcomes.blocks, it.outcomes.refused) == counted
    assert it.slept_s == waits
    assert len(server.messages) == (0 if counted[2] else 1)


@pytest.mark.parametrize(
    ("status", "counted"),
    [(400, (0, 0, 1)), (403, (0, 1, 0)), (404, (0, 1, 0)), (410, (0, 1, 0)), (500, (1, 0, 0))],
)
async def test_what_a_webhook_answers(status: int, counted: tuple[int, int, int]) -> None:
    async with SlackServer(answer(status)) as server, rig(hook(server)) as it:
        await it.deliverer.deliver(RUNAWAY)
    assert (it.outcomes.failures, it.outcomes.blocks, it.outcomes.refused) == counted


def message(of: Alert) -> Any:
    settings = Settings.model_validate({"url": "https://hooks.slack.com/services/T/B/X"})
    return json.loads(Slack(settings).requests(of, now_ms=0)[0].body)


def test_the_message_of_a_page(update_golden: bool) -> None:
    check("slack_page.json", message(RUNAWAY), update_golden)


def test_nobody_is_rung_by_a_label() -> None:
    evil = "<!channel> & <https://evil.example.com|runbook>"
    made = message(alert(scope=evil, summary=f"{evil} burns", drivers=(share(evil, 1, 1),), reason=evil))
    text = json.dumps([*made["blocks"][1:], made["text"]])
    assert "<!channel>" not in text and "<https://evil" not in text
    assert "&lt;!channel&gt; &amp; " in text


def test_the_largest_alert_fits() -> None:
    long = "&<>\x00\N{FIRE}`*_" * 400
    many = tuple(share(long, 1, 1) for _ in range(50))
    made = message(
        alert(
            dedup_key=long, scope=long, summary=long, reason=long, drivers=many, children=many,
            runbook_url="https://h/" + "|>" * 900, attached=RUNAWAY.attached * 30,
        )
    )  # fmt: skip
    assert complaints("slack_message", made) == []
    assert sum(len(json.dumps(block, ensure_ascii=False)) for block in made["blocks"]) < 13_000


@pytest.mark.parametrize(
    "given",
    [{}, {"token": "t"}, {"channel": "C"}, {"url": "https://h/", "token": "t", "channel": "C"}],
)
def test_one_way_in_is_needed(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="either url"):
        Notify.model_validate({"destinations": [{"kind": "slack", **given}]})

"""Maintenance, plans, acknowledgements and feedback over HTTP."""

import copy
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from stream.config import Http
from stream.schema import commands, topics
from stream.schema.commands import Acknowledge, Maintenance
from tests.serve.rig import T0_MS, Shop, serving
from tests.serve.test_incidents import get, post

NOW_S = T0_MS // 1000 + 600
CHECKOUT = "service=shop/checkout"
WINDOW = {"scopes": [CHECKOUT], "until_s": NOW_S + 3600, "note": "move", "by": "ana"}


@pytest.fixture
def shop(shop: Shop) -> Iterator[Shop]:
    """A copy of its alerts stage for each test."""
    stage, told = shop.stage, list(shop.told)
    shop.stage = copy.deepcopy(stage)
    yield shop
    shop.stage, shop.told = stage, told


def key(shop: Shop) -> str:
    return next(alert.dedup_key for alert in shop.stage.active() if alert.scope == CHECKOUT)


async def test_a_window_is_made_listed_and_ended(client: aiohttp.ClientSession, shop: Shop) -> None:
    made = await post(client, "/api/v1/maintenance", WINDOW, 201)
    assert (made["state"], made["start_s"], made["end_s"]) == ("holds", NOW_S, NOW_S + 3600)
    assert (made["scopes_now"], made["scopes_now_count"]) == ([CHECKOUT], 1)
    [listed] = (await get(client, "/api/v1/maintenance"))["windows"]
    assert listed == made
    ended = await post(client, f"/api/v1/maintenance/{made['id']}/end", {"by": "bo"}, 200)
    assert (ended["state"], ended["ended_s"], ended["ended_by"]) == ("over", NOW_S, "bo")
    assert (await get(client, "/api/v1/maintenance"))["windows"] == []
    assert len((await get(client, "/api/v1/maintenance?all=yes"))["windows"]) == 1
    # What the log holds is what was answered, under one key.
    assert [output.topic for output in shop.appended] == [topics.COMMANDS] * 2
    assert {output.key for output in shop.appended} == {f"maintenance/{made['id']}".encode()}
    last = commands.decode(shop.appended[-1].value)
    assert isinstance(last, Maintenance)
    assert last.ended_by == "bo"


async def test_a_window_that_recurs_waits_for_its_next_time(
    client: aiohttp.ClientSession, shop: Shop
) -> None:
    recurs = {"at": "02:00", "duration_s": 7200, "timezone": "Europe/Berlin", "weekdays": ["sun"]}
    made = await post(client, "/api/v1/maintenance", {"scopes": ["*"], "recurs": recurs}, 201)
    sunday_s = 1_767_488_400  # 4 January 2026, 01:00 UTC
    assert (made["state"], made["start_s"], made["end_s"]) == ("waits", sunday_s, sunday_s + 7200)
    assert made["scopes_now_count"] > len(made["scopes_now"]) == 20


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scopes": []}, "the body makes no sense: name the scopes or the labels that are meant"),
        ({"until_s": None}, "say until when (until_s), or how it recurs (recurs)"),
        ({"until_s": NOW_S - 1, "since_s": NOW_S - 9}, "until_s lies before"),
        ({"until_s": NOW_S + 36 * 86_400}, "it lasts over 35 days"),
        ({"note": "x" * 501}, "Expected `str` of length <= 500"),
        ({"zap": 1}, "the body can't be read: Object contains unknown field `zap`"),
        ({"since_s": 10**15}, "Expected `int` <= 99999999999"),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(
    client: aiohttp.ClientSession, shop: Shop, change: dict[str, Any], sentence: str
) -> None:
    refused = await post(client, "/api/v1/maintenance", {**WINDOW, **change}, 400)
    assert sentence in refused["error"]
    assert shop.appended == []


async def test_a_plan_has_a_ceiling(client: aiohttp.ClientSession) -> None:
    refused = await post(client, "/api/v1/plans", WINDOW, 400)
    assert "ceiling_usd_per_hour" in refused["error"]
    made = await post(client, "/api/v1/plans", {**WINDOW, "ceiling_usd_per_hour": 400}, 201)
    assert (made["ceiling_usd_per_hour"], made["floor_usd_per_hour"]) == (400, 1)
    assert (await get(client, "/api/v1/maintenance"))["windows"] == []


async def test_what_is_not_there_can_not_be_ended(client: aiohttp.ClientSession) -> None:
    refused = await post(client, "/api/v1/maintenance/nope/end", {}, 404)
    assert refused["error"] == "there is no maintenance 'nope'; there are none"


async def test_an_alert_is_taken_by_its_key_or_its_scope(client: aiohttp.ClientSession, shop: Shop) -> None:
    said = await post(client, "/api/v1/alerts/acknowledge", {"alert": CHECKOUT, "by": "ana"}, 201)
    assert (said["kind"], said["alert"], said["until_s"]) == ("acknowledge", key(shop), None)
    [alert] = [one for one in (await get(client, "/api/v1/alerts"))["alerts"] if one["scope"] == CHECKOUT]
    assert (alert["state"], alert["acknowledged"]["by"]) == ("acknowledged", "ana")
    body = {"alert": key(shop), "until_s": NOW_S + 600, "by": "bo"}
    await post(client, "/api/v1/alerts/snooze", body, 201)
    [ended] = (await post(client, "/api/v1/alerts/unacknowledge", {"alert": CHECKOUT}, 200))["ended"]
    assert ended["by"] == "bo"
    [alert] = [one for one in (await get(client, "/api/v1/alerts"))["alerts"] if one["scope"] == CHECKOUT]
    assert (alert["state"], alert["acknowledged"]) == ("firing", None)
    await post(client, "/api/v1/alerts/unacknowledge", {"alert": CHECKOUT}, 404)
    trail = (await get(client, "/api/v1/commands"))["commands"]
    assert {(one["by"], one["ended_by"]) for one in trail} == {("ana", "bo"), ("bo", "api")}
    assert all(isinstance(commands.decode(output.value), Acknowledge) for output in shop.appended)


async def test_only_what_fires_can_be_taken_and_not_for_long(
    client: aiohttp.ClientSession, shop: Shop
) -> None:
    refused = await post(client, "/api/v1/alerts/acknowledge", {"alert": "total"}, 404)
    assert refused["error"] == f"no alert 'total' fires; what fires: {key(shop)}"
    for until_s in (NOW_S, NOW_S + 8 * 86_400):
        refused = await post(client, "/api/v1/alerts/snooze", {"alert": CHECKOUT, "until_s": until_s}, 400)
        assert "at most 7 days ahead" in refused["error"]


async def test_a_verdict_shows_its_consequence_before_it_is_saved(
    client: aiohttp.ClientSession, shop: Shop
) -> None:
    found = await get(client, f"/api/v1/feedback/preview?alert={CHECKOUT}&verdict=new_normal")
    assert shop.appended == []
    [removed] = found["consequence"]["removed"]
    assert removed["alert"]["dedup_key"] == key(shop)
    assert found["feedback"]["scope"] == CHECKOUT
    body = {"alert": CHECKOUT, "verdict": "real", "by": "ana"}
    real = (await post(client, "/api/v1/feedback", body, 201))["feedback"]
    found = await get(client, f"/api/v1/feedback/preview?alert={CHECKOUT}&verdict=new_normal")
    [hidden] = found["consequence"]["hidden_real"]
    assert hidden["verdicts"] == ["real"]
    [listed] = (await get(client, "/api/v1/feedback"))["feedback"]
    assert (listed["id"], listed["holds"]) == (real["id"], True)
    revoked = await post(client, f"/api/v1/feedback/{real['id']}/revoke", {"by": "bo"}, 200)
    assert revoked["ended_by"] == "bo"
    found = await get(client, f"/api/v1/feedback/preview?alert={CHECKOUT}&verdict=new_normal")
    assert found["consequence"]["hidden_real"] == []


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("alert=nope&verdict=real", 404, "there is no alert 'nope'; the newest are "),
        (f"alert={CHECKOUT}&verdict=odd", 400, "Invalid enum value 'odd'"),
        (f"alert={CHECKOUT}&verdict=real&weeks=99", 400, "Expected `int` <= 12"),
        ("verdict=real", 400, "missing required field `alert`"),
        (f"alert={CHECKOUT}&verdict=real&zap=1", 400, "unknown parameter 'zap'"),
    ],
)
async def test_a_preview_that_makes_no_sense(
    client: aiohttp.ClientSession, query: str, status: int, sentence: str
) -> None:
    assert sentence in (await get(client, f"/api/v1/feedback/preview?{query}", status))["error"]


async def test_writing_needs_the_token_and_a_preview_does_not(shop: Shop) -> None:
    async with serving(shop, Http(port=0, token=SecretStr("right"))) as client:
        for path in ("maintenance", "plans", "alerts/acknowledge", "alerts/snooze", "alerts/unacknowledge",
                     "feedback", "maintenance/x/end", "feedback/x/revoke"):  # fmt: skip
            await post(client, f"/api/v1/{path}", {}, 401)
        await get(client, f"/api/v1/feedback/preview?alert={CHECKOUT}&verdict=false")
    assert shop.appended == []

"""Incidents over HTTP: opened, contained, closed, counted and written up."""

import asyncio
from typing import Any

import aiohttp
import pytest

from stream.schema import incidents, topics
from tests.serve.rig import T0_MS, Shop

T0 = T0_MS // 1000
NOW_S = T0 + 600
CHECKOUT = "service=shop/checkout"
PATH = "/api/v1/incidents"
EARLIEST = "since_s must be from 2025-11-27T14:10Z to 2026-01-01T14:10Z (now), in UTC epoch seconds from "


async def post(client: aiohttp.ClientSession, path: str, body: Any, status: int) -> dict[str, Any]:
    async with client.post(path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return dict(await answer.json())


async def get(client: aiohttp.ClientSession, path: str, status: int = 200) -> dict[str, Any]:
    async with client.get(path) as answer:
        assert answer.status == status, await answer.text()
        return dict(await answer.json())


async def opened(client: aiohttp.ClientSession, **changes: Any) -> str:
    body = {"scopes": [CHECKOUT], "since_s": T0, "title": "Checkout runs away", "opened_by": "ana", **changes}
    return str((await post(client, PATH, body, 201))["id"])


async def test_an_incident_lives(client: aiohttp.ClientSession, shop: Shop) -> None:
    name = await opened(client)
    assert name.startswith("20260101-")
    assert [each["id"] for each in (await get(client, PATH))["incidents"]] == [name]
    contained = await post(client, f"{PATH}/{name}/contain", {"at_s": T0 + 300}, 200)
    assert (contained["contained_s"], contained["closed"]) == (T0 + 300, False)
    closed = await post(client, f"{PATH}/{name}/close", {}, 200)
    assert (closed["until_s"], closed["contained_s"], closed["closed"]) == (NOW_S, T0 + 300, True)
    # What the log holds is what was answered.
    assert [output.topic for output in shop.appended] == [topics.INCIDENTS] * 3
    assert [output.key for output in shop.appended] == [name.encode()] * 3
    last = incidents.decode(shop.appended[-1].value)
    assert (last.until_s, last.contained_s, last.closed, last.opened_by) == (NOW_S, T0 + 300, True, "ana")


async def test_it_costs_what_the_windows_hold(client: aiohttp.ClientSession, shop: Shop) -> None:
    name = await opened(client)
    cost = await get(client, f"{PATH}/{name}")
    burn = next(burn for burn in shop.burns() if CHECKOUT in burn.windows.scope_names)
    spent_nusd = burn.windows.spent_nusd(CHECKOUT, T0, NOW_S)
    expected_nusd = round((burn.expected_usd(CHECKOUT, T0, NOW_S) or 0) * 1e9)
    assert cost["spent_nusd"] == spent_nusd
    assert cost["excess_nusd"] == spent_nusd - expected_nusd > 40 * 10**9
    assert cost["excess_low_nusd"] < cost["excess_nusd"] < cost["excess_high_nusd"]
    assert cost["state"] == "estimated"
    assert cost["drivers"][0]["name"] == "pod_hours"
    assert sum(part["excess_nusd"] for part in cost["drivers"]) == cost["excess_nusd"]


async def test_it_grows_while_it_is_open(client: aiohttp.ClientSession) -> None:
    early = await get(client, f"{PATH}/{await opened(client, since_s=T0 + 300)}")
    late = await get(client, f"{PATH}/{await opened(client, since_s=T0)}")
    assert late["excess_nusd"] > early["excess_nusd"] > 0


async def test_the_report_names_the_page(client: aiohttp.ClientSession) -> None:
    name = await opened(client, scopes=["team=payments", CHECKOUT])
    async with client.get(f"{PATH}/{name}/report") as answer:
        assert (answer.status, answer.content_type) == (200, "text/markdown")
        text = await answer.text()
    assert text.startswith("## Cost: Checkout runs away\n")
    assert "2026-01-01 14:00 UTC: onset" in text
    assert "page firing: service=shop/checkout burns $" in text
    assert "- Not added: `service=shop/checkout` is counted in team=payments\n" in text


async def test_changes_at_the_same_time_lose_nothing(client: aiohttp.ClientSession, shop: Shop) -> None:
    name = await opened(client)
    await asyncio.gather(
        post(client, f"{PATH}/{name}/contain", {}, 200), post(client, f"{PATH}/{name}/close", {}, 200)
    )
    assert (shop.kept[name].contained_s, shop.kept[name].until_s) == (NOW_S, NOW_S)


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"scopes": []}, 400, "Expected `array` of length >= 1 - at `$.scopes`"),
        ({"scopes": [CHECKOUT] * 21}, 400, "Expected `array` of length <= 20"),
        ({"scopes": "total"}, 400, "Expected `array`, got `str` - at `$.scopes`"),
        ({"scopes": ["service=shop/chekout"]}, 404, "did you mean service=shop/checkout"),
        ({"scopes": ["'; DROP TABLE log; --"]}, 404, "there is no scope"),
        ({"since_s": NOW_S + 1}, 400, f" to {NOW_S}, not {NOW_S + 1}"),
        ({"since_s": NOW_S - 36 * 86_400}, 400, EARLIEST),
        ({"since_s": -1}, 400, EARLIEST),
        ({"since_s": 10**30}, 400, EARLIEST),
        ({"since_s": T0 * 1000}, 400, EARLIEST),
        ({"since_s": "14:02"}, 400, "Expected `int`, got `str` - at `$.since_s`"),
        ({"titel": "x"}, 400, "Object contains unknown field `titel`"),
        ({"title": "x" * 201}, 400, "Expected `str` of length <= 200"),
    ],
)
async def test_what_makes_no_incident(
    client: aiohttp.ClientSession, shop: Shop, changes: dict[str, Any], status: int, sentence: str
) -> None:
    body = {"scopes": [CHECKOUT], "since_s": T0, **changes}
    assert sentence in (await post(client, PATH, body, status))["error"]
    assert shop.appended == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 60_000,
        b"null",
        b'{"scopes":["total"],"since_s":' + b"9" * 5000 + b"}",
    ],
)
async def test_a_body_that_is_no_json_object(client: aiohttp.ClientSession, body: bytes) -> None:
    async with client.post(PATH, data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"].startswith("the body can't be read: ")


async def test_a_body_of_another_type(client: aiohttp.ClientSession) -> None:
    """A web form of another site can send text/plain without asking; it gets nowhere."""
    async with client.post(PATH, data="{}", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415
        assert "Content-Type: application/json" in (await answer.json())["error"]


async def test_a_body_that_is_too_long(client: aiohttp.ClientSession) -> None:
    async with client.post(PATH, json={"title": "x" * 70_000}) as answer:
        assert answer.status == 413
        assert "error" in await answer.json()


@pytest.mark.parametrize("name", ["20260101-nobody", "..%2f..%2fetc%2fpasswd", "%00", "é"])
async def test_an_unknown_incident(client: aiohttp.ClientSession, name: str) -> None:
    known = await opened(client)
    assert (await get(client, f"{PATH}/{name}", 404))["error"].endswith(f"the newest are {known}")
    await get(client, f"{PATH}/{name}/report", 404)
    await post(client, f"{PATH}/{name}/close", {}, 404)


@pytest.mark.parametrize("at_s", [T0 - 1, NOW_S + 1])
async def test_a_containment_outside_of_the_window(
    client: aiohttp.ClientSession, shop: Shop, at_s: int
) -> None:
    name = await opened(client)
    error = (await post(client, f"{PATH}/{name}/contain", {"at_s": at_s}, 400))["error"]
    assert error == (
        "at_s must be from 2026-01-01T14:00Z to 2026-01-01T14:10Z (now), "
        f"in UTC epoch seconds from {T0} to {NOW_S}, not {at_s}"
    )
    assert shop.kept[name].contained_s is None

"""What the API answers of a shop whose checkout has run away for ten minutes."""

from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.serve.rig import T0_MS, Shop, serving

CHECKOUT = "service=shop/checkout"
NOW_S = T0_MS // 1000 + 600


async def ask(client: aiohttp.ClientSession, path: str | URL, status: int = 200) -> dict[str, Any]:
    async with client.get(path) as answer:
        assert answer.status == status, await answer.text()
        assert answer.content_type == "application/json"
        return dict(await answer.json())


async def refused(client: aiohttp.ClientSession, path: str | URL, status: int) -> str:
    body = await ask(client, path, status)
    assert list(body) == ["error"]
    assert "\n" not in body["error"]
    return str(body["error"])


async def test_burn_of_one_scope(client: aiohttp.ClientSession, shop: Shop) -> None:
    (figures,) = (await ask(client, "/api/v1/burn?scope=service=shop/checkout"))["scopes"]
    known = next(each for burn in shop.burns() for each in burn.figures() if each.scope == CHECKOUT)
    assert figures["scope"] == CHECKOUT
    assert figures["state"] == "estimated"
    assert figures["calibration"] == 1.0
    assert figures["total_nusd"] == known.total_nusd
    assert figures["burn_usd_per_hour"]["300"] == known.burn_usd_per_hour[300] > 300
    assert figures["baseline_usd_per_hour"] == known.baseline_usd_per_hour
    assert figures["baseline_usd_per_hour"] < 20
    assert set(figures) == {*known.__slots__, "state"}


async def test_burn_is_sorted_and_cut(client: aiohttp.ClientSession) -> None:
    def excess(figures: dict[str, Any]) -> float:
        return float(figures["burn_usd_per_hour"]["300"] - (figures["baseline_usd_per_hour"] or 0))

    body = await ask(client, "/api/v1/burn?limit=5")
    assert body["now_s"] == NOW_S
    assert [excess(each) for each in body["scopes"]] == sorted(map(excess, body["scopes"]), reverse=True)
    everything = await ask(client, "/api/v1/burn?limit=10000&sort=burn")
    rates = [each["burn_usd_per_hour"]["300"] for each in everything["scopes"]]
    assert rates == sorted(rates, reverse=True)
    assert len(body["scopes"]) + body["left_off"] == len(everything["scopes"])
    assert not [each for each in everything["scopes"] if each["scope"].startswith("billing=")]


async def test_several_scopes_can_be_asked_for(client: aiohttp.ClientSession) -> None:
    body = await ask(client, "/api/v1/burn?scope=total&scope=team=payments&sort=burn")
    assert [each["scope"] for each in body["scopes"]] == ["total", "team=payments"]


@pytest.mark.parametrize(
    ("window", "bucket_s", "most"), [("1h", 10, 360), ("24h", 60, 1440), ("35d", 3600, 840)]
)
async def test_history(client: aiohttp.ClientSession, window: str, bucket_s: int, most: int) -> None:
    body = await ask(client, f"/api/v1/burn/service=shop%2Fcheckout/history?window={window}")
    rates = body["usd_per_hour"]
    assert (body["scope"], body["bucket_s"]) == (CHECKOUT, bucket_s)
    assert len(rates) <= most
    assert body["start_s"] + len(rates) * bucket_s == NOW_S // bucket_s * bucket_s
    if window != "35d":  # the runaway's hour is not closed yet
        assert rates[-1] > 20 * rates[-(700 // bucket_s)]


async def test_the_scope_of_a_history_may_hold_a_plain_slash(client: aiohttp.ClientSession) -> None:
    assert (await ask(client, "/api/v1/burn/service=shop/checkout/history"))["window"] == "1h"


async def test_a_history_says_null_before_the_scope_was_known(client: aiohttp.ClientSession) -> None:
    rates = (await ask(client, "/api/v1/burn/total/history?window=35d"))["usd_per_hour"]
    assert rates[0] is None
    assert sum(rate is not None for rate in rates) == 4 * 24


async def test_alerts(client: aiohttp.ClientSession) -> None:
    (alert,) = [each for each in (await ask(client, "/api/v1/alerts"))["alerts"] if each["state"] == "firing"]
    assert (alert["scope"], alert["severity"]) == (CHECKOUT, "page")
    assert alert["drivers"][0]["name"] == "pod_hours"


async def test_estimates_are_what_the_windows_hold(client: aiohttp.ClientSession, shop: Shop) -> None:
    rows = (await ask(client, "/api/v1/estimates?by=billing&days=35"))["estimates"]
    held = sum(
        burn.windows.spent_nusd(scope, 0, NOW_S)
        for burn in shop.burns()
        for scope in burn.windows.scope_names
        if scope.startswith("billing=")
    )
    assert sum(row["estimate_nusd"] for row in rows) == held > 0
    assert {"provider", "account", "service", "day", "estimate_nusd", "calibration_nusd", "complete"} == set(
        rows[0]
    )
    days = {row["day"]: row["complete"] for row in rows}
    # The shop was first heard on the 28th at 14:00, and the 1st is not over.
    assert days == {
        "2025-12-28": False, "2025-12-29": True, "2025-12-30": True, "2025-12-31": True, "2026-01-01": False,
    }  # fmt: skip


async def test_estimates_of_fewer_days(client: aiohttp.ClientSession) -> None:
    rows = (await ask(client, "/api/v1/estimates?days=2"))["estimates"]
    assert {row["day"] for row in rows} == {"2025-12-31", "2026-01-01"}


async def test_identity(client: aiohttp.ClientSession, shop: Shop) -> None:
    body = await ask(client, "/api/v1/identity")
    assert body["balanced"] is True
    for unit in ("events", "nusd"):
        assert body["sent"][unit] == sum(body[term][unit] for term in ("accepted", "duplicate", "rejected"))
    assert body["sent"]["events"] == shop.meter.counters.sent_events > 0


async def test_health(client: aiohttp.ClientSession, shop: Shop) -> None:
    body = await ask(client, "/health")
    assert (body["status"], body["stale"]) == ("ok", [])
    assert [(each["partition"], each["lag_s"]) for each in body["partitions"]] == [(0, 0), (1, 0)]
    shop.now_ms += 61_000
    body = await ask(client, "/health", 503)
    assert (body["status"], body["stale"]) == ("stale", [0, 1])
    assert body["error"] == "nothing has been heard for 61 s: see whether the collectors run"


async def test_before_anything_is_heard() -> None:
    async with serving(Shop()) as client:
        assert "nothing has been heard yet" in (await ask(client, "/health", 503))["error"]
        assert (await ask(client, "/api/v1/burn"))["scopes"] == []
        assert (await ask(client, "/api/v1/estimates"))["estimates"] == []
        assert (await ask(client, "/api/v1/identity"))["balanced"] is True
        assert (await ask(client, "/api/v1/alerts"))["alerts"] == []
        assert "nothing has been heard yet" in await refused(client, "/api/v1/burn?scope=total", 404)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/v1/burn?limit=0", "limit must be a whole number from 1 to 10000, not '0'"),
        ("/api/v1/burn?limit=-1", "limit must be a whole number from 1 to 10000, not '-1'"),
        ("/api/v1/burn?limit=" + "9" * 5000, "limit must be a whole number from 1 to 10000, not '999"),
        ("/api/v1/burn?limit=٣", "limit must be a whole number"),
        ("/api/v1/burn?sort=name", "sort must be one of excess, burn, not 'name'"),
        ("/api/v1/burn?scop=total", "unknown parameter 'scop'; known here: limit, scope, sort"),
        ("/api/v1/burn/total/history?window=1y", "window must be one of 1h, 24h, 35d, not '1y'"),
        ("/api/v1/estimates?days=36", "days must be a whole number from 1 to 35, not '36'"),
        ("/api/v1/estimates?by=team", "by must be one of billing, not 'team'"),
        ("/api/v1/alerts?scope=total", "unknown parameter 'scope'; none are known here"),
    ],
)
async def test_a_bad_parameter_names_what_is_allowed(
    client: aiohttp.ClientSession, path: str, sentence: str
) -> None:
    assert (await refused(client, path, 400)).startswith(sentence)


@pytest.mark.parametrize(
    ("scope", "hint"),
    [
        ("service=shop/chekout", "did you mean service=shop/checkout"),
        ("SERVICE=SHOP/CHECKOUT", "service=shop/checkout"),
        ("checkout", "service=shop/checkout"),
        ("'; DROP TABLE log; --", "known are, for example"),
        ("../../../etc/passwd", "known are, for example"),
        ("équipe=płatności/🛒", "known are, for example"),
        ("\u202etotal\x00\r\nX-Evil: 1", ""),
        ("x" * 7000, "known are, for example"),
    ],
)
async def test_an_unknown_scope_names_the_nearest(
    client: aiohttp.ClientSession, scope: str, hint: str
) -> None:
    for path in ("/api/v1/burn", "/api/v1/burn/{}/history"):
        url = client._build_url(path).with_query({"scope": scope})
        if "{" in path:
            quoted = (
                URL.build(path="/" + scope).raw_path[1:] if ".." not in scope else scope.replace("/", "%2F")
            )
            url = client._build_url(URL(f"/api/v1/burn/{quoted}/history", encoded=True))
        sentence = await refused(client, url, 404)
        assert sentence.startswith("there is no scope ")
        assert hint in sentence
        assert len(sentence) < 600


async def test_a_path_that_climbs_finds_nothing(client: aiohttp.ClientSession) -> None:
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/burn/../../../etc/passwd"):
        url = URL(f"http://{client._build_url('/').authority}{path}", encoded=True)
        assert "docs/api.md" in await refused(client, url, 404)


async def test_a_wrong_method_is_a_sentence(client: aiohttp.ClientSession) -> None:
    async with client.delete("/api/v1/burn") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"
        assert (await answer.json())["error"] == "this path does not take this method: see docs/api.md"


async def test_a_page_links_to_a_runbook_that_is_served(client: aiohttp.ClientSession) -> None:
    async with client.get("/runbooks/step") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert "## Contain" in await answer.text()
        assert "kubectl --namespace NAMESPACE" in await answer.text(), "of no alert"
    async with client.get("/runbooks/..%2F..%2Fconfig") as answer:
        assert answer.status == 404
        assert "there are burn-vs-baseline, burn-vs-budget, change-point" in (await answer.json())["error"]


async def test_a_runbook_opened_by_a_page_has_its_commands(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/alerts") as answer:
        [page] = [one for one in (await answer.json())["alerts"] if one["scope"] == "service=shop/checkout"]
    async with client.get(page["runbook_url"].partition("9107")[2].replace("#", "")) as answer:
        text = await answer.text()
    contain = text.partition("## Contain\n")[2].partition("For other scopes")[0]
    assert text.startswith(f"({page['severity'].upper()}")
    assert "For service=shop/checkout, the most fitting first." in contain
    for step in page["steps"]:
        assert {step["before"], step["run"], step["undo"]} <= {line.strip() for line in contain.splitlines()}
    assert "    kubectl --namespace=shop scale deployment/checkout --replicas=10" in contain.splitlines()
    async with client.get("/runbooks/step?alert=service%3Dnever%401%2Fpage") as answer:
        assert (await answer.text()).startswith("(No alert 'service=never@1/page' was told of late")


async def test_one_alert_with_its_page(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/v1/alerts/one?alert=service%3Dshop/checkout") as answer:
        found = await answer.json()
    assert found["page"].splitlines()[0].endswith(found["alert"]["summary"])
    async with client.get("/api/v1/alerts/one?alert=none") as answer:
        assert answer.status == 404
        assert "there is no alert 'none'; the newest are " in (await answer.json())["error"]

"""From usage on Kafka to a page in Alertmanager, panels in Prometheus and an incident's cost.

One deployment for all tests here: they follow a runaway from its page to the end of the processes, in order.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

import pytest

from stream.schema import variances
from stream.schema.variances import Basis, State, Variance
from tests.deploy.queries import ON_CALL, Query, queries, variables
from tests.e2e.deployment import TOKEN, Deployment, Shop, deployed, until

RANGE_S = 600
CHECKOUT = "service=shop/checkout"

# An invoice that is 3 % above the estimates.
VARIANCE = Variance(
    provider="aws", account="shop-prod", service="AmazonEC2", day="2026-01-10", state=State.FINAL,
    basis=Basis.BILLED, matched=True, estimate_nusd=100 * 10**9, calibration_nusd=0, usage_nusd=103 * 10**9,
    billed_nusd=103 * 10**9, lines={}, reasons={}, computed_ms=0,
)  # fmt: skip

# The first test also waits for the processes, the fortnight and the runaway.
pytestmark = pytest.mark.timeout(300)


@dataclass
class Scene:
    deployment: Deployment
    shop: Shop
    page: Any


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with deployed(tmp_path_factory.mktemp("deployment")) as deployment:
        shop = Shop(deployment)
        shop.fortnight()
        shop.live()
        try:
            [page] = until(lambda: _pages(deployment), "a page at Alertmanager", patience_s=150)
            yield Scene(deployment, shop, page)
        finally:
            shop.rest()


def _pages(deployment: Deployment) -> list[Any]:
    return [alert for alert in deployment.alerts() if alert["labels"].get("severity") == "page"]


def test_the_page_has_the_labels_that_routes_go_by(scene: Scene) -> None:
    labels = scene.page["labels"]
    assert {
        name: labels.get(name) for name in ("alertname", "severity", "scope", "namespace", "service")
    } == {
        "alertname": "BurnlineSpend",
        "severity": "page",
        "scope": CHECKOUT,
        "namespace": "shop",
        "service": "checkout",
    }
    assert scene.page["status"]["state"] == "active"
    assert [receiver["name"] for receiver in scene.page["receivers"]] == ["page"]


def test_the_page_names_the_deploy_to_blame(scene: Scene) -> None:
    assert "checkout" in scene.page["annotations"]["description"]
    assert "autoscaling target" in scene.page["annotations"]["description"]


def test_the_metrics_say_how_long_detection_took(scene: Scene) -> None:
    count = 'burnline_detection_latency_seconds_count{destination="alertmanager"} > 0'
    until(lambda: scene.deployment.query(count), "a sample of the latency")


def test_the_identity_holds_in_events_and_dollars(scene: Scene) -> None:
    identity = scene.deployment.api("/api/v1/identity")
    assert identity["balanced"]
    assert identity["accepted"]["events"] > 100_000
    assert identity["rejected"] == {"events": 0, "nusd": 0}
    assert identity["duplicate"] == {"events": 0, "nusd": 0}
    for unit, tolerance in (("", 0.0), ("_usd", 1e-6)):
        sent, accepted = (f"sum(burnline_estimates_{term}{unit}_total)" for term in ("sent", "accepted"))
        until(partial(scene.deployment.query, f"{sent} > 0"), "estimates sent")
        [gap] = scene.deployment.query(f"{sent} - {accepted}")
        assert abs(float(gap["value"][1])) <= tolerance


def test_the_api_answers_from_the_replica(scene: Scene) -> None:
    api = scene.deployment.api
    assert api("/health")["status"] == "ok"

    def is_over() -> bool:
        [burn] = api(f"/api/v1/burn?scope={CHECKOUT}")["scopes"]
        return bool(burn["burn_usd_per_hour"]["300"] > 3 * burn["baseline_usd_per_hour"] > 0)

    until(is_over, "a burn of three times normal")
    pages = [alert for alert in api("/api/v1/alerts")["alerts"] if alert["severity"] == "page"]
    assert [alert["scope"] for alert in pages] == [CHECKOUT]
    history = api(f"/api/v1/burn/{CHECKOUT}/history?window=35d")
    assert len([rate for rate in history["usd_per_hour"] if rate]) >= 13 * 24


def test_an_incident_opened_by_hand_has_a_cost_and_a_report(scene: Scene) -> None:
    burnline = scene.deployment.burnline
    opened = json.loads(
        burnline("incident", "open", "--scope", CHECKOUT, "--since", "6m", "--title", "Checkout", "--json")
    )
    assert [each["id"] for each in scene.deployment.api("/api/v1/incidents")["incidents"]] == [opened["id"]]

    def costs() -> bool:
        return bool(json.loads(burnline("incident", "show", opened["id"], "--json"))["excess_nusd"] > 10**9)

    until(costs, "a cost of a dollar")
    report = burnline("incident", "report", opened["id"])
    assert re.search(r"^#+ .*Checkout", report, re.MULTILINE)
    assert "pod_hours" in report
    shown = f'burnline_incident_excess_usd{{incident="{opened["id"]}", scope="{CHECKOUT}"}} > 0'
    until(lambda: scene.deployment.query(shown), "the incident's metric")


def _has_something(deployment: Deployment, query: Query) -> bool:
    if query.instant:
        return bool(deployment.query(query.expr))
    end_s = time.time()
    window = {"query": query.expr, "start": end_s - RANGE_S, "end": end_s, "step": 10}
    return bool(deployment.ask("query_range", window))


def test_what_is_sent_twice_counts_once_and_what_is_wrong_becomes_a_dead_letter(scene: Scene) -> None:
    deployment = scene.deployment
    end_ms = scene.shop.live_ms
    estimate = {"start": end_ms - 10_000, "end": end_ms, "driver": "pod_hours", "cost_usd": "0.01"}
    message = {"source": "test", "epoch": 1, "seq": 1, "estimates": [estimate]}
    for _ in range(2):
        deployment.post("usage", [json.dumps(message).encode()])
    deployment.post("usage", [b'{"estimates": '])

    def counted() -> bool:
        identity = deployment.api("/api/v1/identity")
        expected = {"rejected": {"events": 1, "nusd": 0}, "duplicate": {"events": 1, "nusd": 10_000_000}}
        return bool(expected.items() <= identity.items())

    until(counted, "the duplicate and the dead letter")


def test_who_has_no_token_sends_nothing(scene: Scene) -> None:
    request = Request(f"http://127.0.0.1:{scene.deployment.ports['ingest']}/v1/usage", data=b"{}")
    with pytest.raises(OSError, match="401"):
        urlopen(request, timeout=10)
    assert TOKEN not in "".join(process.log_since_start() for process in scene.deployment.processes.values())


def test_no_panel_is_empty(scene: Scene) -> None:
    """Of the runaway's scope and of all scopes; what is said of one may be nothing for the other."""
    deployment = scene.deployment
    deployment.post("variances", [variances.encode(VARIANCE)])
    lasts = "Budget runs out A"  # nothing means that it lasts the month, and that depends on the day
    asked = [queries(ON_CALL, variables(scope=scope, range_s=RANGE_S)) for scope in (CHECKOUT, "total")]
    empty = [both for both in zip(*asked, strict=True) if both[0].where != lasts]
    assert len(empty) > 40

    def none_is_left() -> bool:
        empty[:] = [both for both in empty if not any(_has_something(deployment, one) for one in both)]
        return not empty

    with suppress(AssertionError):  # the next line names them
        until(none_is_left, "a result of every query")
    assert [query.where for query, _ in empty] == []


def test_prometheus_tells_alertmanager_that_burnline_lives_and_that_nothing_is_wrong(scene: Scene) -> None:
    page = scene.page["labels"]["alertname"]

    def own() -> set[str]:
        names: set[str] = {alert["labels"]["alertname"] for alert in scene.deployment.alerts()}
        return {name for name in names if name != page}

    until(lambda: "BurnlineDeadMansSwitch" in own(), "the dead man's switch")
    assert own() & {"BurnlineIdentityBroken", "BurnlineAbsent", "BurnlineNotDelivering"} == set()


def test_there_was_one_page_and_all_processes_end_cleanly(scene: Scene) -> None:
    assert [alert["labels"] for alert in _pages(scene.deployment)] == [scene.page["labels"]]
    scene.shop.rest()
    for name, process in scene.deployment.processes.items():
        assert process.end() == 0, f"{name}: {process.log_tail()}"
        assert "Traceback" not in process.log_since_start(), name

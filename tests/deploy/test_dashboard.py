"""The dashboard: as people will find it at 03:00, and each of its queries against a real Prometheus."""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import yaml

from stream.metric_families import FAMILIES
from tests.deploy.queries import ON_CALL, Query, queries, variables
from tests.services import PrometheusServer, Service, free_ports
from tests.services.http import answers, get_json

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads(ON_CALL.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
HISTOGRAMS = {"burnline_stage_seconds", "burnline_detection_latency_seconds"}


def test_the_first_screen_answers_how_much_since_when_who_and_can_i_trust_it() -> None:
    first = sorted(
        (panel for panel in PANELS if panel["gridPos"]["y"] < 14),
        key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]),
    )
    assert [panel["title"] for panel in first] == [
        "Burn now, USD/h",
        "Normal at this hour, USD/h",
        "Times normal",
        "Beyond normal in this time range",
        "Pages now",
        "Numbers are behind by",
        "Burn and normal, USD/h",
        "Who burns beyond normal, USD/h",
    ]


def test_links_in_alerts_find_the_dashboard_whatever_it_is_called() -> None:
    assert DASHBOARD["uid"] == "burnline-on-call"
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "scope"}


def test_every_panel_says_what_it_means_and_reads_the_chosen_datasource() -> None:
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_money_is_shown_as_money() -> None:
    # Quotients, times and counts of money are none themselves.
    other = {"Times normal", "Times normal, by window", "Projection over budget", "Spend without owner"}
    money = {
        panel["title"]
        for panel in PANELS
        if any(re.search(r"_usd(_per_hour|_total)?\b", target["expr"]) for target in panel["targets"])
    }
    shown = {p["title"] for p in PANELS if p["fieldConfig"]["defaults"]["unit"] == "currencyUSD"}
    assert money - other == shown


def test_ids_differ_and_panels_neither_overlap_nor_leave_the_grid() -> None:
    assert max(Counter(panel["id"] for panel in DASHBOARD["panels"]).values()) == 1
    cells: Counter[tuple[int, int]] = Counter()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24, panel["title"]
        cells.update(
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
    assert max(cells.values()) == 1


def test_no_job_is_hard_coded_and_no_range_is_fixed() -> None:
    for expression in EXPRESSIONS:
        assert not re.search(r"\b(job|instance|namespace|cluster) *=", expression), expression
        assert not re.search(r"\[\d", expression), expression


def test_only_metrics_that_exist_are_asked_for() -> None:
    exported = {family.name for family in FAMILIES} | HISTOGRAMS | {"burnline_build_info"}
    asked = {name for text in EXPRESSIONS for name in re.findall(r"\bburnline_\w+", text)}
    assert {re.sub(r"_bucket$", "", name) for name in asked} <= exported


def test_the_two_queries_of_the_identity_name_all_its_terms() -> None:
    terms = ["accepted", "duplicate", "rejected", "sent"]
    for unit in ("", "_usd"):
        pattern = re.compile(rf"burnline_estimates_([a-z]+){unit}_total")
        found = [sorted(pattern.findall(expression)) for expression in EXPRESSIONS]
        assert terms in found


def test_an_unknown_variable_is_noticed(tmp_path: Path) -> None:
    document = json.loads(ON_CALL.read_text())
    document["panels"][0]["targets"][0]["expr"] = 'x{team="$team"}'
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document))
    with pytest.raises(KeyError, match="team"):
        queries(broken, variables())


def test_grafana_is_told_of_the_datasource_and_of_the_folder_that_is_mounted() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "burnline.yaml").read_text())["providers"]
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    mounts = [volume.split(":") for volume in compose["services"]["grafana"]["volumes"] if ":" in volume]
    assert ["./deploy/grafana/dashboards", provider["options"]["path"], "ro"] in mounts
    assert ["./deploy/grafana/provisioning", "/etc/grafana/provisioning", "ro"] in mounts


class Exporter(Service):
    """A process that serves example metrics."""

    name = "exporter"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        [self.port] = free_ports(1)

    def command(self) -> Sequence[str]:
        return [sys.executable, str(ROOT / "tests" / "metrics" / "exporter.py"), str(self.port)]

    def is_ready(self) -> bool:
        return answers(f"http://127.0.0.1:{self.port}/metrics")


def ask(server: PrometheusServer, query: Query, range_s: int) -> list[Any]:
    now = time.time()
    if query.instant:
        url = f"{server.url}/api/v1/query?{urlencode({'query': query.expr, 'time': now})}"
    else:
        window = {"query": query.expr, "start": now - range_s, "end": now, "step": 1}
        url = f"{server.url}/api/v1/query_range?{urlencode(window)}"
    answer = cast(dict[str, Any], get_json(url))
    assert answer["status"] == "success"
    return cast(list[Any], answer["data"]["result"])


async def test_every_query_finds_something_once_everything_is_exported(
    prometheus: Callable[..., PrometheusServer], tmp_path: Path
) -> None:
    range_s = 30
    asked = queries(ON_CALL, variables(range_s=range_s, scrape_s=1))

    with Exporter(tmp_path) as exporter:
        server = prometheus(
            f"""
            global: {{scrape_interval: 1s, evaluation_interval: 1s}}
            rule_files: ["{ROOT}/deploy/prometheus/rules.yml"]
            scrape_configs:
              - job_name: any-name
                static_configs: [{{targets: ["127.0.0.1:{exporter.port}"]}}]
            """
        )
        empty = {query.where for query in asked}
        rounds = 0
        while empty and rounds < 60:
            await asyncio.sleep(1)
            rounds += 1
            empty = {
                query.where for query in asked if query.where in empty and not ask(server, query, range_s)
            }
        assert empty == set()
        # What people would see on the three panels they look at first.
        values = {query.where: query for query in asked}
        [burn] = ask(server, values["Burn now, USD/h A"], range_s)
        [normal] = ask(server, values["Normal at this hour, USD/h A"], range_s)
        [times] = ask(server, values["Times normal A"], range_s)
        assert float(burn["value"][1]) >= 900
        assert normal["value"][1] == "100"
        assert float(times["value"][1]) >= 9
        top = ask(server, values["Who burns beyond normal, USD/h excess"], range_s)
        assert [row["metric"]["scope"] for row in top] == [
            "service=shop/checkout", "team=payments", "unmapped",
        ]  # fmt: skip
        [gap] = ask(server, values["Sent - accepted - duplicate - rejected A"], range_s)
        assert gap["value"][1] == "0"
        [proven] = ask(server, values["Destinations A"], range_s)
        assert (proven["metric"], proven["value"][1]) == ({"destination": "alertmanager"}, "1")
        [failing] = ask(server, values["Takes nothing for, each destination A"], range_s)
        assert {value for _, value in failing["values"]} == {"0"}
        firing = Query("", 'ALERTS{alertname="BurnlineDeadMansSwitch", alertstate="firing"}', True, False)
        while not ask(server, firing, range_s):
            await asyncio.sleep(0.5)

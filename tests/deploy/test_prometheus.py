"""Prometheus' and Alertmanager's configuration, judged by their own tools."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.metric_families import FAMILIES
from stream.schema.alerts import Severity
from tests.services.service import program

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"


def run(*command: str) -> str:
    done = subprocess.run([program(command[0]), *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    run("promtool", "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_the_rules_fire_when_they_should_and_only_then() -> None:
    run("promtool", "test", "rules", str(DEPLOY / "prometheus" / "rules_test.yml"))


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_each_rule_is_tested_and_has_what_a_person_needs(rule: dict[str, Any]) -> None:
    assert rule["alert"] in (DEPLOY / "prometheus" / "rules_test.yml").read_text()
    assert rule["labels"]["severity"] in {*map(str, Severity), "none"}
    assert rule["annotations"]["summary"]
    if rule["labels"]["severity"] != "none":
        assert rule["annotations"]["description"].endswith(".")
    # A number, time or dollar in a label would make a new alert each time it changes.
    assert not any("{{" in value for value in rule["labels"].values())


def test_the_rules_ask_for_metrics_that_exist() -> None:
    exported = {family.name for family in FAMILIES}
    exported |= {"burnline_build_info", "burnline_detection_latency_seconds_bucket"}
    asked = {name for rule in RULES for name in re.findall(r"\bburnline_\w+", rule["expr"])}
    assert asked <= exported


def test_alertmanager_takes_its_configuration() -> None:
    run("amtool", "check-config", str(ALERTMANAGER))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=page", "scope=total"], "page"),
        (["severity=ticket", "scope=total"], "ticket"),
        (["severity=none", "alertname=BurnlineDeadMansSwitch"], "dead-mans-switch"),
        (["alertname=FromElsewhere"], "ticket"),
    ],
    ids=["page", "ticket", "dead man's switch", "anything else"],
)
def test_pages_page_and_everything_else_is_seen(labels: list[str], receiver: str) -> None:
    told = run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)
    assert told.strip() == receiver


def test_no_secret_stands_in_the_configuration() -> None:
    text = ALERTMANAGER.read_text()
    assert not re.search(
        r"^\s*-?\s*(routing_key|service_key|api_url|url|password|token):", text, re.MULTILINE
    )

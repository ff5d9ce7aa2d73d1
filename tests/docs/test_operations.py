"""Whoever is woken finds a page: for every rule on burnline itself, and for every detector."""

import re
import tomllib

import yaml

from detectors.registry import BUILT_IN, WITHOUT_VIEW
from tests.docs.pages import ROOT, anchors

OPERATIONS = ROOT / "docs" / "operations.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"


def test_every_rule_says_what_to_do() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    known = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    told = re.findall(r"^\| `(\w*(?:Burnline|Alertmanager)\w+)` \|", OPERATIONS.read_text("utf-8"), re.M)
    assert told == known


def test_every_detector_has_a_runbook_with_the_same_parts() -> None:
    for detector in (*BUILT_IN, *WITHOUT_VIEW):
        runbook = ROOT / "stream" / "serve" / "runbooks" / f"{detector.name}.md"
        assert {"check-in-one-minute", "contain", "afterwards"} <= anchors(runbook), runbook


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {re.split(r"[\[=<>]", requirement)[0] for requirement in project["dependencies"]}
    table = ARCHITECTURE.read_text("utf-8").partition("## Dependencies")[2].partition("\n## ")[0]
    told = {name for row in re.findall(r"^\| ([a-z][\w, -]*) \|", table, re.M) for name in row.split(", ")}
    assert told - {"package"} == known

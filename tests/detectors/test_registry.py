"""Detectors are built by name from settings, and every mistake is one sentence that says what to do."""

from pathlib import Path
from typing import ClassVar

import pytest

from detectors import reference, registry
from detectors.burn_vs_budget import BurnVsBudget
from detectors.contract import PAGE, Params
from detectors.registry import all_names, build, build_all, find
from detectors.step import StepParams
from tests.detectors.steady import steady

NAMES = [
    "burn-vs-baseline", "burn-vs-budget", "change-point", "egress", "emergency", "growth", "leak", "policy",
    "ratio", "seasonal-anomaly", "step", "unit-cost",
]  # fmt: skip

OTHERS = """
from detectors.step import Step

class Mine(Step):
    name = "mine"
"""


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package `others` that offers three detectors, one of them broken, one misnamed."""
    (tmp_path / "others.py").write_text(OTHERS)
    information = tmp_path / "others-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[burnline.detectors]\nmine = others:Mine\nbroken = others:Missing\nmisnamed = others:Mine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_the_built_in_ones_are_there() -> None:
    assert all_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_built_with_its_defaults(name: str) -> None:
    detector = build(name, {})
    assert detector.name == name
    assert detector.observe(steady()).severity.tolist() == [0]


def test_settings_reach_the_detector() -> None:
    doubled = steady(burn=20.01)
    assert build("burn-vs-budget", {"fast_factor": 1}).observe(doubled).severity.tolist() == [PAGE]
    assert find("burn-vs-budget") is BurnVsBudget


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("stepp", {}, "there is no detector 'stepp'; did you mean 'step'?"),
        (
            "xyz",
            {},
            f"there is no detector 'xyz'; known are {', '.join(NAMES)}",
        ),
        ("step", {"sigma": 5}, "detector 'step' has no setting 'sigma'; did you mean 'sigmas'?"),
        (
            "emergency",
            {"floor_usd": 5},
            "detector 'emergency' has no setting 'floor_usd'; did you mean 'floor_usd_per_hour'?",
        ),
        ("step", {"sigmas": -1}, "detector 'step', setting 'sigmas': Input should be greater than 0"),
        (
            "step",
            {"floor_usd_per_hour": 0},
            "detector 'step', setting 'floor_usd_per_hour': Input should be greater than 0",
        ),
        (
            "step",
            {"sigmas": float("inf")},
            "detector 'step', setting 'sigmas': Input should be a finite number",
        ),
    ],
)
def test_a_mistake_is_one_sentence(name: str, settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError) as raised:
        build(name, settings)
    assert str(raised.value) == sentence


def test_all_are_built_but_those_switched_off() -> None:
    built = build_all({"emergency": {"enabled": False}, "burn-vs-budget": {"fast_factor": 1}})
    assert [detector.name for detector in built] == [name for name in NAMES if name != "emergency"]
    assert built[1].observe(steady(burn=20.01)).severity.tolist() == [PAGE]
    with pytest.raises(ValueError, match="there is no detector 'stepp'; did you mean 'step'"):
        build_all({"stepp": {}})


def test_settings_of_a_kind_that_needs_no_view_stand_beside_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silence:
        """A source went silent.

        Severity: ticket.
        """

        name: ClassVar[str] = "silence"
        params_type: ClassVar[type[Params]] = StepParams

    monkeypatch.setattr(registry, "WITHOUT_VIEW", (Silence,))
    monkeypatch.setattr(reference, "WITHOUT_VIEW", (Silence,))
    settings = {"silence": {"sigmas": 3}}
    assert registry.settings_of(Silence, settings) == StepParams(sigmas=3)
    assert [detector.name for detector in build_all(settings)] == NAMES
    with pytest.raises(ValueError, match="detector 'silence' has no setting 'sigma'"):
        build_all({"silence": {"sigma": 3}})
    assert "| [silence](#silence) | A source went silent | ticket |" in reference.page()


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"'ratio'.*; .*'sigma'"):
        build("step", {"sigma": 5, "ratio": 0.5})


@pytest.mark.usefixtures("other_package")
def test_another_package_adds_its_own() -> None:
    assert "mine" in all_names()
    assert build("mine", {"sigmas": 5}).name == "mine"


@pytest.mark.usefixtures("other_package")
def test_another_package_that_is_broken_is_named() -> None:
    with pytest.raises(ValueError, match="detector 'broken' of the package 'others' cannot be loaded"):
        build("broken", {})
    with pytest.raises(ValueError, match="of the package 'others' calls itself 'mine'"):
        build("misnamed", {})

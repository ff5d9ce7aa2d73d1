"""Another package's detector: installed by pip, found by its name in burnline.yaml, seen in an alert; and
what happens when it fails."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "static-limit"
RULES = {
    "alerts": {"ticket_for_s": 60, "group_wait_s": 0},
    "detectors": {"static-limit": {"usd_per_hour": 8}},
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed by pip into a folder of its own. Its wheel is packed here, as its build backend
    would, since that is fetched from the network."""
    folder = tmp_path_factory.mktemp("plugin")
    wheel = packed(EXAMPLE, folder).name
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--target", "site"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, wheel], cwd=folder, check=True, timeout=120
    )
    return folder / "site"


def packed(source: Path, folder: Path) -> Path:
    """The wheel of a package of single modules."""
    document = tomllib.loads((source / "pyproject.toml").read_text())
    project = document["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    information = f"{stem}.dist-info"
    groups = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    files = {
        f"{name}.py": (source / f"{name}.py").read_text()
        for name in document["tool"]["setuptools"]["py-modules"]
    }
    about = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    files |= {
        f"{information}/METADATA": about,
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/entry_points.txt": groups,
    }
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(
            f"{information}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{information}/RECORD"])
        )
    return wheel


def run(
    site: Path, *words: str, folder: Path, config: Mapping[str, object]
) -> subprocess.CompletedProcess[str]:
    """`burnline` with that folder on its path."""
    (folder / "burnline.yaml").write_text(json.dumps(config))  # JSON is YAML
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "stream.cli.main", *words, "--config", "burnline.yaml"],
        cwd=folder,
        env=kept | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def usage(folder: Path) -> str:
    """Two hours at $12 an hour."""
    lines = [
        {"start": at_s * 1000, "end": (at_s + 60) * 1000, "driver": "pod_hours", "cost_usd": "0.20",
         "labels": {"namespace": "shop", "service": "checkout"}}
        for at_s in range(1_767_225_600, 1_767_232_800, 60)
    ]  # fmt: skip
    (folder / "usage.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return "usage.jsonl"


def alerts(ended: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    """Those by the example."""
    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line).get("alert", {}) for line in ended.stdout.splitlines()]
    return [alert for alert in told if "static-limit" in alert.get("detectors", [])]


def test_its_own_test_passes_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "test_static_limit.py", tmp_path)
    path = f"{installed}{os.pathsep}{ROOT}"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_static_limit.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True, timeout=120,
    )  # fmt: skip


def test_its_signal_is_seen_in_an_alert(installed: Path, tmp_path: Path) -> None:
    ended = run(installed, "replay", usage(tmp_path), "--json", folder=tmp_path, config=RULES)
    first = alerts(ended)[0]
    assert (first["severity"], first["state"], first["tier"]) == ("ticket", "firing", "static")
    assert first["reason"] == "Burns $12.00/h over 5 min; the limit is $8.00/h."


def test_a_mistake_in_its_settings_is_one_sentence(installed: Path, tmp_path: Path) -> None:
    config = {"detectors": {"static-limit": {"usd_per_hours": 8}}}
    ended = run(installed, "replay", usage(tmp_path), folder=tmp_path, config=config)
    assert (ended.returncode, ended.stderr.strip()) == (
        2,
        "burnline: detectors: detector 'static-limit' has no setting 'usd_per_hours'; "
        "did you mean 'usd_per_hour'?",
    )


def test_one_that_is_not_installed_is_one_sentence(tmp_path: Path) -> None:
    ended = run(tmp_path, "replay", usage(tmp_path), folder=tmp_path, config=RULES)
    assert ended.returncode == 2
    assert ended.stderr.startswith("burnline: detectors: there is no detector 'static-limit'; known are ")


BROKEN = {
    "import": ("raise OSError('no licence')", "package 'burnline-broken' cannot be loaded (no licence): "),
    "contract": ("class Broken:\n    name = 'broken'", "has no observe and no reason and no save"),
    "made": (
        "from detectors.step import Step\nclass Broken(Step):\n    name = 'broken'\n"
        "    def __init__(self, params): raise KeyError('x')",
        "cannot be made with these settings (KeyError('x')): mend its package, or switch it off",
    ),
}  # fmt: skip
RAISES = """
from detectors.step import Step

class Broken(Step):
    name = "broken"
    def observe(self, view):
        raise ZeroDivisionError("of all\\nscopes")
"""


def broken(folder: Path, code: str) -> Path:
    """A package that offers the detector `broken`."""
    site = folder / "broken-site"
    information = site / "burnline_broken-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "burnline_broken.py").write_text(code)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: burnline-broken\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[burnline.detectors]\nbroken = burnline_broken:Broken\n")
    return site


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_one_sentence_at_the_start_unless_it_is_off(name: str, tmp_path: Path) -> None:
    code, sentence = BROKEN[name]
    site = broken(tmp_path, code)
    ended = run(site, "replay", usage(tmp_path), folder=tmp_path, config={})
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    off = {"detectors": {"broken": {"enabled": False}}}
    assert run(site, "replay", usage(tmp_path), folder=tmp_path, config=off).returncode == 0


def test_one_that_raises_is_told_once_and_the_others_go_on(installed: Path, tmp_path: Path) -> None:
    both = f"{broken(tmp_path, RAISES)}{os.pathsep}{installed}"
    ended = run(Path(both), "replay", usage(tmp_path), "--json", folder=tmp_path, config=RULES)
    assert alerts(ended)
    said = [line for line in ended.stderr.splitlines() if "broken" in line]
    assert said == [
        "detector broken failed (ZeroDivisionError('of all\\nscopes')); the others go on: mend it, or switch "
        "it off with detectors.broken.enabled: false"
    ]

"""Who may import whom: the arrows of docs/architecture.md, held against the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAGES = ("meter", "burn", "alerts", "incidents")
# What a stage may use of ours beside itself. `meter.price.load` reads a file; the shell calls it.
SHARED = {
    "stream.stage",
    "stream.config",
    "stream.config_actions",
    "stream.config_alerts",
    "stream.config_policy",
    "stream.errors",
    "stream.planned",
    "stream.scopes",
    "stream.schema",
    "detectors",
}
IMPURE = {"asyncio", "aiohttp", "aiokafka", "faust", "mode", "sqlite3", "socket", "time", "random", "secrets",
          "threading", "subprocess", "requests", "urllib.request", "uuid"}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic"}


def modules(folder: str) -> Iterator[Path]:
    yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in ("stream", "detectors")}


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_detectors_know_nothing_of_the_stream() -> None:
    for path in modules("detectors"):
        assert not {name for name in imports(path) if under(name, "stream")}, path


def test_the_schema_imports_no_other_package_of_ours() -> None:
    for path in modules("stream/schema"):
        strangers = {
            name for name in ours(imports(path)) if name != "stream" and not under(name, "stream.schema")
        }
        assert not strangers, path


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_shell_and_nothing_that_does_io(stage: str) -> None:
    allowed = SHARED | {f"stream.{stage}"}
    if stage == "incidents":
        allowed |= {"stream.burn", "stream.alerts"}  # the cost of an incident is read from their windows
    for path in modules(f"stream/{stage}"):
        names = imports(path)
        strangers = {
            name
            for name in ours(names)
            if name != "stream" and not any(under(name, other) for other in allowed)
        }
        assert not strangers, f"{path}: {strangers}"
        assert not names & IMPURE, f"{path}: {names & IMPURE}"


@pytest.mark.parametrize("folder", [f"stream/{stage}" for stage in STAGES] + ["detectors"])
def test_no_clock_is_read(folder: str) -> None:
    for path in modules(folder):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                reads = node.func.attr in CLOCKS and isinstance(owner, ast.Name | ast.Attribute)
                known = ast.unparse(owner) in ("datetime", "dt.datetime", "dt.date", "date", "time")
                assert not (reads and known), f"{path}:{node.lineno}"


def test_the_shells_do_not_know_each_other() -> None:
    for one, other in (("kafka", "embedded"), ("embedded", "kafka")):
        for path in modules(f"stream/shell/{one}"):
            assert not {name for name in imports(path) if under(name, f"stream.shell.{other}")}, path

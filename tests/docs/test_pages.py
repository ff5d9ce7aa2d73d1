"""What the pages say is so: links lead somewhere, commands exist, snippets work and print what is shown."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stream.cli.main import app
from stream.config import load
from stream.schema import topics
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, commands, links, name_of
from tests.services.ports import free_ports

TESTED = [page for page in PAGES if any(block.mark.startswith("test") for block in blocks(page))]
PORTS = {"INGEST": "9106", "SERVE": "9107", "METRICS": "9108"}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every command that is no group of others."""
    inner: Mapping[str, Any] = getattr(command, "commands", {})
    for name in inner:
        yield from leaves(inner[name], (*path, name))
    if not inner:
        yield path


COMMANDS = sorted(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        ahead += [target for target in targets & set(PAGES) if target not in reached]
    assert reached == set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_are_named_exist(page: Path) -> None:
    known = {command[:length] for command in COMMANDS for length in (1, 2)}
    for first, second in commands(page):
        assert (first,) in known, f"burnline {first}"
        if (first,) not in COMMANDS and second:  # a group of commands
            assert (first, second) in known, f"burnline {first} {second}"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_of_itself(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert re.search(rf"Example: (\S+=\S+ )*burnline {' '.join(command)}\b", shown.output), shown.output


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_configuration_that_is_shown_loads(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page)):
        if block.language == "yaml" and block.mark != "no configuration":
            path = tmp_path / f"{number}.yaml"
            path.write_text(block.code, encoding="utf-8")
            load(path, environ={})


@pytest.mark.parametrize("page", TESTED, ids=name_of)
def test_snippets_work_and_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    """All marked blocks of a page, one after the other, in one empty folder.

    `test`: must succeed. `test fails`: must end with status 2. `test running`: beside `burnline run`.
    A block marked `output` right after one of these is what it prints, to the letter.
    """
    told = blocks(page)
    environment = _environment(tmp_path)
    if any(block.mark == "test running" for block in told):
        ports = zip(PORTS, free_ports(len(PORTS)), strict=True)
        environment |= {f"BURNLINE_{section}__PORT": str(port) for section, port in ports}
        node: AbstractContextManager[None] = _running(environment, tmp_path)
    else:
        node = nullcontext()
    with node:
        for block, following in zip(told, [*told[1:], None], strict=True):
            if block.mark.startswith("test"):
                _run(block, following, environment, tmp_path)


def _run(block: Block, following: Block | None, environment: Mapping[str, str], folder: Path) -> None:
    code = block.code
    for section, port in PORTS.items():
        chosen = environment.get(f"BURNLINE_{section}__PORT", port)
        code = code.replace(f":{port}", f":{chosen}")
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Beside results standard error holds progress bars; what it says alone is an error.
    shown = ended.stdout or ended.stderr
    assert ended.returncode == (2 if block.mark == "test fails" else 0), f"{block.code}\n{shown}"
    if following is not None and following.mark == "output":
        printed = "\n".join(line.rstrip() for line in shown.splitlines())
        assert printed.strip() == following.code.strip(), block.code


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "HOME": str(home), "COLUMNS": "120", "NO_COLOR": "1"}


@contextmanager
def _running(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    with subprocess.Popen(
        ["burnline", "run"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as node:
        try:
            assert node.stdout is not None
            assert any("/metrics" in line for line in node.stdout)  # the last that it says when it is up
            yield
        finally:
            node.terminate()
    # HTTP takes anything; what was sent must have been understood as well.
    with closing(sqlite3.connect(folder / "burnline.db")) as database:
        letters = database.execute("SELECT value FROM log WHERE topic = ?", (topics.DEAD_LETTERS,)).fetchall()
        assert not letters

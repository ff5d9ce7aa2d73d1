"""`burnline dead-letters` over a node that was sent rubbish."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import people
from stream.cli.main import app
from stream.config import Config, Http
from stream.schema import topics
from stream.serve.api import application
from stream.serve.listen import listening
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from stream.shell.embedded.replica import EmbeddedReplica

T0 = 1_767_276_000  # 1 January 2026, 14:00 UTC
ESCAPES = b"{\x1b]0;owned\x07\x1b[2J\r\n\xe2\x80\xae"


async def append(topic: str, key: bytes, value: bytes) -> None:
    raise AssertionError("nothing is written")


@pytest.fixture
async def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    node = Node(Config(), Database(tmp_path / "spend.db"))
    node.usage([ESCAPES, b'{"a\xff":1}'], [T0 * 1000, (T0 + 60) * 1000])
    node.commit(T0 * 1000)
    node.append(topics.DEPLOYS, None, b'{"what": 1, "x": "' + b"y" * 5_000 + b'"}', (T0 + 3600) * 1000)
    node.commit(T0 * 1000)
    monkeypatch.setattr(people, "now_s", lambda: T0 + 3700)
    http = Http(port=0)
    replica = EmbeddedReplica(node, append)
    async with listening(application(replica, http, lambda: T0 * 1000), http) as port:
        path = tmp_path / "burnline.yaml"
        path.write_text(f"serve: {{port: {port}}}\n")
        yield path
    node.database.close()


async def told(config: Path, *words: str) -> str:
    environment = {"BURNLINE_CONFIG": str(config), "COLUMNS": "200"}
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, ["dead-letters", *words], env=environment))
    assert done.exit_code == 0, done.output
    return done.output


async def test_each_says_why_and_from_where_and_moves_no_terminal(configured: Path) -> None:
    seen = await told(configured)
    lines = seen.splitlines()
    assert lines[0] == "1 Jan 14:00 UTC: malformed_json, usage/0 at 0, 20 bytes"
    assert lines[2] == r"    {\x1b]0;owned\x07\x1b[2J\r\n\u202e"
    assert lines[3].startswith("1 Jan 14:01 UTC: not_utf8, usage/0 at 1, 8 bytes")
    assert lines[5] == r'    {"a\xff":1}'
    assert lines[6] == "1 Jan 15:00 UTC: wrong_schema, deploys/0 at 0, 5,020 bytes"
    assert lines[8].endswith("yyy…") and len(lines[8]) < 220
    assert lines[-1] == "3 in all: malformed_json 1, not_utf8 1, wrong_schema 1."
    assert all(one.isprintable() or one == "\n" for one in seen)


async def test_they_are_chosen_by_reason_and_time_and_counted_whole(configured: Path) -> None:
    assert (await told(configured, "--reason", "not_utf8")).splitlines()[-1] == "1 in all: not_utf8 1."
    assert (await told(configured, "--since", "10m")).splitlines()[-1] == "1 in all: wrong_schema 1."
    last = (await told(configured, "--limit", "1")).splitlines()[-1]
    assert last.endswith("wrong_schema 1. The newest 1 are shown.")
    assert await told(configured, "--reason", "too_deep") == "There are no dead letters.\n"
    [found] = [json.loads(line) for line in (await told(configured, "--json", "--since", "10m")).splitlines()]
    assert (found["reason"], found["original_bytes"], len(found["original"])) == (
        "wrong_schema",
        5_020,
        4_096,
    )

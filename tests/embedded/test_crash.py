"""Killed at any moment and started again, a node ends with the very database of one that never died."""

import json
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stream.meter.sources import PREFIX as WATCHED
from stream.schema.windows import SOURCE_PREFIX
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from tests.embedded.player import BATCH, CONFIG, play

ROOT = Path(__file__).parents[2]
START_MS = 1_767_225_600_000  # 2026-01-01 00:00 UTC
COUNT = 240


def messages(path: Path, seed: int) -> Path:
    """An hour of four services; one runs away, some messages are late, repeated, broken or below a nano."""
    choose = random.Random(seed)
    lines: list[dict[str, Any]] = []
    for seq in range(COUNT):
        at_ms = START_MS + seq * 15_000
        rate = 20.0 if seq < COUNT // 2 else 900.0
        cost = f"{rate * choose.random() / 240:.{choose.choice([2, 9, 14])}f}"
        service = f"s{choose.randrange(4)}"
        late_ms = choose.choice([0, 0, 0, 60_000, 7_200_000])
        estimate = {
            "start": at_ms - 15_000 - late_ms, "end": at_ms - late_ms,
            "driver": "pod_hours", "cost_usd": cost,
            "labels": {"team": "pay", "namespace": "shop", "service": service},
        }  # fmt: skip
        value = json.dumps({"source": "s", "epoch": 1, "seq": seq, "estimates": [estimate]})
        if choose.random() < 0.1:
            value = value[:-5]
        elif lines and choose.random() < 0.1:
            value = str(choose.choice(lines)["value"])
        lines.append({"at_ms": at_ms, "value": value})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row but what is noted of a source, its rhythm and last rate: a restart measures those anew."""
    with sqlite3.connect(path) as connection:
        found = {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("log", "state", "positions")
        }
    found["state"] = [row for row in found["state"] if not row[1].startswith((WATCHED, SOURCE_PREFIX))]
    return found


def play_and_kill(database: Path, file: Path, mode: str, choose: random.Random) -> int:
    """Kill the player in the middle of its work, start it again, and so on until it finishes."""
    command = [sys.executable, "-m", "tests.embedded.player", str(database), str(file), mode]
    kills, most = 0, COUNT // BATCH // 3
    while True:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as player:
            assert player.stdout is not None
            for _ in range(choose.randrange(1, most)):
                player.stdout.readline()
            time.sleep(choose.random() * 0.01)  # any moment of a batch or of its commit
            if kills < 4:
                player.kill()
                kills += 1
            else:
                player.communicate()
                assert player.returncode == 0
                return kills


@pytest.mark.parametrize("seed", [1, 2])
def test_going_on_from_where_it_was_leaves_no_trace_of_the_crash(tmp_path: Path, seed: int) -> None:
    """Windows, counters, alerts, dead letters, positions: every row of every table is the same."""
    file = messages(tmp_path / "messages.jsonl", seed)
    play(tmp_path / "whole.db", file, again=False)
    play_and_kill(tmp_path / "killed.db", file, "resume", random.Random(seed))
    whole, killed = content(tmp_path / "whole.db"), content(tmp_path / "killed.db")
    for table, rows in whole.items():
        assert killed[table] == rows, table
    told = {json.loads(row[4])["state"] for row in whole["log"] if row[0] == "alerts"}
    assert "firing" in told  # else it proves little


def test_starting_over_counts_nothing_twice(tmp_path: Path) -> None:
    """As when a file is replayed again into the same database: what is known is a repeat."""
    file = messages(tmp_path / "messages.jsonl", 3)
    play(tmp_path / "whole.db", file, again=True)
    play_and_kill(tmp_path / "killed.db", file, "again", random.Random(3))
    nodes = [Node(CONFIG, Database(tmp_path / name)) for name in ("whole.db", "killed.db")]
    whole, killed = ({each.scope: each.total_nusd for each in node.burn.figures()} for node in nodes)
    one, other = (node.meter.counters for node in nodes)
    assert killed == whole
    assert other.balanced
    assert (other.accepted_events, other.accepted_nusd) == (one.accepted_events, one.accepted_nusd)
    assert other.sent_events > one.sent_events
    for node in nodes:
        node.database.close()

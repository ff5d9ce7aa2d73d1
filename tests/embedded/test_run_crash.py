"""`burnline run` and `burnline replay` killed anywhere: what was confirmed is there, and nothing twice.

The sender does what senders must: it sends again whatever was not confirmed. The oracle is a node in memory
that takes what became durable, in that order, and never dies.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream.shell import crash
from stream.shell.embedded.node import COMMIT, RESTORE, SETTLE
from tests.embedded.running import ROOT, Batch, Running, alerts, verdict

STAGES = ("meter", "burn", "alerts")
INSIDE = [f"{stage}.{point}" for stage in STAGES for point in SETTLE] + [f"node.{point}" for point in COMMIT]
STARTING = [f"{stage}.{point}" for stage in STAGES for point in RESTORE]


def batches(count: int, seed: int = 1) -> list[Batch]:
    """The last half hour of three services, its end 45 times as dear; some is broken or known."""
    choose = random.Random(seed)
    start_ms = time.time_ns() // 1_000_000 - 1_800_000
    step_ms = 1_800_000 // (count * 4)
    made: list[Batch] = []
    for number in range(count):
        batch = []
        for place in range(4):
            seq = number * 4 + place
            rate = 20.0 if number < count * 2 // 3 else 900.0
            end_ms = start_ms + seq * step_ms
            estimate = {
                "start": end_ms - step_ms, "end": end_ms, "driver": "pod_hours",
                "cost_usd": f"{rate * choose.random():.{choose.choice([2, 9, 14])}f}",
                "labels": {"team": "pay", "service": f"s{choose.randrange(3)}"},
            }  # fmt: skip
            value = json.dumps({"source": "s", "epoch": 1, "seq": seq, "estimates": [estimate]}).encode()
            batch.append(value[:-5] if choose.random() < 0.1 else value)
        if made and choose.random() < 0.3:
            batch.append(made[-1][0])
        made.append(batch)
    return made


def fed_through(running: Running, points: list[str], count: int) -> list[Batch]:
    """Feed `count` batches, with a death at each of `points`; returns what became durable, in order."""
    due, durable, up = list(points), [], False
    for batch in batches(count):
        while True:
            if not up:
                point = due.pop(0) if due else ""
                up = running.start(point)
                if not up:
                    assert running.ended()[0] == crash.STATUS
                    continue
            if running.post(batch) == 202:
                durable.append(batch)
                break
            assert running.ended()[0] == crash.STATUS
            up = False
            if point == "node.after-commit":
                durable.append(batch)  # durable, but not confirmed: it comes again, as a duplicate
    assert not due and up
    assert running.stop() == 0
    return durable


def test_death_at_every_point_of_a_commit(tmp_path: Path) -> None:
    running = Running(tmp_path)
    durable = fed_through(running, INSIDE, 18)
    assert verdict(running, durable) == []
    assert {"firing", "escalated"} & {state for _, state in alerts(running.database)}, "else it proves little"


def test_death_at_every_point_of_a_restore(tmp_path: Path) -> None:
    running = Running(tmp_path)
    durable = fed_through(running, ["node.after-commit", *STARTING], 8)
    assert verdict(running, durable) == []


def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    """Where the sender can't know whether a batch became durable, either is right; the rest must be equal."""
    running, choose = Running(tmp_path), random.Random(5)
    durable: list[Batch] = []
    unsure: list[int] = []
    assert running.start()
    for number, batch in enumerate(batches(18, seed=2)):
        if number % 4 == 3:
            assert running.process is not None
            killer = subprocess.Popen(
                ["sh", "-c", f"sleep {choose.random() * 0.15:.3f}; kill -9 {running.process.pid}"]
            )
            while (status := running.post(batch)) == 202 and killer.poll() is None:
                durable.append(batch)
            killer.wait()
            running.ended()
            if status == 202:
                durable.append(batch)
            else:
                unsure.append(len(durable))
            assert running.start()
        assert running.post(batch) == 202
        durable.append(batch)
    assert running.stop() == 0
    whole = []
    for taken in range(2 ** len(unsure)):
        maybe = list(durable)
        for which, at in reversed(list(enumerate(unsure))):
            if taken >> which & 1:
                maybe.insert(at, durable[at])
        whole.append(verdict(running, maybe))
        if whole[-1] == []:
            break
    assert whole[-1] == []


@pytest.mark.parametrize("bug", ["commit-skipped", "commit-in-halves", "positions-not-stored"])
def test_a_planted_bug_is_seen(tmp_path: Path, bug: str) -> None:
    running = Running(tmp_path, bug)
    durable = fed_through(running, ["burn.after-state"], 6)
    assert verdict(running, durable) != []


def test_a_confirmation_before_the_commit_is_seen(tmp_path: Path) -> None:
    running = Running(tmp_path, "confirmed-too-early")
    assert running.start("node.before-commit")
    [one, two] = batches(2)
    assert running.post(one) == 202
    assert running.ended()[0] == crash.STATUS
    assert running.start() and running.post(two) == 202
    assert running.stop() == 0
    assert verdict(running, [one, two]) != []


def replayed(folder: Path, file: Path, crash_at: str = "") -> tuple[int, list[dict[str, object]]]:
    command = [
        sys.executable,
        "-m",
        "stream.cli.main",
        "replay",
        "--json",
        "--database",
        "spend.db",
        str(file),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BURNLINE_CRASH_AT": crash_at}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_replay_that_died_is_played_again(tmp_path: Path) -> None:
    file = tmp_path / "usage.jsonl"
    file.write_bytes(b"\n".join(value for batch in batches(30) for value in batch) + b"\n")
    (tmp_path / "whole").mkdir()
    _, [*_, whole] = replayed(tmp_path / "whole", file)
    for point in ("meter.after-state", "node.before-commit", "node.after-commit"):
        assert replayed(tmp_path, file, point)[0] == crash.STATUS
    status, [*_, again] = replayed(tmp_path, file)
    assert status == 0
    assert again["scopes_nusd"] == whole["scopes_nusd"]
    one, two = whole["identity"], again["identity"]
    assert isinstance(one, dict) and isinstance(two, dict)
    assert two["balanced"] and two["accepted"] == one["accepted"]
    assert two["accepted_nusd"] == one["accepted_nusd"]
    # A replay commits once a second: all of it, or the first second of a slow machine.
    assert one["sent"] < two["sent"] <= 2 * one["sent"], "what was committed before it died came again"
    told = alerts(tmp_path / "spend.db")
    assert sorted(told) == sorted(set(told)) == sorted(alerts(tmp_path / "whole" / "spend.db"))

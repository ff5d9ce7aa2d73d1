"""`burnline run` as a process that is fed by HTTP and dies, and what it should hold then."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np

from stream.config import Config
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from tests.services import free_ports

ROOT = Path(__file__).parents[2]
Batch = list[bytes]


class Running:
    """One node over `folder`/spend.db, again and again. `settings` are more of its configuration."""

    def __init__(self, folder: Path, bug: str = "none", **settings: object) -> None:
        self.database = folder / "spend.db"
        self.ports = dict(zip(("ingest", "serve", "metrics"), free_ports(3), strict=True))
        sections = {name: {"port": port} for name, port in self.ports.items()}
        budgets = [{"scope": "total", "monthly_usd": 1000}]
        whole = {"budgets": budgets, "embedded": {"database": str(self.database)}, **sections, **settings}
        self.config = folder / "burnline.yaml"
        self.config.write_text(json.dumps(whole))
        self.bug = bug
        self.said = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self, crash_at: str = "") -> bool:
        """Whether it came up."""
        command = [sys.executable, "-m", "tests.embedded.bugs", self.bug, "run", "-c", str(self.config)]
        environment = {**os.environ, "BURNLINE_CRASH_AT": crash_at}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("metrics"):
                return True
        return False

    def post(self, batch: Batch) -> int:
        """The answer's status; 0 when there was none."""
        request = Request(
            f"http://127.0.0.1:{self.ports['ingest']}/v1/usage",
            data=b"\n".join(batch),
            headers={"Content-Type": "application/x-ndjson"},
        )
        try:
            with urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            self.said = error.read().decode()
            return error.code
        except (URLError, OSError):
            return 0

    def ended(self) -> tuple[int, str]:
        """Wait for its end: its status, and what it said to standard error."""
        assert self.process is not None
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.ended()[0]


def verdict(running: Running, durable: list[Batch]) -> list[str]:
    """What differs in the database of a stopped node from one that took `durable` and never died."""
    oracle_path = running.database.with_name("oracle.db")
    oracle_path.unlink(missing_ok=True)
    config = Config.model_validate(json.loads(running.config.read_text()))
    oracle, found = Node(config, Database(oracle_path)), Node(config, Database(running.database))
    now_ms = time.time_ns() // 1_000_000
    for batch in durable:
        oracle.usage(batch, [now_ms] * len(batch))
        oracle.commit(now_ms)
    wrong = []
    if found.meter.counters != oracle.meter.counters:
        wrong.append(f"counters {found.meter.counters} instead of {oracle.meter.counters}")
    if not found.meter.counters.balanced:
        wrong.append("the identity does not hold")
    if _windows(found) != _windows(oracle):
        wrong.append("windows differ")
    positions = [node.database.position("meter", "usage") for node in (found, oracle)]
    if positions[0] != positions[1]:
        wrong.append(f"position {positions[0]} instead of {positions[1]}")
    told = alerts(running.database, found)
    if repeated := [each for each, times in Counter(told).items() if times > 1]:
        wrong.append(f"told more than once: {repeated}")
    for node in (oracle, found):
        node.database.close()
    return wrong


def alerts(path: Path, node: Node | None = None) -> list[tuple[str, str]]:
    """Every transition in the log: key and state."""
    if node is None:
        with closing(sqlite3.connect(path)) as connection:
            values = [row[0] for row in connection.execute("SELECT value FROM log WHERE topic = 'alerts'")]
    else:
        values = list(node.database.values("alerts"))
    return [(one["dedup_key"], one["state"]) for one in map(json.loads, values)]


def _windows(node: Node) -> dict[str, Any]:
    """Every bucket of every ring with money in it, and the total of every scope."""
    found: dict[str, Any] = {one.scope: one.total_nusd for one in node.burn.figures()}
    for group in (node.burn.windows.scopes, node.burn.windows.components):
        for name, series in group.ids.items():
            for ring in group.rings:
                buckets = np.arange(ring.tail, ring.head + 1)
                for bucket, nusd in zip(buckets.tolist(), ring.of(series, buckets).tolist(), strict=True):
                    if nusd:
                        found[f"{name!r} {ring.spec.width_s} {bucket}"] = nusd
    return found

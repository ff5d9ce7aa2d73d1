"""What people say of alerts is in the file, and the baseline goes by it after a start too."""

import json
from pathlib import Path

import pytest

from stream.config import Config
from stream.schema import commands, topics
from stream.schema.feedback import Feedback, Verdict
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node

HOUR_MS = 3_600_000
START_MS = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC
WEB = "service=shop/web"
CALM_H, RUNAWAY_H = 8, 9
SINCE_S, UNTIL_S = START_MS // 1000 + CALM_H * 3600, START_MS // 1000 + (CALM_H + RUNAWAY_H) * 3600


def spend(node: Node, hour: int, usd: float) -> None:
    """One hour of one service, told at its end."""
    start_ms = START_MS + hour * HOUR_MS
    labels = {"namespace": "shop", "service": "web"}
    estimate = {"start": start_ms, "end": start_ms + HOUR_MS, "driver": "pod_hours", "cost_usd": str(usd)}
    message = {"source": "s", "epoch": 1, "seq": hour, "estimates": [{**estimate, "labels": labels}]}
    node.usage([json.dumps(message).encode()], [start_ms + HOUR_MS])
    node.commit(start_ms + HOUR_MS)


def baseline(node: Node) -> float | None:
    [found] = [figures for figures in node.burn.figures() if figures.scope == WEB]
    return found.baseline_usd_per_hour


def test_a_verdict_reaches_the_baseline_at_once_and_after_a_start(tmp_path: Path) -> None:
    path = tmp_path / "spend.db"
    database = Database(path)
    node = Node(Config(), database)
    for hour in range(CALM_H):
        spend(node, hour, 10)
    for hour in range(CALM_H, CALM_H + RUNAWAY_H):
        spend(node, hour, 400)
    assert baseline(node) == pytest.approx(400)
    verdict = Feedback(
        id="f1", by="ana", made_s=UNTIL_S, alert=f"{WEB}@{SINCE_S}/page", verdict=Verdict.REAL, scope=WEB,
        since_s=SINCE_S, until_s=UNTIL_S, expires_s=UNTIL_S + 37 * 86_400,
    )  # fmt: skip
    node.append(topics.COMMANDS, commands.key(verdict), commands.encode(verdict), UNTIL_S * 1000)
    spend(node, CALM_H + RUNAWAY_H, 10)
    assert baseline(node) == pytest.approx(10)
    database.close()

    database = Database(path)
    node = Node(Config(), database)
    spend(node, CALM_H + RUNAWAY_H + 1, 10)
    assert baseline(node) == pytest.approx(10)
    database.close()

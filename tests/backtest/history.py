"""Small histories: a shop of three services, by the hour or by the minute."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from stream.backtest.play import Backtest
from stream.backtest.thresholds import SCALES
from stream.collect.formats import open_reading
from stream.config import Config
from stream.schema import topics
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from stream.shell.embedded.replay import Replay

MONDAY_S = 1_790_553_600  # 2026-09-28T00:00:00Z
SERVICES = (
    ("payments", "shop", "checkout", 12.0),
    ("payments", "shop", "cart", 5.0),
    ("data", "lake", "etl", 3.0),
)
Factor = Callable[[str, float], float]  # of a service at an hour since MONDAY_S


def usage(folder: Path, hours: int, step_s: int, factor: Factor, name: str = "usage.jsonl") -> Path:
    """JSON lines of `hours` in samples of `step_s`, with a season, a little noise and what `factor` adds."""
    path = folder / name
    with path.open("wb") as file:
        for seq, start_s in enumerate(range(MONDAY_S, MONDAY_S + hours * 3600, step_s)):
            estimates = list(_estimates(seq, start_s, step_s, factor))
            envelope = {"source": "shop", "epoch": 1, "seq": seq, "estimates": estimates}
            file.write(msgspec.json.encode(envelope) + b"\n")
    return path


def _estimates(seq: int, start_s: int, step_s: int, factor: Factor) -> Iterator[dict[str, object]]:
    noise = np.random.default_rng(seq).uniform(0.95, 1.05, len(SERVICES))
    hour = (start_s - MONDAY_S) / 3600
    for (team, namespace, service, rate), luck in zip(SERVICES, noise, strict=True):
        season = 1 + 0.2 * math.sin(hour / 24 * 2 * math.pi)
        usd = float(rate * season * luck * factor(service, hour) * step_s / 3600)
        yield {
            "start": start_s * 1000,
            "end": (start_s + step_s) * 1000,
            "driver": "pod_hours",
            "quantity": round(usd * 20, 6),
            "cost_usd": f"{usd:.9f}",
            "labels": {"team": team, "namespace": namespace, "service": service},
        }


def played(paths: Sequence[Path], config: Config, *, sweep: bool = True) -> Backtest:
    backtest = Backtest(config, SCALES if sweep else ())
    for path in paths:
        for item in open_reading(path):
            backtest.play(path.name, item)
    backtest.close()
    return backtest


def live(path: Path, config: Config, folder: Path) -> list[bytes]:
    """What a node over a database writes to `alerts` when it gets the same records at the same times."""
    node = Node(config, Database(folder / "live.db"))
    player = Replay(node, clock=None)
    for _ in player.feed(path.name, open_reading(path)):
        pass
    player.commit()
    records = list(node.database.values(topics.ALERTS))
    node.database.close()
    return records

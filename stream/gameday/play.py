"""One scenario through the real stages: history first, then what happens, then what was said of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from stream.config import Config
from stream.demo.estate import Estate, Message
from stream.demo.season import HOUR_MS
from stream.gameday.world import DAY_MS, MONDAY_MS, Case, World
from stream.schema import deploys, topics
from stream.schema.alerts import Alert, State
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node

# Looked at every 5 minutes, as when catching up; every 10 s from shortly before it begins.
DUE_MS: Final = 300_000
LEAD_MS: Final = 2 * HOUR_MS
CLOSE_MS: Final = 20 * 60_000
SAMPLE_S: Final = 60
HISTORY_SAMPLE_S: Final = 3600
MINUTES_MS: Final = 26 * HOUR_MS
BUDGET_HOURS: Final = 730
BUDGET_MARGIN: Final = 1.15


def configuration(world: World, case: Case | None = None) -> Config:
    """As a careful team would have it: budgets 15 % over what is normal, all else as it comes."""
    usd = world.usd_by_service(None, MONDAY_MS - 7 * DAY_MS, MONDAY_MS, HISTORY_SAMPLE_S).sum(axis=0) / 168
    normal = {"total": float(usd.sum())}
    for service, rate in zip(world.services, usd.tolist(), strict=True):
        normal[f"team={service.team}"] = normal.get(f"team={service.team}", 0.0) + rate
    budgets = [
        {"scope": scope, "monthly_usd": round(rate * BUDGET_HOURS * BUDGET_MARGIN)}
        for scope, rate in normal.items()
    ]
    return Config.model_validate({"budgets": budgets, **(case.config if case else {})})


def played(world: World, case: Case, database: Path) -> list[Alert]:
    """Every transition that people would see, in order. The database must be new."""
    node = Node(configuration(world, case), Database(database))
    lead_ms = (case.begin_ms - LEAD_MS) // DUE_MS * DUE_MS
    estate = world.estate(case)  # one for all, since its sources count what they send
    _live_through(node, estate, world.start_ms, lead_ms)
    calm_ms = max(lead_ms, (case.begin_ms - CLOSE_MS) // DUE_MS * DUE_MS)
    pending = _deploys(estate, case, lead_ms)
    told: list[Alert] = []
    for start_ms, end_ms, sample_s, step_ms in (
        (lead_ms, calm_ms, SAMPLE_S, DUE_MS),
        (calm_ms, case.play_ms, case.step_s, DUE_MS if case.step_s == SAMPLE_S else case.step_s * 1000),
    ):
        whole_ms = end_ms - (end_ms - start_ms) % (sample_s * 1000)
        for at_ms in range(start_ms, whole_ms, step_ms):
            until_ms = min(at_ms + step_ms, whole_ms)
            while pending and pending[0].time_s * 1000 < until_ms:
                node.append(topics.DEPLOYS, None, deploys.encode(pending.pop(0)), until_ms)
            messages = sorted(_sent(estate, case, at_ms, until_ms, sample_s))
            node.usage([each.value for each in messages], [each.arrival_ms for each in messages])
            told += node.commit(max([until_ms, *(each.arrival_ms for each in messages)]))
    node.database.close()
    return [alert for alert in told if alert.state != State.PENDING]


def _live_through(node: Node, estate: Estate, start_ms: int, until_ms: int) -> None:
    """Five weeks of normal life, in whole hours but for the last day: from its minutes the spread within an
    hour is learnt. None of it is judged; that is as if burnline had been given it to begin with."""
    minutes_ms = (until_ms - MINUTES_MS) // HOUR_MS * HOUR_MS
    for first_ms, end_ms, step_s in (
        (start_ms, minutes_ms, HISTORY_SAMPLE_S),
        (minutes_ms, until_ms, SAMPLE_S),
    ):
        messages = list(estate.messages(first_ms, end_ms, step_s))
        node.usage([each.value for each in messages], [each.arrival_ms for each in messages])
        node.commit(end_ms)


def _deploys(estate: Estate, case: Case, start_ms: int) -> list[deploys.Deploy]:
    found = estate.deploys(start_ms - DAY_MS, case.play_ms)
    if case.deploy is not None:
        found.append(case.deploy)
    return sorted(found, key=lambda deploy: deploy.time_s)


def _sent(estate: Estate, case: Case, start_ms: int, end_ms: int, sample_s: int) -> Iterator[Message]:
    for message in estate.messages(start_ms, end_ms, sample_s):
        begun = message.arrival_ms >= case.begin_ms
        if begun and message.source == case.silent:
            continue
        yield message
        if begun and message.source == case.repeated:
            yield message._replace(value=_from_another(message.value))


def _from_another(value: bytes) -> bytes:
    """The same estimates, sent by a second exporter."""
    envelope = msgspec.json.decode(value)
    return msgspec.json.encode(envelope | {"source": f"{envelope['source']}-b"})

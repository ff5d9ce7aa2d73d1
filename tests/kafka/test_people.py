"""What people say reaches the burn stages and the replicas through Kafka, and is there after a restart."""

import asyncio

import pytest

from stream.burn.people import TOPICS
from stream.burn.stage import Burn
from stream.config import Kafka
from stream.schema import commands, topics
from stream.schema.feedback import Feedback, Verdict
from stream.shell.kafka.agents import heed
from stream.shell.kafka.informed import InformedService
from stream.shell.kafka.partition import Hooks
from stream.shell.kafka.process import burn_kind
from tests.burn.rig import START, WEB, estate, record
from tests.kafka.test_serve import configured, serving
from tests.kafka.test_services import put, running, until

HOUR = 3600
T = START + 8 * HOUR
END = T + 9 * HOUR
VERDICT = Feedback(
    id="f1", by="ana", made_s=END, alert=f"{WEB}@{T}/page", verdict=Verdict.REAL, scope=WEB, since_s=T,
    until_s=END, expires_s=END + 86_400,
)  # fmt: skip


def burn(cluster: Kafka, hooks: Hooks) -> InformedService:
    return InformedService(cluster, burn_kind(configured(cluster)), hooks, told=TOPICS, tell=heed)


def baseline(stages: list[Burn], evaluated_s: int) -> float | None:
    """What is normal for the scope, when everything up to then is judged."""
    found = [
        figures.baseline_usd_per_hour
        for stage in stages
        if stage.evaluated_s == evaluated_s
        for figures in stage.figures()
        if figures.scope == WEB
    ]
    return found[0] if found else None


async def spend(cluster: Kafka, from_s: int, until_s: int, rate: float) -> None:
    step_s = min(1800, until_s - from_s)
    records = [
        record(at_s + step_s, *estate(at_s, at_s + step_s, {WEB: rate}))
        for at_s in range(from_s, until_s, step_s)
    ]
    await put(cluster, topics.SPEND, records)


async def test_a_verdict_reaches_the_baseline_and_outlives_the_process(cluster: Kafka) -> None:
    hooks = Hooks(), Hooks()
    serve = serving(cluster)

    def seen_by(hook: Hooks) -> tuple[list[Burn], list[Burn]]:
        own = [stage for stage in hook.stages["burn"]().values() if isinstance(stage, Burn)]
        return own, list(serve.replica.burns())

    def own_says(hook: Hooks, evaluated_s: int) -> float | None:
        return baseline(seen_by(hook)[0], evaluated_s)

    async def all_say(hook: Hooks, evaluated_s: int, usd_per_hour: float) -> None:
        wanted = pytest.approx(usd_per_hour)
        await until(lambda: all(baseline(stages, evaluated_s) == wanted for stages in seen_by(hook)))

    async with running(serve):
        async with running(burn(cluster, hooks[0])):
            await spend(cluster, START, T, 10)
            await spend(cluster, T, END, 400)
            await all_say(hooks[0], END, 400)
            await put(cluster, topics.COMMANDS, [b"no command", commands.encode(VERDICT)], b"feedback/f1")
            await until(lambda: VERDICT in serve.replica.commands())
            # The side input is no part of the order of the stage's own: it is heard at some look soon.
            end_s = END
            while own_says(hooks[0], end_s) != pytest.approx(10):
                end_s += 60
                await spend(cluster, end_s - 60, end_s, 400)
                while own_says(hooks[0], end_s) is None:
                    await asyncio.sleep(0.05)
            await all_say(hooks[0], end_s, 10)
        late = serving(cluster)
        async with running(burn(cluster, hooks[1]), late):
            await spend(cluster, end_s, end_s + 60, 400)
            await all_say(hooks[1], end_s + 60, 10)
            await until(lambda: baseline(list(late.replica.burns()), end_s + 60) == pytest.approx(10))

"""What people ask for, through Kafka: from HTTP or the topic itself to the alerts stage and back."""

import time
from typing import Any

import msgspec
from aiokafka import TopicPartition

from stream.config import Kafka
from stream.schema import alerts, commands, dead_letters, signals, topics
from stream.schema.alerts import Alert, State
from stream.schema.commands import Maintenance, Match
from stream.shell.kafka.partition import Hooks
from stream.shell.kafka.process import alerts_kind
from stream.shell.kafka.serve import ServeService
from stream.shell.kafka.service import StageService
from tests.alerts.estate import evaluation, signal
from tests.kafka.conftest import committed
from tests.kafka.test_serve import client, configured, serving
from tests.kafka.test_services import put, running, until

CHECKOUT, CART = "service=shop/checkout", "service=shop/cart"


def stage(cluster: Kafka) -> StageService:
    return StageService(cluster, alerts_kind(configured(cluster)), Hooks())


def active(serve: ServeService, scope: str) -> Alert | None:
    found = [alert for alert in serve.replica.alerting().active() if alert.scope == scope]
    return found[0] if found else None


async def say(cluster: Kafka, time_s: int, *said: Any) -> None:
    await put(cluster, topics.SIGNALS, [signals.encode(evaluation(time_s, *said))])


async def sent(cluster: Kafka, topic: str) -> list[bytes]:
    return [one.value for one in await committed(cluster, [TopicPartition(cluster.topic_prefix + topic, 0)])]


async def test_what_people_ask_for_takes_effect_and_survives_a_restart(cluster: Kafka) -> None:
    now_s = int(time.time()) // 10 * 10
    serve = serving(cluster)
    async with running(serve):
        async with running(stage(cluster)), client(serve.ports[1]) as api:
            for later_s in (0, 10, 20):
                await say(cluster, now_s + later_s, signal(CHECKOUT))
            await until(
                lambda: (found := active(serve, CHECKOUT)) is not None and found.state == State.FIRING
            )

            async with api.post(
                "/api/v1/alerts/acknowledge", json={"alert": CHECKOUT, "by": "ana"}
            ) as answer:
                assert answer.status == 201
            async with api.get("/api/v1/commands") as answer:
                assert [one["by"] for one in (await answer.json())["commands"]] == ["ana"]
            await until(
                lambda: (found := active(serve, CHECKOUT)) is not None and found.state == State.ACKNOWLEDGED
            )

            window = Maintenance(
                id="w",
                by="ci",
                made_s=now_s,
                match=Match(scopes=(CART,)),
                since_s=now_s,
                until_s=now_s + 9000,
            )
            bad = b'{"kind": "maintenance"}'
            await put(cluster, topics.COMMANDS, [bad, b"", commands.encode(window)], commands.key(window))
            await until(lambda: window in serve.replica.alerting().commands())
            for later_s in (30, 40, 50, 60):
                await say(cluster, now_s + later_s, signal(CART))
            await until(lambda: [one.held.id for one in serve.replica.alerting().held_back()] == ["w"])

        async with running(stage(cluster)):
            await say(cluster, now_s + 70, signal(CHECKOUT), signal(CART))
            await until(lambda: serve.replica.alerting().now_s == now_s + 70)
            found = active(serve, CHECKOUT)
            assert found is not None
            assert found.acknowledged is not None
            ended = msgspec.structs.replace(window, ended_s=now_s, ended_by="ci")
            await put(cluster, topics.COMMANDS, [commands.encode(ended)], commands.key(ended))
            await until(lambda: ended in serve.replica.alerting().commands())
            await say(cluster, now_s + 80)
            await until(lambda: not serve.replica.alerting().held_back())
    told = [alerts.decode(value) for value in await sent(cluster, topics.ALERTS)]
    assert [(one.scope, one.state) for one in told if one.digest is None] == [
        (CHECKOUT, State.FIRING), (CHECKOUT, State.ACKNOWLEDGED),
    ]  # fmt: skip
    [report] = [one for one in told if one.digest is not None]
    assert report.dedup_key.startswith("maintenance/w@")
    letters = [dead_letters.decode(value) for value in await sent(cluster, topics.DEAD_LETTERS)]
    assert [(one.topic, one.original_bytes) for one in letters] == [("commands", len(bad)), ("commands", 0)]


async def test_dead_letters_are_seen_through_the_api(cluster: Kafka) -> None:
    serve = serving(cluster)
    async with running(serve, stage(cluster)), client(serve.ports[1]) as api:
        await put(cluster, topics.COMMANDS, [b"{broken", b'{"kind": "plan"}'])
        found: dict[str, Any] = {"letters": []}
        while len(found["letters"]) < 2:
            async with api.get("/api/v1/dead-letters?reason=any") as answer:
                found = await answer.json()
    assert sum(found["counts"].values()) == 2
    assert [(one["topic"], one["original_bytes"]) for one in found["letters"]] == [
        ("commands", 7),
        ("commands", 16),
    ]

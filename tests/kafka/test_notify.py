"""What notify keeps and tells on Kafka: proof and threads over restarts, refusals, alarms, heartbeats."""

import asyncio
import time
from typing import Any

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from stream.config import Config, Kafka
from stream.config_notify import AnyDestination, Heartbeat, Notify, Slack, Webhook
from stream.metrics import Metrics
from stream.schema import alerts, dead_letters, notify_state, signals, topics
from stream.schema.alerts import Alert
from stream.schema.notify_state import Proof
from stream.schema.signals import Evaluation
from stream.shell.kafka import state
from stream.shell.kafka.heartbeat import HeartbeatService
from stream.shell.kafka.notify import NotifyService
from stream.shell.kafka.partition import Hooks
from stream.shell.kafka.process import alerts_kind
from stream.shell.kafka.service import StageService
from tests.kafka.test_services import put, running, until
from tests.notify.pages import RUNAWAY, alert, resolution
from tests.notify.receiver import Receiver, answer
from tests.notify.services import SlackServer


def service(cluster: Kafka, destination: AnyDestination, **rules: int) -> NotifyService:
    settings = Notify.model_validate({"destinations": [destination.model_dump()], **rules})
    everything = Config(kafka=cluster, notify=settings.model_copy(update={"destinations": (destination,)}))
    return NotifyService(everything, destination, Metrics(CollectorRegistry()))


async def tell(cluster: Kafka, *told: Alert) -> None:
    await put(cluster, topics.ALERTS, [alerts.encode(each) for each in told])


async def records(cluster: Kafka, topic: str) -> list[Any]:
    source = TopicPartition(cluster.topic_prefix + topic, 0)
    async with state.committed_reader(cluster) as reader:
        return [record async for record in state.history(reader, source)]


async def proof_of(cluster: Kafka, name: str) -> Proof | None:
    found = [
        one for one in await records(cluster, topics.NOTIFY_STATE) if one.key == f"{name}/proof".encode()
    ]
    return notify_state.decode(found[-1].value) if found else None


async def test_threads_and_proof_survive_a_restart(cluster: Kafka) -> None:
    async with SlackServer() as slack:
        bot = Slack.model_validate(
            {"api_url": f"{slack.base}/api", "token": "xoxb-good", "channel": "C0123456789"}
        )
        async with running(service(cluster, bot)):
            await tell(cluster, RUNAWAY)
            await until(lambda: len(slack.messages) == 1)
            while (proof := await proof_of(cluster, "slack")) is None or proof.proven_ms is None:
                await asyncio.sleep(0.1)
        async with running(service(cluster, bot)):
            await tell(cluster, resolution(RUNAWAY))
            await until(lambda: bool(slack.threads))
    assert len(slack.messages) == 1
    assert await proof_of(cluster, "slack") is not None


async def test_what_is_refused_is_a_dead_letter_and_a_test_has_its_outcome(cluster: Kafka) -> None:
    first = alert(dedup_key="first/page")
    trial = alert(about="test", destination="webhook", dedup_key="test/1")
    async with Receiver() as receiver, running(service(cluster, Webhook(url=receiver.url))):
        await tell(cluster, first)  # a test that comes before the topic is owned is history
        await until(lambda: len(receiver.taken) == 1)
        receiver.script.append(answer(422))
        await tell(cluster, RUNAWAY, trial)
        await until(lambda: len(receiver.taken) == 3)
        while (proof := await proof_of(cluster, "webhook")) is None or proof.trial is None:
            await asyncio.sleep(0.1)
    [letter] = [dead_letters.decode(one.value) for one in await records(cluster, topics.DEAD_LETTERS)]
    assert (letter.topic, letter.offset, letter.reason) == ("alerts", 1, "undeliverable")
    assert letter.detail == "webhook: 422 no thanks"
    assert proof.trial.id == "test/1" and proof.trial.taken
    assert receiver.taken == [("firing", "first/page"), ("firing", "test/1"), ("resolved", "test/1")]


async def test_the_others_are_told_of_one_that_takes_nothing(cluster: Kafka) -> None:
    async with Receiver(*[answer(401)] * 1000) as locked, Receiver() as other:
        one = service(cluster, Webhook(name="locked", url=locked.url), alarm_after_s=0)
        two = service(cluster, Webhook(name="other", url=other.url))
        async with running(one, two):
            await tell(cluster, RUNAWAY)
            await until(lambda: len(other.taken) == 2)
    assert other.taken[0] == ("firing", RUNAWAY.dedup_key)
    event, key = other.taken[1]
    assert event == "firing" and key.startswith("delivery/locked@") and key.endswith("/failing")
    assert locked.taken == []


async def test_the_owner_of_the_alerts_stage_beats_while_spend_is_judged(cluster: Kafka) -> None:
    hooks, metrics = Hooks(), Metrics(CollectorRegistry())
    async with Receiver() as outside:
        beat = Heartbeat.model_validate({"url": outside.url, "every_s": 1, "stale_after_s": 30})
        heart = HeartbeatService(Notify(), beat, hooks, metrics)
        stage = StageService(cluster, alerts_kind(Config(kafka=cluster)), hooks)
        async with running(stage, heart):
            assert outside.received == [], "it owns nothing yet"
            for partition in range(cluster.spend_partitions):
                evaluation = Evaluation(
                    partition=partition,
                    partitions=cluster.spend_partitions,
                    time_s=int(time.time()),
                    emitted_ms=time.time_ns() // 1_000_000,
                )
                await put(cluster, topics.SIGNALS, [signals.encode(evaluation)])
            await until(lambda: len(outside.received) >= 2)

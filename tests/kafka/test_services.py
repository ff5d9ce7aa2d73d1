"""The services around the stages: who owns what, side inputs, notifications, what was aborted."""

import asyncio
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer, TopicPartition
from mode import Service
from prometheus_client import CollectorRegistry

from stream import config, config_notify
from stream.config import Kafka
from stream.meter.stage import Meter
from stream.metrics import Metrics
from stream.schema import alerts, calibrations, topics
from stream.schema.alerts import Alert, Severity, State
from stream.schema.calibrations import Calibration
from stream.shell.kafka import state
from stream.shell.kafka.meter import MeterService
from stream.shell.kafka.notify import NotifyService
from stream.shell.kafka.partition import Hooks, Kind, now_ms
from stream.shell.kafka.process import alerts_kind, meter_kind
from stream.shell.kafka.service import StageService
from stream.shell.kafka.transactions import PartitionWriter
from stream.stage import Commit, Stage, StateRow
from tests.kafka.conftest import SESSION_S, Log, committed
from tests.kafka.toy import METER, Toy, Worker, record

TWO_TOPICS = Kind("alerts", (topics.SIGNALS, topics.DEPLOYS), topics.ALERT_STATE, lambda _: Toy())


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for service in services:
            await service.start()
            stack.push_async_callback(service.stop)
        watching = asyncio.create_task(_fail_when_crashed(services, asyncio.current_task()))
        stack.callback(watching.cancel)
        yield
    for service in services:
        assert not service.crashed, service.crash_reason


async def _fail_when_crashed(services: Sequence[Service], test: Any) -> None:
    while not any(service.crashed for service in services):
        await asyncio.sleep(0.1)
    test.cancel("a service crashed")


async def until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0.05)


async def put(
    kafka: Kafka,
    topic: str,
    values: Sequence[bytes],
    key: bytes = b"key",
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(kafka.topic_prefix + topic, value, key, headers=list(headers))
    finally:
        await producer.stop()


async def test_a_cloud_event_in_binary_mode_is_read_with_its_headers(cluster: Kafka) -> None:
    attributes = {"specversion": "1.0", "id": "914", "source": "/ci", "type": "deploy"}
    attributes["time"] = dt.datetime.now(dt.UTC).isoformat()
    named = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    deploy = b'{"what": "checkout 2.14.1", "labels": {"service": "checkout"}}'
    await put(cluster, topics.DEPLOYS, [deploy], headers=[*named, ("content-type", b"application/json")])
    state = TopicPartition(cluster.topic_prefix + topics.ALERT_STATE, 0)
    async with running(StageService(cluster, alerts_kind(config.Config(kafka=cluster)), Hooks())):
        while not (
            rows := [row for row in await committed(cluster, [state]) if row.key.startswith(b"deploy")]
        ):
            await asyncio.sleep(0.1)
    [row] = rows
    assert row.key == b"deploy/id//ci 914"
    assert json.loads(row.value)["what"] == "checkout 2.14.1"


async def test_a_stage_over_two_topics_owns_both_and_in_one_process(cluster: Kafka) -> None:
    hooks = Hooks(), Hooks()
    await put(cluster, topics.SIGNALS, [record("signal", 1)])
    await put(cluster, topics.DEPLOYS, [record("deploy", 1)])

    def counted() -> bool:
        owned = [stage for one in hooks for stage in one.stages["alerts"]().values()]
        return [isinstance(stage, Toy) and len(stage.count) for stage in owned] == [2]

    first, second = (StageService(cluster, TWO_TOPICS, one) for one in hooks)
    async with running(first, second):
        await until(counted)
        await first.stop()
        await until(lambda: bool(hooks[1].stages["alerts"]()) and counted())
    state = TopicPartition(cluster.topic_prefix + topics.ALERT_STATE, 0)
    assert sorted(json.loads(row.value) for row in await committed(cluster, [state])) == [
        ["deploy", 1, 1],
        ["signal", 1, 1],
    ]


async def test_leaving_ends_with_a_last_commit(log: Log) -> None:
    """Asked to share and then to stop, long before the next commit is due."""
    rarely = log.kafka.model_copy(update={"commit_every_s": 3600})
    hooks = Hooks(), Hooks()
    gone: list[Stage] = []
    hooks[0].on_disown.append(gone.append)

    def counted() -> int:
        stages = [stage for one in hooks for stage in one.stages["meter"]().values()]
        return sum(stage.count.total() for stage in stages if isinstance(stage, Toy))

    first, second = (StageService(rarely, METER, one) for one in hooks)
    await log.send(100)
    async with running(first):
        await until(lambda: counted() == 100)
        async with running(second):
            await until(lambda: len(gone) == 2 and counted() == 100)
            assert await log.totals(topics.METER_STATE) == (log.sent_nusd, log.sent)
            await log.send(100)
            await until(lambda: counted() == 200)
    assert await log.totals(topics.METER_STATE) == (log.sent_nusd, log.sent)


class Laborious(Toy):
    """Restoring keeps Python busy for two sessions."""

    def restore(self, rows: Iterable[StateRow]) -> None:
        super().restore(rows)
        end_s = time.monotonic() + 2 * SESSION_S
        while time.monotonic() < end_s:
            pass


async def test_a_restore_or_a_commit_longer_than_the_session_does_not_cost_the_partitions(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = Hooks()
    gone: list[Stage] = []
    hooks.on_disown.append(gone.append)
    commit = PartitionWriter.commit

    async def slow(writer: PartitionWriter, what: Commit) -> None:
        await asyncio.sleep(2 * SESSION_S)
        await commit(writer, what)

    monkeypatch.setattr(PartitionWriter, "commit", slow)
    await log.send(100)
    async with running(
        StageService(log.kafka, replace(METER, make=lambda _: Laborious(topics.SPEND)), hooks)
    ):
        await log.arrived(topics.METER_STATE)
        assert not gone
    assert await log.totals(topics.METER_STATE) == (log.sent_nusd, log.sent)


async def test_what_was_aborted_is_read_by_neither_stage(log: Log, worker: Callable[..., Worker]) -> None:
    aborting = AIOKafkaProducer(bootstrap_servers=log.kafka.bootstrap, transactional_id="aborting")
    await aborting.start()
    await aborting.begin_transaction()
    for topic in (topics.USAGE, topics.SPEND):
        await aborting.send_and_wait(log.kafka.topic_prefix + topic, record("key-0", 10**9), partition=0)
    await aborting.abort_transaction()
    await aborting.stop()
    await log.send(100)
    worker()
    await log.check()


async def test_a_meter_knows_every_calibration_before_its_first_estimate(cluster: Kafka) -> None:
    calibration = Calibration(
        provider="aws",
        account="42",
        service="eks",
        factor="1.5000",
        measured="1.5000",
        spread="0.0100",
        days=10,
        first_day="2026-01-01",
        last_day="2026-01-10",
        computed_ms=0,
    )
    end = now_ms()  # an estimate that is too old for the log's clock would be rejected
    estimate = {"start": end - 10_000, "end": end, "driver": "pod_hours", "quantity": 1}
    usage = {
        "source": "test",
        "epoch": 1,
        "seq": 1,
        "labels": {"provider": "aws", "account": "42", "service": "eks"},
        "estimates": [estimate | {"cost_usd": "2"}],
    }
    hooks = Hooks()
    accepted: list[int] = []

    def note(stage: Stage, *_: object) -> None:
        assert isinstance(stage, Meter)
        accepted.append(stage.counters.accepted_nusd)

    hooks.on_commit.append(note)
    await put(cluster, topics.CALIBRATIONS, [calibrations.encode(calibration)])
    await put(cluster, topics.USAGE, [json.dumps(usage).encode()])
    made = meter_kind(config.Config(kafka=cluster))
    async with running(MeterService(cluster, made, hooks)):
        await until(lambda: any(accepted))
    assert max(accepted) == 3_000_000_000


def alert(key: str, state: State, previous: str | None = None) -> bytes:
    zero = dict.fromkeys(
        ("time_s", "onset_s", "fired_s", "excess_nusd", "month_to_date_nusd", "spent_ms", "emitted_ms"), 0
    )
    none = dict.fromkeys(
        (
            "resolved_s",
            "baseline_usd_per_hour",
            "projection_usd",
            "projection_low_usd",
            "projection_high_usd",
            "budget_usd",
            "budget_exhaustion_s",
            "blame",
        )
    )
    text = dict.fromkeys(
        ("tier", "scope", "summary", "reason", "baseline_kind", "runbook_url", "console_url"), "text"
    )
    empty = dict.fromkeys(("detectors", "drivers", "children", "attached"), ())
    fields: dict[str, Any] = zero | none | text | empty
    return alerts.encode(
        Alert(
            dedup_key=key,
            previous_key=previous,
            state=state,
            severity=Severity.PAGE,
            labels={},
            burn_usd_per_hour=0.0,
            calibration=1.0,
            **fields,
        )
    )


@pytest.fixture
async def inbox() -> AsyncIterator[tuple[str, list[str]]]:
    """A receiver of webhooks: its URL, and `key state` of what came."""
    came: list[str] = []

    async def take(request: web.Request) -> web.Response:
        came.append(await request.text())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", came
    await runner.cleanup()


async def test_alerts_are_delivered_in_order_and_go_on_where_they_stopped(
    cluster: Kafka, inbox: tuple[str, list[str]]
) -> None:
    url, came = inbox
    settings = config_notify.Notify(destinations=(config_notify.Webhook(url=url),))

    def service() -> NotifyService:
        everything = config.Config(kafka=cluster, notify=settings)
        return NotifyService(everything, settings.destinations[0], Metrics(CollectorRegistry()))

    history = [alert("old", State.FIRING), alert("old", State.RESOLVED), alert("now", State.FIRING)]
    await put(cluster, topics.ALERTS, history)
    async with running(service()):
        await until(lambda: len(came) == 1)
        await put(cluster, topics.ALERTS, [alert("next", State.FIRING), alert("next", State.RESOLVED)])
        await until(lambda: len(came) == 3)
    await put(cluster, topics.ALERTS, [alert("last", State.FIRING)])
    async with running(service()):
        await until(lambda: len(came) == 4)
    # A new destination hears what fires now ("now"), not what was over before it came ("old").
    assert [next(key for key in ("old", "now", "next", "last") if f'"{key}"' in text) for text in came] == [
        "now",
        "next",
        "next",
        "last",
    ]


async def test_a_new_destination_that_is_stopped_while_it_is_welcomed_misses_no_end(
    cluster: Kafka, inbox: tuple[str, list[str]]
) -> None:
    """It was told that "now" fires, then its process ended; "now" was over before the next one started."""
    url, came = inbox
    away = config_notify.Notify(
        destinations=(config_notify.Webhook(url="http://127.0.0.1:1/"),), timeout_s=1
    )  # same name, so the same destination

    def service(settings: config_notify.Notify) -> NotifyService:
        everything = config.Config(kafka=cluster, notify=settings)
        return NotifyService(everything, settings.destinations[0], Metrics(CollectorRegistry()))

    async def welcoming() -> bool:
        source = TopicPartition(cluster.topic_prefix + topics.ALERTS, 0)
        found = (await state.committed(cluster, f"{cluster.group}-notify-webhook", [source]))[source]
        return found is not None

    await put(cluster, topics.ALERTS, [alert("now", State.FIRING)])
    async with running(service(away)):
        while not await welcoming():
            await asyncio.sleep(0.1)
    await put(cluster, topics.ALERTS, [alert("now", State.RESOLVED)])
    async with running(service(config_notify.Notify(destinations=(config_notify.Webhook(url=url),)))):
        await until(lambda: len(came) == 2)
    assert [json.loads(text)["alert"]["state"] for text in came] == ["firing", "resolved"]

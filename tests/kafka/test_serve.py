"""`burnline serve` on Kafka: a replica that is never wrong, and a way in that loses nothing."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from prometheus_client import CollectorRegistry

from stream.config import Config, Http, Kafka
from stream.metrics import Metrics
from stream.schema import incidents, topics, windows
from stream.schema.incidents import Incident
from stream.shell.kafka.follow import Settled
from stream.shell.kafka.meter import MeterService
from stream.shell.kafka.partition import Hooks, now_ms
from stream.shell.kafka.process import alerts_kind, burn_kind, meter_kind
from stream.shell.kafka.serve import ServeService, key_of
from stream.shell.kafka.service import StageService
from stream.shell.kafka.topics import create
from tests.kafka.conftest import committed
from tests.kafka.test_services import running, until
from tests.services import KafkaServer, free_ports

BURNLINE = Path(sys.executable).parent / "burnline"


def configured(kafka: Kafka) -> Config:
    return Config(kafka=kafka, ingest=Http(port=0), serve=Http(port=0))


def serving(kafka: Kafka) -> ServeService:
    return ServeService(configured(kafka), Metrics(CollectorRegistry()))


def meter(kafka: Kafka) -> MeterService:
    return MeterService(kafka, meter_kind(configured(kafka)), Hooks())


def worker(kafka: Kafka) -> tuple[StageService, StageService]:
    """Burn and alerts, without Faust."""
    config = configured(kafka)
    return tuple(StageService(kafka, kind(config), Hooks()) for kind in (burn_kind, alerts_kind))  # type: ignore[return-value]


def usage(seq: int, sources: int = 4) -> list[bytes]:
    """One message of each source: two services that spend 0.25 and 0.50 USD in the last 10 s."""
    end_ms = now_ms()
    estimates = [
        {"start": end_ms - 10_000, "end": end_ms, "driver": "pod_hours", "cost_usd": usd, "labels": labels}
        for usd, labels in (
            ("0.25", {"namespace": "shop", "service": "cart"}),
            ("0.50", {"namespace": "shop", "service": "web"}),
        )
    ]
    return [
        json.dumps({"source": f"source-{n}", "epoch": 1, "seq": seq, "estimates": estimates}).encode()
        for n in range(sources)
    ]


def total_nusd(serve: ServeService) -> int:
    """Everything ever spent, as the stages count it, also in buckets that are still open."""
    return sum(
        int(burn.windows.scopes.total_nusd[burn.windows.scope_names.index("total")])
        for burn in serve.replica.burns()
        if "total" in burn.windows.scope_names
    )


async def test_replicas_that_start_at_any_time_hold_the_same_totals(cluster: Kafka) -> None:
    first = serving(cluster)
    async with running(first, meter(cluster), *worker(cluster)):
        for seq in range(5):
            await first.accept(topics.USAGE, usage(seq))
            await asyncio.sleep(0.5)
        await until(lambda: total_nusd(first) == 15 * 10**9)
        second = serving(cluster)
        async with running(second):
            # Restored from the state of the worker and not only followed: it is not done twice.
            await until(lambda: total_nusd(second) == 15 * 10**9)
            await first.accept(topics.USAGE, usage(5))
            await until(lambda: total_nusd(second) == total_nusd(first) == 18 * 10**9)
            await until(lambda: sum(each.accepted_events for each in second.replica.counters()) == 48)
            assert all(each.balanced for each in second.replica.counters())


async def test_a_replica_goes_on_without_a_worker(cluster: Kafka) -> None:
    serve = serving(cluster)
    async with running(serve, meter(cluster)):
        await serve.accept(topics.USAGE, usage(0))
        await until(lambda: total_nusd(serve) == 3 * 10**9)


async def test_spend_that_retention_has_removed_is_told_in_one_sentence(
    cluster: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    probe = serving(cluster)
    async with running(probe, meter(cluster)):
        async with running(*worker(cluster)):
            await probe.accept(topics.USAGE, usage(0))
            await until(lambda: total_nusd(probe) == 3 * 10**9)
            sources = [TopicPartition(cluster.topic_prefix + topics.WINDOWS, n) for n in (0, 1)]
            while not await committed(cluster, sources):
                await asyncio.sleep(0.1)
        await probe.accept(topics.USAGE, usage(1))
        await until(lambda: total_nusd(probe) == 6 * 10**9)
    await forget_spend(cluster)
    late = serving(cluster)
    with caplog.at_level(logging.WARNING):
        async with running(late):
            assert total_nusd(late) == 3 * 10**9
    assert "retention removed" in caplog.text


async def forget_spend(kafka: Kafka) -> None:
    sources = [TopicPartition(kafka.topic_prefix + topics.SPEND, number) for number in (0, 1)]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({source: RecordsToDelete(before_offset=-1) for source in sources})
    finally:
        await admin.close()


def test_a_reader_that_fences_nobody_takes_whole_commits_only() -> None:
    settled = Settled()
    for key, value in ((b"b1", b"old"), (windows.CLOCK, b"at 7"), (b"b1", b"new"), (b"b2", b"new")):
        settled.add(key, value)
    assert settled.rows == {b"b1": b"old", windows.CLOCK: b"at 7"}
    settled.add(windows.CLOCK, b"at 9")
    assert settled.rows == {b"b1": b"new", b"b2": b"new", windows.CLOCK: b"at 9"}


def incident(name: str) -> Incident:
    return Incident(id=name, title=name, scopes=("total",), since_s=0, opened_by="test", opened_s=0)


async def test_an_incident_is_to_be_seen_when_append_returns_and_on_every_replica(cluster: Kafka) -> None:
    one, other = serving(cluster), serving(cluster)
    async with running(one, other):
        for number in range(5):
            opened = incident(f"n{number}")
            await one.append(topics.INCIDENTS, incidents.key(opened), incidents.encode(opened))
            assert one.replica.incidents()[opened.id] == opened
        await until(lambda: len(other.replica.incidents()) == 5)
    again = serving(cluster)
    async with running(again):
        assert len(again.replica.incidents()) == 5


async def test_messages_by_http_are_on_kafka_unchanged_before_the_answer(cluster: Kafka) -> None:
    serve = serving(cluster)
    bodies = [
        b'{"source": "a/1",  "seq":1, "estimates": []}',
        b"[1, 2]",
        b'{"source": "\\ud83d\\ude80"}',
        b"{",
    ]
    async with running(serve), client(serve.ports[0]) as session:
        headers = {"Content-Type": "application/x-ndjson"}
        async with session.post("/v1/usage", data=b"\n".join(bodies), headers=headers) as answer:
            assert answer.status == 202
        sources = [TopicPartition(cluster.topic_prefix + topics.USAGE, number) for number in (0, 1)]
        found = {record.value: record.key for record in await committed(cluster, sources)}
    assert found == {bodies[0]: b"a/1", bodies[1]: None, bodies[2]: "🚀".encode(), bodies[3]: None}


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"source": "opencost/eu-1", "estimates": [{"start": 1}]}', b"opencost/eu-1"),
        (b'{"start": 1, "end": 2}', None),
        (b'{"source": ""}', None),
        (b'{"source": 7}', None),
        (b'[{"source": "a"}]', None),
        (b"\xff\x00 protobuf", None),
        (b"[" * 100_000, None),
        (b'{"source": "a", "labels": ' + b"[" * 100_000, None),
    ],
)
def test_the_key_is_the_source_where_there_is_one(value: bytes, key: bytes | None) -> None:
    assert key_of(topics.USAGE, value) == key


@asynccontextmanager
async def client(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session


async def test_a_broker_that_goes_away_is_told_and_what_is_known_is_still_served(tmp_path: Path) -> None:
    with KafkaServer(tmp_path / "kafka") as server:
        kafka = Kafka(bootstrap=server.bootstrap, usage_partitions=1, spend_partitions=1)
        await create(kafka)
        serve = serving(kafka)
        async with running(serve), client(serve.ports[0]) as ingest, client(serve.ports[1]) as api:
            opened = incident("known")
            await serve.append(topics.INCIDENTS, incidents.key(opened), incidents.encode(opened))
            server.kill()
            await until(lambda: serve.replica.problem is not None)
            async with api.get("/health") as answer:
                said = await answer.json()
                assert said["status"] == "stale"
                assert said["error"].startswith(f"Kafka at {server.bootstrap} has not answered since ")
            async with api.get("/api/v1/incidents") as answer:
                assert [each["id"] for each in (await answer.json())["incidents"]] == ["known"]
            async with ingest.post("/v1/usage", json={"source": "s"}) as answer:
                assert answer.status == 503
                assert "send it again" in (await answer.json())["error"]
            server.start()
            await until(lambda: serve.replica.problem is None)
            async with ingest.post("/v1/usage", json={"source": "s"}) as answer:
                assert answer.status == 202


def run(*settings: str, command: str = "serve") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["env", *settings, str(BURNLINE), command], capture_output=True, text=True, check=False, timeout=60
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    [told] = [line for line in done.stderr.splitlines() if line.startswith("burnline: ")]
    return told


def test_without_a_broker_it_says_so_in_one_sentence() -> None:
    nobody, metrics = free_ports(2)
    done = run(f"BURNLINE_KAFKA__BOOTSTRAP=127.0.0.1:{nobody}", f"BURNLINE_METRICS__PORT={metrics}")
    assert sentence(done).startswith(f"burnline: cannot reach Kafka at 127.0.0.1:{nobody}")


@pytest.mark.parametrize("section", ["metrics", "ingest", "serve"])
async def test_a_port_that_is_taken_is_one_sentence(cluster: Kafka, section: str) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    ports = dict(zip(("metrics", "ingest", "serve"), free_ports(3), strict=True))
    ports[section] = taken.sockets[0].getsockname()[1]
    settings = [f"BURNLINE_{name.upper()}__PORT={port}" for name, port in ports.items()]
    done = await asyncio.to_thread(run, *settings, *_settings(cluster))
    assert f"127.0.0.1:{ports[section]}" in sentence(done)
    taken.close()


@pytest.mark.parametrize("command", ["meter", "worker"])
async def test_stages_too_say_that_the_metrics_port_is_taken(command: str) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    done = await asyncio.to_thread(run, f"BURNLINE_METRICS__PORT={port}", command=command)
    assert sentence(done).startswith(f"burnline: cannot serve metrics on 127.0.0.1:{port}")
    taken.close()


def _settings(kafka: Kafka) -> Sequence[str]:
    values: dict[str, Any] = kafka.model_dump(
        include={"bootstrap", "topic_prefix", "group", "usage_partitions", "spend_partitions"}
    )
    return [f"BURNLINE_KAFKA__{name.upper()}={value}" for name, value in values.items()]

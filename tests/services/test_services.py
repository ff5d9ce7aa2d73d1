"""The services are the real things: each does here what burnline will ask of it."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidConfigurationError, UnknownTopicOrPartitionError

from tests.services import AlertmanagerServer, KafkaServer, PrometheusServer, ServiceFailed, free_ports
from tests.services.http import get_json, post_json
from tests.services.topics import TopicFactory, open_topics


async def read_committed(bootstrap: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False
    )
    partition = TopicPartition(topic, 0)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            batches = await consumer.getmany(timeout_ms=200)
            values += [record.value for records in batches.values() for record in records]
        return values
    finally:
        await consumer.stop()


async def produce(bootstrap: str, topic: str, value: bytes, commit: bool = True) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"writer-of-{topic}")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, value)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def test_kafka_shows_a_committed_transaction_and_hides_an_aborted_one(
    kafka: str, topics: TopicFactory
) -> None:
    topic = await topics()
    await produce(kafka, topic, b"aborted", commit=False)
    await produce(kafka, topic, b"committed")
    assert await read_committed(kafka, topic) == [b"committed"]


async def test_kafka_topics_have_the_partitions_asked_for_and_different_names(
    kafka: str, topics: TopicFactory
) -> None:
    first, second = await topics(3), await topics(1)
    assert first != second
    consumer = AIOKafkaConsumer(first, bootstrap_servers=kafka)
    await consumer.start()
    try:
        assert consumer.partitions_for_topic(first) == {0, 1, 2}
    finally:
        await consumer.stop()


async def test_a_topic_with_a_wrong_setting_is_refused_with_the_brokers_reason(topics: TopicFactory) -> None:
    with pytest.raises(InvalidConfigurationError, match=r"retention\.ms"):
        await topics(settings={"retention.ms": "soon"})


async def test_kafka_makes_no_topic_by_itself(kafka: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        with suppress(TimeoutError, UnknownTopicOrPartitionError):
            await asyncio.wait_for(producer.send_and_wait("never-made", b"x"), timeout=1)
        assert "never-made" not in (await producer.client.fetch_all_metadata()).topics()
    finally:
        await producer.stop()


@pytest.mark.parametrize("end", [KafkaServer.kill, KafkaServer.stop], ids=["killed", "stopped"])
async def test_kafka_comes_back_with_its_data_on_the_same_port(
    tmp_path: Path, end: Callable[[KafkaServer], None]
) -> None:
    with KafkaServer(tmp_path / "kafka") as server:
        bootstrap, first_pid = server.bootstrap, server.pid
        async with open_topics(bootstrap) as create:
            topic = await create()
            await produce(bootstrap, topic, b"before")
            end(server)
            assert server.pid is None
            server.start()
            assert server.bootstrap == bootstrap
            assert server.pid != first_pid
            await produce(bootstrap, topic, b"after")
            assert await read_committed(bootstrap, topic) == [b"before", b"after"]


async def test_prometheus_scrapes_itself_and_answers_a_query(
    prometheus: Callable[..., PrometheusServer],
) -> None:
    [port] = free_ports(1)
    server = prometheus(
        f"""
        global: {{scrape_interval: 200ms}}
        scrape_configs:
          - job_name: itself
            static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
        """,
        port,
    )
    query = quote('up{job="itself"}')
    result: list[Any] = []
    while not result:
        await asyncio.sleep(0.1)
        answer = cast(dict[str, Any], get_json(f"{server.url}/api/v1/query?query={query}"))
        result = answer["data"]["result"]
    assert result[0]["metric"] == {"__name__": "up", "instance": f"127.0.0.1:{port}", "job": "itself"}
    assert result[0]["value"][1] == "1"


ONE_SILENT_RECEIVER = """
route: {receiver: nobody}
receivers: [{name: nobody}]
"""


async def test_alertmanager_takes_an_alert_and_lists_it(
    alertmanager: Callable[[str], AlertmanagerServer],
) -> None:
    server = alertmanager(ONE_SILENT_RECEIVER)
    labels = {"alertname": "BurnOverBaseline", "team": "payments"}
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    post_json(f"{server.url}/api/v2/alerts", [{"labels": labels, "endsAt": until}])
    listed: list[Any] = []
    while not listed:
        listed = cast(list[Any], get_json(f"{server.url}/api/v2/alerts"))
        await asyncio.sleep(0.05)
    assert [alert["labels"] for alert in listed] == [labels]


def test_a_service_that_cannot_start_says_why_in_its_own_words(tmp_path: Path) -> None:
    server = AlertmanagerServer(tmp_path, "route: {receiver: missing}\nreceivers: [{name: other}]\n")
    with pytest.raises(ServiceFailed, match=r"ended with status 1:(.|\n)*undefined receiver"):
        server.start()
    assert server.pid is None


def test_a_stopped_service_has_ended(tmp_path: Path) -> None:
    with AlertmanagerServer(tmp_path, ONE_SILENT_RECEIVER) as server:
        pid = server.pid
        assert pid is not None
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

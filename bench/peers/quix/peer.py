"""Quix Streams doing the meter's sums, exactly once: windows of 10 s of event time, state in RocksDB with a
changelog. A service has one team, so teams are sums of services, repartitioned when these are final.

Quix closes a window when a later message comes, so the end of the topic would leave some open. When all
messages are taken, this peer puts some of its own behind them: with no cost, and a time to come.
"""

import json
import sys
import time
from typing import Any

from confluent_kafka import Producer
from quixstreams import Application

from bench.peers.counting import Counting

BUCKET_MS = 10_000
PARTITIONS = 4
# So many that each partition of teams gets one, whichever way names are hashed: none of 4 is missed by 64.
LAST = 64
# So far ahead are messages that close the windows of services; when all of these are met, again so far are
# those that close theirs, which then close the windows of teams. A broker would refuse an hour.
AHEAD_MS = 1_200_000
# Partitions are read at their own pace, so the messages of a team come in a mixed order: as much as a tenth
# of the messages (see `bench.kafka`) spans, 200,000 / 30,000 × 10 s.
GRACE_MS = 70_000


def main(bootstrap: str, usage: str, sums: str, group: str, messages: str, folder: str) -> None:
    app = Application(
        bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        processing_guarantee="exactly-once",
        state_dir=folder,
        producer_extra_config={"linger.ms": 50},
        consumer_extra_config={"fetch.queue.backoff.ms": 2},
        auto_create_topics=True,
        loglevel="WARNING",
    )
    count = met = ended = 0

    def priced(value: dict[str, Any]) -> dict[str, Any]:
        nonlocal count, met
        labels = value["labels"]
        if labels["namespace"] != "end":
            count += 1
            if count == int(messages):
                close_windows(bootstrap, usage, AHEAD_MS)
        else:
            met += 1
            if met == LAST:
                close_windows(bootstrap, usage, 2 * AHEAD_MS)
        return {
            "nusd": round(float(value["cost_usd"]) * 1e9),
            "scope": f"service={labels['namespace']}/{labels['service']}",
            "team": f"team={labels['team']}",
        }

    def watched(value: dict[str, Any]) -> None:
        nonlocal ended
        ended += value["scope"].startswith("service=end/")
        if ended == LAST:
            app.stop()

    source = app.topic(
        usage,
        key_deserializer="str",
        value_deserializer="json",
        timestamp_extractor=lambda value, headers, timestamp, kind: value["start"],
    )
    target = app.topic(sums, value_serializer="json", key_serializer="str")
    services = summed(app.dataframe(source).apply(priced), "services")
    services.to_topic(target, key=lambda row: row["scope"])
    teams = summed(services.group_by("team").update(watched).apply(for_team), "teams")
    teams.to_topic(target, key=lambda row: row["scope"])
    counting = Counting(lambda: count)
    app.run()
    counting.done()


def for_team(service: dict[str, Any]) -> dict[str, Any]:
    return {"nusd": service["nusd"], "scope": service["team"], "team": service["team"]}


def summed(rows: Any, name: str) -> Any:
    windows = rows.tumbling_window(BUCKET_MS, grace_ms=GRACE_MS, name=name).reduce(
        initializer=lambda row: row,
        reducer=lambda sum_, row: {**sum_, "nusd": sum_["nusd"] + row["nusd"]},
    )
    return windows.final(closing_strategy="partition").apply(
        lambda window: {"bucket": window["start"], **window["value"]}
    )


def close_windows(bootstrap: str, usage: str, ahead_ms: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    start_ms = time.time_ns() // 1_000_000 + ahead_ms
    for number in range(LAST):
        labels = {"team": f"end-{number}", "namespace": "end", "service": f"end-{number}"}
        value = {"start": start_ms, "cost_usd": "0", "labels": labels}
        producer.produce(usage, json.dumps(value).encode(), f"end-{number}".encode(), number % PARTITIONS)
    producer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

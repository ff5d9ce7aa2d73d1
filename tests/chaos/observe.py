"""What a fresh reader of the topics sees, read committed, from their beginning."""

import base64
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.burn.stage import Burn
from stream.config import Config
from stream.schema import alerts, topics
from stream.schema.alerts import Alert
from stream.stage import StateRow
from tests.chaos.oracle import Bucket, Record

COUNTERS: Final = (
    *(f"{name}_events" for name in ("sent", "accepted", "duplicate", "rejected", "late", "unpriced")),
    *(f"{name}_nusd" for name in ("sent", "accepted", "duplicate", "rejected", "late", "unmapped")),
)


class Reader:
    """Reads whole topics of one pipeline."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._consumer: Any = None

    async def __aenter__(self) -> "Reader":
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._config.kafka.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    def sources(self, topic: str, partitions: int = 1) -> list[TopicPartition]:
        name = self._config.kafka.topic_prefix + topic
        return [TopicPartition(name, number) for number in range(partitions)]

    async def records(self, sources: list[TopicPartition]) -> list[Any]:
        """All that is committed now, in order of offset within each partition."""
        ends = await self._consumer.end_offsets(sources)
        self._consumer.assign(sources)
        await self._consumer.seek_to_beginning()
        found: list[Any] = []
        while any([await self._consumer.position(source) < end for source, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                found += records
        return found

    async def latest(self, topic: str, partitions: int) -> list[dict[bytes, bytes]]:
        """The newest value of each key, by partition."""
        rows: list[dict[bytes, bytes]] = [{} for _ in range(partitions)]
        for record in await self.records(self.sources(topic, partitions)):
            rows[record.partition][record.key] = record.value
        return rows

    async def ends(self, topic: str, partitions: int) -> dict[int, int]:
        ends = await self._consumer.end_offsets(self.sources(topic, partitions))
        return {source.partition: end for source, end in ends.items()}

    async def log(self) -> list[Record]:
        found = await self.records(self.sources(topics.USAGE, self._config.kafka.usage_partitions))
        return [Record(one.partition, one.offset, one.timestamp, one.value) for one in found]


@dataclass
class Observed:
    """The same as `oracle.Expected`, and what was told of alerts."""

    counters: dict[int, dict[str, int]]
    reasons: Counter[str]
    watermark_ms: dict[int, int]
    buckets: dict[Bucket, int]
    totals: dict[str, int]
    letters: Counter[tuple[int, int, str]]
    originals: dict[tuple[int, int, str], bytes]
    told: list[Alert]


async def observe(config: Config) -> Observed:
    async with Reader(config) as reader:
        meters = await reader.latest(topics.METER_STATE, config.kafka.usage_partitions)
        states = await reader.latest(topics.WINDOWS, config.kafka.spend_partitions)
        letters = [json.loads(one.value) for one in await reader.records(reader.sources(topics.DEAD_LETTERS))]
        told = [alerts.decode(one.value) for one in await reader.records(reader.sources(topics.ALERTS))]
        told = [one for one in told if one.about == "spend"]  # not that a receiver was away
    counters = {number: json.loads(rows[b"counters"]) for number, rows in enumerate(meters) if rows}
    burns = [_restored(config, number, rows) for number, rows in enumerate(states)]
    reasons: Counter[str] = Counter()
    for each in counters.values():
        reasons.update(each["rejected_by_reason"])
    places = [(one["partition"], one["offset"], one["reason"]) for one in letters]
    return Observed(
        counters={number: {name: each[name] for name in COUNTERS} for number, each in counters.items()},
        reasons=reasons,
        watermark_ms={number: json.loads(rows[b"place"])[0] for number, rows in enumerate(meters) if rows},
        buckets={bucket: nusd for burn in burns for bucket, nusd in _buckets(burn).items()},
        totals={
            scope: int(burn.windows.scopes.total_nusd[index])
            for burn in burns
            for index, scope in enumerate(burn.windows.scope_names)
        },
        letters=Counter(places),
        originals={
            place: base64.b64decode(one["original"]) for place, one in zip(places, letters, strict=True)
        },
        told=told,
    )


def _restored(config: Config, number: int, rows: dict[bytes, bytes]) -> Burn:
    """The windows as any process finds them: only so are coarse buckets whole, see docs/formats.md."""
    kafka = config.kafka
    burn = Burn(number, config, kafka.spend_partitions, kafka.usage_partitions)
    burn.restore(StateRow(key, value) for key, value in rows.items())
    return burn


def _buckets(burn: Burn) -> dict[Bucket, int]:
    """Every bucket that holds money, of every ring of every series."""
    found: dict[Bucket, int] = {}
    for rings in (burn.windows.scopes, burn.windows.components):
        for ring in rings.rings:
            held = ring.rows(ring.tail, ring.head + 1)
            for place, index in np.argwhere(held).tolist():
                series = rings.names[index]
                found[series, ring.spec.width_s, ring.tail + place] = int(held[place, index])
    return found

"""The meter on a real broker, beside a plain Faust agent, and the read without anything as the limit."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka import TopicPartition

from bench.contest import Contender, Entry, Ratio, Results, play
from bench.kafka.preload import delete, make_changelogs, preload
from bench.process import Measured, Task
from bench.workload import BUCKET_MS, PER_BUCKET, Variant, Workload, generate
from stream.config import Kafka
from stream.schema import spend, topics
from stream.shell.kafka.logs import quiet_libraries
from stream.shell.kafka.state import committed_reader, history
from tests.services import KafkaServer

# A plain Faust agent takes about 400 µs an estimate: of so many more, it would be at work for minutes.
FAUST_SHARE: Final = 100
FAUST_TABLES: Final = ("services", "teams")

_RAW: Final = Contender("raw read", "bench.kafka.raw", "the limit: getmany only, single messages")
_METER: Final = Contender(
    "meter single",
    "bench.kafka.meter",
    "burnline meter, transactions on, single messages",
    ("total", "team", "service"),
)
_PACKED: Final = {
    Variant.ARRAY: "arrays of 100",
    Variant.OWN: "envelopes of 100, labels of their own",
    Variant.SHARED: "envelopes of 100, labels shared",
}
_FAUST: Final = Contender(
    "faust agent",
    "bench.kafka.faust_agent",
    "plain Faust agent, two tables, single messages",
    ("team", "service"),
)
RATIOS: Final = (
    Ratio("kafka: meter / faust agent", "meter single", "faust agent", "the same single messages"),
    Ratio("kafka: meter / raw read", "meter single", "raw read", "share of the limit, single messages"),
    *(
        Ratio(f"kafka: meter {variant} / meter single", f"meter {variant}", "meter single", packed)
        for variant, packed in _PACKED.items()
    ),
    Ratio("kafka: faust agent / raw read", "faust agent", "raw read", "share of the limit"),
)


def run(estimates: int, rounds: int, drop: int, told: Callable[[str], None]) -> Results:
    """Every round fills fresh topics, then lets each contender drain them in turn."""
    quiet_libraries()
    told("generating")
    # The broker dates what arrives, so the estimates must be of today.
    start_ms = time.time_ns() // 1_000_000 // BUCKET_MS * BUCKET_MS - estimates // PER_BUCKET * BUCKET_MS
    works = {variant: generate(variant, estimates, start_ms) for variant in (Variant.SINGLE, *_PACKED)}
    few = generate(Variant.SINGLE, estimates // FAUST_SHARE, start_ms)
    with tempfile.TemporaryDirectory() as name, KafkaServer(Path(name)) as server:

        def opener(number: int) -> Callable[[], AbstractContextManager[list[Entry]]]:
            @contextmanager
            def opened() -> Iterator[list[Entry]]:
                told("filling the topics")
                filled = {
                    mark: (_kafka(server.bootstrap, f"r{number}-{mark}-"), work)
                    for mark, work in (*works.items(), ("few", few))
                }
                for kafka, work in filled.values():
                    asyncio.run(preload(kafka, work))
                few_kafka, _ = filled["few"]
                asyncio.run(make_changelogs(few_kafka, few_kafka.topic_prefix, FAUST_TABLES))
                yield list(_entries(drop, filled))
                for kafka, _ in filled.values():
                    asyncio.run(delete(kafka))

            return opened

        return play([opener(number) for number in range(rounds)], RATIOS, told)


def _kafka(bootstrap: str, prefix: str) -> Kafka:
    return Kafka(bootstrap=bootstrap, topic_prefix=prefix, group=prefix)


def _entries(drop: int, filled: Mapping[str, tuple[Kafka, Workload]]) -> Iterator[Entry]:
    """`filled` has a topic of each variant, and `few` for the agent."""
    packed = (
        (Contender(f"meter {variant}", _METER.module, f"the same, {about}", _METER.scopes), variant)
        for variant, about in _PACKED.items()
    )
    single = Variant.SINGLE
    for contender, mark in ((_RAW, single), (_METER, single), (_FAUST, "few"), *packed):
        kafka, work = filled[mark]
        task = Task("", "", drop, kafka.bootstrap, kafka.topic_prefix, len(work.values))
        yield Entry(
            contender, task, work.oracle, _settle(kafka) if contender.module == _METER.module else None
        )


def _settle(kafka: Kafka) -> Callable[[Measured], None]:
    def settle(measured: Measured) -> None:
        measured.scopes_nusd = asyncio.run(_spent(kafka))

    return settle


async def _spent(kafka: Kafka) -> dict[str, int]:
    """What a reader of `spend` finds committed, in nano-dollars per scope."""
    scopes: Counter[str] = Counter()
    async with committed_reader(kafka) as consumer:
        reader: Any = consumer
        for partition in range(kafka.spend_partitions):
            source = TopicPartition(kafka.topic_prefix + topics.SPEND, partition)
            async for record in history(reader, source):
                rows = spend.decode(record.value).rows
                for key, cost_nusd in zip(rows.key.tolist(), rows.cost_nusd.tolist(), strict=True):
                    name = rows.names[key]
                    if name.role == spend.DRIVER:
                        scopes[name.scope] += cost_nusd
    return dict(scopes)

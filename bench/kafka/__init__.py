"""The meter on a real broker, beside engines of others, and the read without anything as the limit."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from aiokafka import TopicPartition

from bench import process
from bench.contest import Contender, Entry, Ratio, Results, play
from bench.kafka import peers as beside
from bench.kafka.preload import delete, make_changelogs, preload
from bench.peers.known import Peer
from bench.process import Measured, Task
from bench.workload import BUCKET_MS, PER_BUCKET, Variant, Workload, generate
from stream.config import Kafka
from stream.schema import spend, topics
from stream.shell.kafka.logs import quiet_libraries
from stream.shell.kafka.state import committed_reader, history
from tests.services import KafkaServer

# A plain Faust agent takes about 200 µs an estimate: of so many more, it would be at work for minutes.
FAUST_SHARE: Final = 100
FAUST_TABLES: Final = ("services", "teams")

_RAW: Final = Contender("raw read", "the limit: getmany only, single messages, cycles looked for rarely")
_RAW_AS_IT_COMES: Final = Contender("raw read as it comes", "the same, with Python's default for cycles")
_METER: Final = Contender(
    "meter single", "burnline meter, transactions on, single messages", ("total", "team", "service")
)
_PACKED: Final = {
    Variant.ARRAY: "arrays of 100",
    Variant.OWN: "envelopes of 100, labels of their own",
    Variant.SHARED: "envelopes of 100, labels shared",
    Variant.COLUMNS: "envelopes in columns of 1,000",
}
_FAUST: Final = Contender(
    "faust agent", "plain Faust agent, two tables, single messages", ("team", "service")
)
RATIOS: Final = (
    Ratio("kafka: meter / faust agent", "meter single", "faust agent", "the same single messages"),
    Ratio("kafka: meter / raw read", "meter single", "raw read", "share of the limit, single messages"),
    Ratio(
        "kafka: meter / raw read as it comes",
        "meter single",
        "raw read as it comes",
        "what a loop of getmany costs that tunes nothing",
    ),
    *(
        Ratio(f"kafka: meter {variant} / meter single", f"meter {variant}", "meter single", packed)
        for variant, packed in _PACKED.items()
    ),
    Ratio("kafka: faust agent / raw read", "faust agent", "raw read", "share of the limit"),
)


def run(
    estimates: int, rounds: int, drop: int, told: Callable[[str], None], peers: Sequence[Peer] = ()
) -> Results:
    """Every round fills fresh topics, then lets each contender drain them in turn."""
    quiet_libraries()
    installed = beside.installed(peers, told)
    told("generating")
    # The broker dates what arrives, so the estimates must be of today.
    start_ms = time.time_ns() // 1_000_000 // BUCKET_MS * BUCKET_MS - estimates // PER_BUCKET * BUCKET_MS
    works = {str(variant): generate(variant, estimates, start_ms) for variant in (Variant.SINGLE, *_PACKED)}
    works["faust"] = generate(Variant.SINGLE, estimates // FAUST_SHARE, start_ms)
    works |= beside.works(peers, works[Variant.SINGLE], start_ms, drop)
    with tempfile.TemporaryDirectory() as name, KafkaServer(Path(name)) as server:

        def opener(number: int) -> Callable[[], AbstractContextManager[list[Entry]]]:
            @contextmanager
            def opened() -> Iterator[list[Entry]]:
                told("filling the topics")
                filled = {
                    mark: (_kafka(server.bootstrap, f"r{number}-{mark}-"), work)
                    for mark, work in works.items()
                }
                for kafka, work in filled.values():
                    asyncio.run(preload(kafka, work))
                faust, _ = filled["faust"]
                asyncio.run(make_changelogs(faust, faust.topic_prefix, FAUST_TABLES))
                yield [*_entries(drop, filled), *beside.entries(installed, filled, drop)]
                for kafka, _ in filled.values():
                    asyncio.run(delete(kafka))

            return opened

        return play(
            [opener(number) for number in range(rounds)], [*RATIOS, *beside.ratios(peers, _METER.name)], told
        )


def _kafka(bootstrap: str, prefix: str) -> Kafka:
    return Kafka(bootstrap=bootstrap, topic_prefix=prefix, group=prefix)


_Filled: TypeAlias = Mapping[str, tuple[Kafka, Workload]]


def _entries(drop: int, filled: _Filled) -> Iterator[Entry]:
    """burnline's own, on a topic of each variant, and the Faust agent."""

    def entry(contender: Contender, module: str, mark: str, settle: bool = False) -> Entry:
        kafka, work = filled[mark]
        task = Task("", "", drop, kafka.bootstrap, kafka.topic_prefix, len(work.values))
        measure = partial(process.run, module, task)
        return Entry(contender, partial(_settled, measure, kafka) if settle else measure, work.oracle)

    yield entry(_RAW, "bench.kafka.raw", Variant.SINGLE)
    yield entry(_RAW_AS_IT_COMES, "bench.kafka.raw_as_it_comes", Variant.SINGLE)
    yield entry(_METER, "bench.kafka.meter", Variant.SINGLE, settle=True)
    yield entry(_FAUST, "bench.kafka.faust_agent", "faust")
    for variant, about in _PACKED.items():
        contender = Contender(f"meter {variant}", f"the same, {about}", _METER.scopes)
        yield entry(contender, "bench.kafka.meter", variant, settle=True)


def _settled(measure: Callable[[], Measured], kafka: Kafka) -> Measured:
    """What a meter measured, with the sums that it left in the log."""
    measured = measure()
    measured.scopes_nusd = asyncio.run(_spent(kafka))
    return measured


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

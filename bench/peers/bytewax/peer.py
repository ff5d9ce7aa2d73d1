"""Bytewax doing the meter's sums: windows of 10 s of event time, its own source and sink for Kafka.

At least once: its state is kept each second, what the sink has written since may come again. It reads to
where the topic ends now and then closes all windows, as Bytewax does at the end of its input.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

import msgspec
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from bench.peers.counting import Counting

BUCKET = timedelta(seconds=10)
EPOCH = timedelta(seconds=1)
# Partitions are read at their own pace, so the messages of a team come in a mixed order: as much as a tenth
# of the messages (see `bench.kafka`) spans, 200,000 / 30,000 × 10 s.
WAIT = timedelta(seconds=70)
BATCH = 5_000


class Labels(msgspec.Struct, gc=False):
    team: str
    namespace: str
    service: str


class Usage(msgspec.Struct, gc=False):
    start: int
    cost_usd: float
    labels: Labels


class Priced(msgspec.Struct, gc=False):
    at: datetime
    nusd: int
    team: str


def main(bootstrap: str, usage: str, sums: str, group: str, messages: str, folder: str) -> None:
    count = 0
    decode = msgspec.json.Decoder(Usage, strict=False).decode

    def priced(batch: list[KafkaSourceMessage]) -> list[tuple[str, Priced]]:
        """By service."""
        nonlocal count
        found = []
        for message in batch:
            one = decode(message.value)
            labels = one.labels
            at = datetime.fromtimestamp(one.start / 1000, UTC)
            row = Priced(at, round(one.cost_usd * 1e9), labels.team)
            found.append((f"service={labels.namespace}/{labels.service}", row))
        count += len(batch)
        return found

    def by_team(batch: list[tuple[str, Priced]]) -> list[tuple[str, Priced]]:
        return [(f"team={row.team}", row) for _, row in batch]

    def record(row: tuple[str, tuple[int, int]]) -> KafkaSinkMessage:
        scope, (number, nusd) = row
        value = {"scope": scope, "bucket": number * BUCKET // timedelta(milliseconds=1), "nusd": nusd}
        return KafkaSinkMessage(scope.encode(), msgspec.json.encode(value))

    clock = EventClock(lambda row: row.at, wait_for_system_duration=WAIT)
    windower = TumblingWindower(align_to=datetime(1970, 1, 1, tzinfo=UTC), length=BUCKET)
    flow = Dataflow("usage")
    source = KafkaSource([bootstrap], [usage], tail=False, batch_size=BATCH)
    services = op.flat_map_batch("priced", op.input("usage", flow, source), priced)
    teams = op.flat_map_batch("by_team", services, by_team)
    rows = []
    for name, keyed in (("services", services), ("teams", teams)):
        windows = windowing.fold_window(
            name,
            keyed,
            clock,
            windower,
            builder=int,
            folder=lambda nusd, row: nusd + row.nusd,
            merger=lambda one, other: one + other,
            ordered=False,
        )
        rows.append(op.map(f"{name}_record", windows.down, record))
    op.output("sums", op.merge("both", *rows), KafkaSink([bootstrap], sums))
    os.mkdir(f"{folder}/recovery")
    init_db_dir(f"{folder}/recovery", 1)
    counting = Counting(lambda: count)
    run_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(f"{folder}/recovery"))
    counting.done()


if __name__ == "__main__":
    main(*sys.argv[1:])

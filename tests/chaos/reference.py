"""A run without harm: the same log through the same stages, in this process, tick by tick."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from stream.alerts.stage import Alerts
from stream.burn.stage import Burn
from stream.config import Config
from stream.meter import price
from stream.meter.stage import Meter
from stream.schema import alerts, topics
from stream.schema.alerts import Alert
from stream.stage import Batch, Commit, Stage
from tests.chaos.oracle import Record

_COMMIT_MS = 1000


class Calm:
    """All stages of a pipeline, and the topics between them as lists."""

    def __init__(self, config: Config) -> None:
        kafka = config.kafka
        prices = price.load(config.prices.book)
        spend, usage = kafka.spend_partitions, kafka.usage_partitions
        self._meters = [Meter(number, config, spend, prices) for number in range(usage)]
        self._burns = [Burn(number, config, spend, usage) for number in range(spend)]
        self._alerts = Alerts(config)
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)
        self._now_ms = 0
        self.told: list[Alert] = []

    def take(self, records: Iterable[Record]) -> None:
        """What arrived within a tick, through to the alerts."""
        self._now_ms += _COMMIT_MS
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        spend: list[Commit] = []
        for meter in self._meters:
            mine = by_partition[meter.partition]
            if mine:
                meter.take(
                    Batch(
                        topics.USAGE,
                        meter.partition,
                        [record.value for record in mine],
                        [record.offset for record in mine],
                        [record.timestamp_ms for record in mine],
                        mine[-1].offset + 1,
                    )
                )
            spend.append(meter.commit(self._now_ms))
        for burn in self._burns:
            self._feed(burn, topics.SPEND, burn.partition, spend)
        said = [burn.commit(self._now_ms) for burn in self._burns]
        self._feed(self._alerts, topics.SIGNALS, 0, said)
        for output in self._alerts.commit(self._now_ms).outputs:
            if output.topic == topics.ALERTS:
                self.told.append(alerts.decode(output.value))

    def _feed(self, stage: Stage, topic: str, partition: int, commits: Iterable[Commit]) -> None:
        values = [
            output.value
            for commit in commits
            for output in commit.outputs
            if output.topic == topic and output.partition == partition
        ]
        if values:
            first = self._offsets[topic, partition]
            last = self._offsets[topic, partition] = first + len(values)
            stage.take(
                Batch(topic, partition, values, range(first, last), [self._now_ms] * len(values), last)
            )


def calm(config: Config, log: Iterable[Record]) -> list[Alert]:
    """The alerts of a run without harm. A tick begins with the steady message of its partition."""
    ticks: dict[int, list[Record]] = defaultdict(list)
    tick: dict[int, int] = defaultdict(lambda: -1)
    for record in log:
        if record.value.startswith(b'{"source": "steady/'):
            tick[record.partition] += 1
        ticks[tick[record.partition]].append(record)
    run = Calm(config)
    for number in sorted(ticks):
        run.take(ticks[number])
    return run.told


def essence(alert: Alert) -> dict[str, Any]:
    """What must be the same: all but the shell's clock, and what parts and wider scopes spent.

    Those are read from buckets of a minute, which may hold what came after the transition. Sums of floats
    differ in their last digits, as scopes come in another order after a restart.
    """
    told: dict[str, Any] = msgspec.to_builtins(alert)
    del told["emitted_ms"]
    told["attached"] = sorted(each["scope"] for each in told["attached"])
    for role in ("drivers", "children"):
        told[role] = sorted(each["name"] for each in told[role])
    return {name: _rounded(value) for name, value in told.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return float(f"{value:.9g}") if isinstance(value, float) else value

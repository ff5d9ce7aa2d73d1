"""A burn stage on its own, and a small estate whose spend it is told."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from stream.burn.stage import Burn
from stream.config import Config
from stream.schema import commands, incidents, signals, spend, topics
from stream.schema.commands import Command
from stream.schema.incidents import Incident
from stream.schema.prices import Moved
from stream.schema.signals import Evaluation, Signal
from stream.schema.sources import Source
from stream.schema.spend import CHILD, DRIVER, Name, Rows, Spend
from stream.stage import Batch, Commit, StateRow

START: Final = 1_767_571_200  # Monday 2026-01-05 00:00 UTC
NANO: Final = 10**9
WEB: Final = "service=shop/web"
Row = tuple[Name, int, int, int]  # name, width, bucket, cost_nusd


def rows(*many: Row) -> Rows:
    names = list(dict.fromkeys(name for name, *_ in many))
    key, width, bucket, cost = (
        np.array(column, np.int64)
        for column in (
            [names.index(name) for name, *_ in many], *([row[n] for row in many] for n in (1, 2, 3)),
        )
    )  # fmt: skip
    return Rows(names, key, width, bucket, cost, np.zeros(len(many)), np.ones(len(many), np.int64))


def estate(start_s: int, end_s: int, usd_per_hour: Mapping[str, float]) -> list[Row]:
    """Even spend of services of one team over whole buckets, as the meter adds it up."""
    found: list[Row] = []
    for service, rate in usd_per_hour.items():
        cost = round(rate * NANO / 360)
        names = (
            Name("total", "pod_hours", DRIVER), Name("total", "team=pay", CHILD),
            Name("team=pay", "pod_hours", DRIVER), Name("team=pay", service, CHILD),
            Name(service, "pod_hours", DRIVER),
        )  # fmt: skip
        found += [(name, 10, bucket, cost) for name in names for bucket in range(start_s // 10, end_s // 10)]
    return found


def record(
    watermark_s: float,
    *many: Row,
    partition: int = 0,
    sent_s: float | None = None,
    position: int = 0,
    sources: Iterable[Source] = (),
    prices: Iterable[Moved] = (),
) -> bytes:
    """One `spend` record; the meter's clock is 10 s after its watermark unless given."""
    sent_ms = int((watermark_s + 10 if sent_s is None else sent_s) * 1000)
    return spend.encode(
        Spend(
            partition,
            position,
            position,
            int(watermark_s * 1000),
            sent_ms,
            rows(*many),
            list(sources),
            list(prices),
        )
    )


class Rig:
    """Feeds one burn stage. `state` is what the compacted topic would hold."""

    def __init__(
        self, config: Config | None = None, usage_partitions: int = 1, state: Mapping[bytes, bytes] = {}
    ) -> None:
        self._config = config or Config()
        self._usage_partitions = usage_partitions
        self._offset = 0
        self.state = dict(state)
        self.evaluations: list[Evaluation] = []
        self.heard: list[tuple[str, bytes]] = []
        self.restart()

    def restart(self) -> None:
        self.burn = Burn(0, self._config, 1, self._usage_partitions)
        self.burn.restore([StateRow(key, value) for key, value in self.state.items()])
        for topic, value in self.heard:
            self.burn.heed(topic, value)

    def heed(self, said: Command | Incident) -> None:
        """What a stage is told again when it starts."""
        if isinstance(said, Incident):
            self.heard.append((topics.INCIDENTS, incidents.encode(said)))
        else:
            self.heard.append((topics.COMMANDS, commands.encode(said)))
        self.burn.heed(*self.heard[-1])

    def take(self, *values: bytes) -> None:
        first = self._offset
        self._offset += len(values)
        offsets = range(first, self._offset)
        self.burn.take(Batch(topics.SPEND, 0, values, offsets, [0] * len(values), self._offset))

    def commit(self, now_ms: int = 0) -> Commit:
        commit = self.burn.commit(now_ms)
        for row in commit.state:
            if row.value is None:
                self.state.pop(row.key, None)
            else:
                self.state[row.key] = row.value
        self.evaluations += [signals.decode(output.value) for output in commit.outputs]
        return commit

    def tell(self, *values: bytes) -> list[Signal]:
        """Take records and commit; returns what was said of them."""
        known = len(self.evaluations)
        self.take(*values)
        self.commit()
        return [signal for each in self.evaluations[known:] for signal in each.signals]

    @property
    def judged(self) -> list[int]:
        """Seconds from START at which everything was judged."""
        return [evaluation.time_s - START for evaluation in self.evaluations]


def normal(
    hours: int = 30, rates: Iterable[tuple[str, float]] = ((WEB, 10.0), ("service=shop/db", 6.0))
) -> Rig:
    """So many hours of steady spend from START; the baseline is then known and has no spread."""
    rig = Rig()
    for step in range(hours * 12):
        start_s = START + step * 300
        rig.take(record(start_s + 300, *estate(start_s, start_s + 300, dict(rates))))
    rig.commit()
    return rig

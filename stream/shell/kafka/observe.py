"""What a Kafka process shows of its stages: metrics of what is durable, and of nothing else."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import partial
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from stream import metrics as exposition
from stream.alerts.stage import Alerts
from stream.burn.stage import Burn
from stream.config import Kafka, Listen
from stream.meter.stage import Meter
from stream.metrics import Metrics
from stream.schema import topics
from stream.shell.kafka.partition import Hooks, now_ms
from stream.shell.kafka.state import committed_reader
from stream.shell.kafka.topics import full_name
from stream.shell.troubles import Troubles
from stream.stage import Commit, Stage

# Figures of 10,000 scopes take about half a second to work out. They change at each closed bucket, every
# 10 s in life and many times a second while catching up, where nobody can look that often.
FIGURES_EVERY_S: Final = 5.0
LAG_EVERY_S: Final = 5.0
_LAG_LIMIT_S: Final = 5.0


class Observer:
    """Feeds `metrics` through the hooks of one process.

    A stage goes on taking while its commit is written, and a commit may fail. So what a commit stands for
    is copied when it is built, and shown when it is durable.
    """

    def __init__(
        self, metrics: Metrics, hooks: Hooks, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.metrics = metrics
        self.positions: dict[tuple[str, int], int] = {}
        """The next offset to read of each (topic, partition) that is read here, as committed."""
        self._monotonic = monotonic
        self._troubles = Troubles()
        self._built: dict[Stage, list[Callable[[], None]]] = {}
        self._figures: dict[int, tuple[int, float]] = {}
        hooks.on_build.append(self._copy)
        hooks.on_commit.append(self._show)
        hooks.on_disown.append(self._forget)

    def _copy(self, stage: Stage, commit: Commit) -> None:
        self._built[stage] = list(self._shown_by(stage))

    def _show(self, stage: Stage, commit: Commit, seconds: float) -> None:
        name, _, _ = _place(stage)
        self.metrics.stage_seconds(name, seconds)
        self.positions |= commit.positions
        for show in self._built.pop(stage):
            show()

    def _forget(self, stage: Stage) -> None:
        name, number, inputs = _place(stage)
        self._built.pop(stage, None)
        self._figures.pop(number, None) if name == "burn" else None
        for topic in inputs:
            self.positions.pop((topic, number), None)
            self.metrics.forget(name, number, topic)

    def _shown_by(self, stage: Stage) -> Iterator[Callable[[], None]]:
        metrics = self.metrics
        match stage:
            case Meter():
                yield partial(metrics.observe_counters, stage.partition, deepcopy(stage.counters))
                yield self._watermark("meter", stage.partition, stage.watermark_ms)
            case Burn():
                windows = stage.windows
                yield partial(
                    metrics.observe_windows, stage.partition, windows.overflow_nusd, windows.late_nusd
                )
                failures = dict(stage.failures)
                counts = {name: one.count for name, one in failures.items()}
                yield partial(metrics.observe_detectors, stage.partition, counts)
                yield partial(self._troubles.tell, failures)
                yield self._watermark("burn", stage.partition, stage.evaluated_s * 1000)
                if self._figures_are_due(stage):
                    yield partial(metrics.observe_figures, stage.figures(), stage.partition)
            case Alerts():
                yield partial(metrics.observe_alerts, stage.active(), stage.commands())
                if stage.now_s:
                    yield self._watermark("alerts", 0, stage.now_s * 1000)

    def _watermark(self, name: str, number: int, watermark_ms: int) -> Callable[[], None]:
        return lambda: self.metrics.observe_watermark(name, number, watermark_ms, now_ms())

    def _figures_are_due(self, burn: Burn) -> bool:
        evaluated_s, shown = self._figures.get(burn.partition, (-1, -FIGURES_EVERY_S))
        now = self._monotonic()
        due = burn.evaluated_s != evaluated_s and now - shown >= FIGURES_EVERY_S
        if due:
            self._figures[burn.partition] = burn.evaluated_s, now
        return due


def _place(stage: Stage) -> tuple[str, int, tuple[str, ...]]:
    """The stage's name, its partition, and the topics it reads."""
    match stage:
        case Meter():
            return "meter", stage.partition, (topics.USAGE,)
        case Burn():
            return "burn", stage.partition, (topics.SPEND,)
        case _:
            return "alerts", 0, (topics.SIGNALS, topics.DEPLOYS, topics.COMMANDS)


class LagService(Service):
    """Asks Kafka now and then how much is still to be read. Of a topic that is written in transactions
    (all but `usage`, `deploys` and `commands`) the last one's marker counts as a record not yet read."""

    mundane_level = "debug"  # mode would log each start and stop

    def __init__(self, kafka: Kafka, observer: Observer) -> None:
        super().__init__()
        self._kafka = kafka
        self._observer = observer

    @Service.task
    async def _ask(self) -> None:
        async with committed_reader(self._kafka) as reader:
            while not self.should_stop:
                asked = {
                    TopicPartition(full_name(self._kafka, topic), number): (topic, number)
                    for topic, number in self._observer.positions
                }
                # Without a broker the commits fail, and that is told.
                with suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(_LAG_LIMIT_S):
                        ends = await reader.end_offsets(list(asked)) if asked else {}
                    for source, end in ends.items():
                        self._tell(asked[source], end)
                await self.sleep(LAG_EVERY_S)

    def _tell(self, source: tuple[str, int], end: int) -> None:
        position = self._observer.positions.get(source)
        if position is not None:  # else it has left meanwhile
            self._observer.metrics.lag(*source, max(0, end - position))


@contextmanager
def exposed(metrics: Metrics, http: Listen) -> Iterator[None]:
    """Answer scrapes while the block runs. Raises `UserError` when the port is taken."""
    shown = exposition.serve(metrics, http.host, http.port)
    try:
        yield
    finally:
        shown.close()

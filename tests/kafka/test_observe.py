"""Metrics of a Kafka process: what a commit made durable, no more and no less."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stream.burn.stage import Burn
from stream.config import Config
from stream.meter import price
from stream.meter.stage import Meter
from stream.metrics import Metrics
from stream.schema import topics
from stream.shell.kafka import observe
from stream.shell.kafka.observe import Observer
from stream.shell.kafka.partition import Hooks
from stream.stage import Batch, Commit, Stage

NOW_MS = 1_767_276_000_000


class Process:
    """A meter and a burn stage, whose commits succeed when the test says so."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.hooks = Hooks()
        self.clock_s = 0.0
        self.observer = Observer(Metrics(self.registry), self.hooks, lambda: self.clock_s)
        self.meter = Meter(3, Config(), 1, price.load(None))
        self.burn = Burn(5, Config(), 1, 1)
        self._offset = 0

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def send(self, count: int, end_ms: int = NOW_MS) -> None:
        estimate = {"start": end_ms - 10_000, "end": end_ms, "driver": "pod_hours", "cost_usd": "0.5"}
        first, self._offset = self._offset, self._offset + count
        values = [json.dumps(estimate).encode()] * count
        offsets = range(first, self._offset)
        self.meter.take(Batch(topics.USAGE, 3, values, offsets, [end_ms] * count, self._offset))

    def build(self, stage: Stage, now_ms: int = NOW_MS) -> Commit:
        commit = stage.commit(now_ms)
        for note in self.hooks.on_build:
            note(stage, commit)
        return commit

    def written(self, stage: Stage, commit: Commit) -> None:
        for note in self.hooks.on_commit:
            note(stage, commit, 0.02)

    def leave(self, stage: Stage) -> None:
        for note in self.hooks.on_disown:
            note(stage)

    def live(self, end_ms: int) -> None:
        """A message through both stages, committed."""
        self.send(1, end_ms)
        spend = self.build(self.meter, end_ms)
        self.written(self.meter, spend)
        values = [output.value for output in spend.outputs]
        batch = Batch(topics.SPEND, 5, values, [0] * len(values), [end_ms] * len(values), self._offset)
        self.burn.take(batch)
        self.written(self.burn, self.build(self.burn, end_ms))


@pytest.fixture
def process(monkeypatch: Any) -> Process:
    monkeypatch.setattr(observe, "now_ms", lambda: NOW_MS + 4000)
    return Process()


def test_what_comes_while_a_commit_is_written_is_not_shown_with_it(process: Process) -> None:
    process.send(2)
    commit = process.build(process.meter)
    process.send(5)
    assert process.value("burnline_estimates_sent_total", partition="3") is None
    process.written(process.meter, commit)
    assert process.value("burnline_estimates_sent_total", partition="3") == 2
    assert process.value("burnline_estimates_accepted_total", partition="3") == 2
    assert process.value("burnline_estimates_accepted_usd_total", partition="3") == 1.0
    process.written(process.meter, process.build(process.meter))
    assert process.value("burnline_estimates_sent_total", partition="3") == 7


def test_a_commit_that_failed_is_never_shown(process: Process) -> None:
    process.send(2)
    process.build(process.meter)
    process.leave(process.meter)
    assert process.value("burnline_estimates_sent_total", partition="3") is None
    assert process.value("burnline_stage_seconds_count", stage="meter") is None


def test_a_commit_shows_its_time_its_position_and_how_far_behind_the_stage_is(process: Process) -> None:
    process.send(2)
    process.written(process.meter, process.build(process.meter))
    assert process.value("burnline_stage_seconds_sum", stage="meter") == 0.02
    assert process.observer.positions == {(topics.USAGE, 3): 2}
    lag_s = process.value("burnline_watermark_lag_seconds", stage="meter", partition="3")
    assert lag_s is not None and 4 <= lag_s < 60


def test_figures_are_worked_out_when_a_bucket_has_closed_and_not_more_often_than_needed(
    process: Process,
) -> None:
    def total_usd() -> float | None:
        return process.value("burnline_cost_usd_total", scope="total")

    process.live(NOW_MS)
    first = total_usd()
    process.live(NOW_MS + 10_000)
    assert total_usd() == first  # no time has passed: it catches up
    process.clock_s = observe.FIGURES_EVERY_S
    process.live(NOW_MS + 20_000)
    assert total_usd() == 1.5
    assert process.value("burnline_too_late_usd_total", partition="5") == 0


def test_a_partition_that_leaves_takes_its_metrics_along(process: Process) -> None:
    process.live(NOW_MS)
    process.observer.metrics.lag(topics.USAGE, 3, 7)
    assert process.value("burnline_scopes") != 0
    for stage in (process.meter, process.burn):
        process.leave(stage)
    assert process.value("burnline_estimates_sent_total", partition="3") is None
    assert process.value("burnline_watermark_lag_seconds", stage="burn", partition="5") is None
    assert process.value("burnline_consumer_lag_records", topic=topics.USAGE, partition="3") is None
    assert process.value("burnline_scopes") == 0
    assert process.observer.positions == {}

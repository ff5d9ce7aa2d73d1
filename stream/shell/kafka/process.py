"""What runs in each Kafka process: `run_meter` and `run_worker` block until the process should end."""

import logging
from typing import Any

from mode import Service
from prometheus_client import CollectorRegistry

from stream.alerts.stage import Alerts
from stream.burn.stage import Burn
from stream.config import Config
from stream.meter import price
from stream.meter.compiled import reader
from stream.meter.stage import Meter, attributor_of
from stream.metrics import Metrics
from stream.notify.delivery import Outcomes
from stream.schema import topics
from stream.shell.kafka import runner
from stream.shell.kafka.agents import AgentService, build_app
from stream.shell.kafka.heartbeat import HeartbeatService
from stream.shell.kafka.meter import MeterService
from stream.shell.kafka.notify import NotifyService
from stream.shell.kafka.observe import LagService, Observer, exposed
from stream.shell.kafka.partition import Hooks, Kind
from stream.shell.kafka.service import StageService

_log = logging.getLogger(__name__)


def meter_kind(config: Config) -> Kind:
    """Raises `UserError` when the price book can't be read."""
    spend_partitions, prices = config.kafka.spend_partitions, price.load(config.prices.book)
    attributor = attributor_of(config)  # a label set is attributed once, not once in each partition
    return Kind(
        "meter",
        (topics.USAGE,),
        topics.METER_STATE,
        lambda partition: Meter(partition, config, spend_partitions, prices, attributor),
    )


def burn_kind(config: Config) -> Kind:
    kafka = config.kafka
    return Kind(
        "burn",
        (topics.SPEND,),
        topics.WINDOWS,
        lambda partition: Burn(partition, config, kafka.spend_partitions, kafka.usage_partitions),
    )


def alerts_kind(config: Config) -> Kind:
    inputs = (topics.SIGNALS, topics.DEPLOYS, topics.COMMANDS)
    return Kind("alerts", inputs, topics.ALERT_STATE, lambda _: Alerts(config), headers=True)


def build_meter(config: Config, hooks: Hooks) -> Service:
    _log.info("the meter's reader: %s", reader(config.meter))
    return MeterService(config.kafka, meter_kind(config), hooks, config.meter.compiled)


def build_worker(config: Config, hooks: Hooks, outcomes: Outcomes) -> Any:
    """A Faust app with burn as its agent, and alerts and one notify a destination as services.

    Any number of such processes share the work; alerts and each destination live in one of them.
    """
    app = build_app(config.kafka)
    AgentService(app, config.kafka, burn_kind(config), hooks)
    app.service(StageService(config.kafka, alerts_kind(config), hooks))
    for destination in config.notify.destinations:
        app.service(NotifyService(config, destination, outcomes))
    for heartbeat in config.notify.heartbeats:
        app.service(HeartbeatService(config.notify, heartbeat, hooks, outcomes))
    return app


def run_meter(config: Config) -> None:
    """Run meters on the partitions of `usage` that this process gets. See `runner.run` for how it ends."""
    metrics = Metrics(CollectorRegistry())

    def build() -> Service:
        hooks = Hooks()
        observer = Observer(metrics, hooks)
        meter = build_meter(config, hooks)
        meter.add_dependency(LagService(config.kafka, observer))
        return meter

    with exposed(metrics, config.metrics):
        runner.run(config, build)


def run_worker(config: Config) -> None:
    """Run burn, alerts and notify. See `runner.run` for how it ends."""
    names = [destination.name for destination in config.notify.destinations]
    metrics = Metrics(CollectorRegistry(), destinations=names)

    def build() -> Any:
        hooks = Hooks()
        observer = Observer(metrics, hooks)
        worker = build_worker(config, hooks, metrics)
        worker.service(LagService(config.kafka, observer))
        return worker

    with exposed(metrics, config.metrics):
        runner.run(config, build)

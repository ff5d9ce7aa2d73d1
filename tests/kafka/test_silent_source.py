"""On Kafka: a collector is killed, and a ticket says so. It ends when the collector is back."""

import time

from prometheus_client import CollectorRegistry

from stream.config import Burn, Config, Http, Kafka
from stream.config_alerts import Alerting
from stream.metrics import Metrics
from stream.schema import topics
from stream.shell.kafka.meter import MeterService
from stream.shell.kafka.partition import Hooks
from stream.shell.kafka.process import alerts_kind, burn_kind, meter_kind
from stream.shell.kafka.serve import ServeService
from stream.shell.kafka.service import StageService
from tests.kafka.test_services import running, until
from tests.services.producer import producing


async def test_a_killed_collector_is_told(cluster: Kafka) -> None:
    config = Config(
        kafka=cluster, ingest=Http(port=0), serve=Http(port=0), burn=Burn(idle_after_s=2),
        alerts=Alerting(ticket_for_s=0, hold_s=0),
        detectors={"metering-gap": {"least_s": 3, "irregular_s": 3}},
    )  # fmt: skip
    serve = ServeService(config, Metrics(CollectorRegistry()))
    meter = MeterService(cluster, meter_kind(config), Hooks())
    workers = [StageService(cluster, kind(config), Hooks()) for kind in (burn_kind, alerts_kind)]
    to = f"kafka:{cluster.bootstrap}/{cluster.topic_prefix}{topics.USAGE}"

    def told() -> list[str]:
        active = serve.replica.alerting().active()
        return [str(one.state) for one in active if one.scope == "source=eu-1"]

    def of_service() -> list[float]:
        """Its burn over 5 minutes, and the part of it that is interim."""
        figures = [one for burn in serve.replica.burns() for one in burn.figures()]
        found = [one for one in figures if one.scope == "service=shop/eu-1"]
        return [
            rate
            for one in found
            for rate in (one.burn_usd_per_hour.get(300, 0.0), one.interim_usd_per_hour.get(300, 0.0))
        ]

    async with running(serve, meter, *workers):
        with producing("us-1", to):
            with producing("eu-1", to) as dying:
                await until(lambda: serve.replica.now_s > time.time() - 20 and of_service()[:1] > [300])
                assert of_service()[1] == 0
                dying.kill()
            await until(lambda: told() == ["firing"])
            await until(lambda: of_service()[1] > 0)
            with producing("eu-1", to):
                await until(lambda: told() == [])
                await until(lambda: of_service()[1] == 0)

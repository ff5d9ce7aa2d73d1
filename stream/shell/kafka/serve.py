"""`burnline serve` on Kafka: API and console over a read replica, and the way in by HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from mode import Service
from prometheus_client import CollectorRegistry

from stream.burn.stage import Burn
from stream.collect.http import ingest_application
from stream.config import Config
from stream.errors import UserError
from stream.incidents.cost import cost
from stream.metrics import Metrics
from stream.schema import calibrations, invoices, topics, variances
from stream.serve.api import application
from stream.serve.listen import listening
from stream.serve.views import Views
from stream.shell.kafka import runner
from stream.shell.kafka.follow import Follower
from stream.shell.kafka.observe import exposed
from stream.shell.kafka.partition import now_ms
from stream.shell.kafka.replica import KafkaReplica
from stream.shell.kafka.writer import Writer

# A client waits this long for what it wrote; Kafka itself is given as long for a commit.
WRITE_LIMIT_S: Final = 10.0
OBSERVE_EVERY_S: Final = 5.0

_log = logging.getLogger(__name__)


class _Sender(msgspec.Struct):
    source: str = ""


_decode_sender: Final = msgspec.json.Decoder(_Sender).decode


def key_of(topic: str, value: bytes) -> bytes | None:
    """The key under which a message goes into its topic.

    Estimates are keyed by their source, so that one partition sees a source's sequence. Without a source,
    and where the message can't be read, there is none: any partition will do, the meter judges it.
    """
    match topic:
        case topics.USAGE:
            try:
                source = _decode_sender(value).source
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return None
            return source.encode("utf-8", "surrogatepass") or None
        case topics.INVOICES:
            return invoices.key(invoices.decode(value))
        case topics.VARIANCES:
            return variances.key(variances.decode(value))
        case topics.CALIBRATIONS:
            return calibrations.key(calibrations.decode(value))
    return None


class ServeService(Service):
    """Opens its ports when the replica has read everything there was at the start."""

    mundane_level = "debug"  # mode would log each start and stop

    def __init__(self, config: Config, metrics: Metrics) -> None:
        super().__init__()
        self.replica = KafkaReplica(config, self.append)
        self.ports: tuple[int, int] = (0, 0)
        """Where ingest and API listen."""
        self._config = config
        self._metrics = metrics
        self._views = Views(self.replica)
        self._follower = Follower(config.kafka, self._burn, self.replica)
        self._writer = Writer(config.kafka)
        self._limits: set[asyncio.Timeout] = set()

    def _burn(self, partition: int) -> Burn:
        kafka = self._config.kafka
        return Burn(partition, self._config, kafka.spend_partitions, kafka.usage_partitions)

    async def on_start(self) -> None:
        config = self._config
        # Made first: both refuse a port that others can reach without a token.
        ingest = ingest_application(
            self.accept, config.ingest, config.meter.max_message_bytes, config.deploys, now_ms
        )
        api = application(self.replica, config.serve, now_ms, config)
        await self.add_async_context(self._writer)
        await self.add_runtime_dependency(self._follower)
        first = await self.add_async_context(listening(ingest, config.ingest))
        second = await self.add_async_context(listening(api, config.serve))
        self.ports = first, second
        _log.info("ingest   http://%s:%d/v1/usage", config.ingest.host, first)
        _log.info("console  http://%s:%d/", config.serve.host, second)

    async def on_stop(self) -> None:
        for limit in self._limits:  # nobody's answer may wait longer than the process has
            limit.reschedule(asyncio.get_running_loop().time())

    async def accept(self, topic: str, values: list[bytes]) -> None:
        """Take messages; returns when Kafka has confirmed them all."""
        async with self._confirmed():
            await self._writer.write(topic, [(key_of(topic, value), value) for value in values])

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        """Write a record of a followed topic; returns when it has come back from there."""
        async with self._confirmed():
            [written] = await self._writer.write(topic, [(key, value)])
            await self._follower.seen(written.topic, written.partition, written.offset)

    @asynccontextmanager
    async def _confirmed(self) -> AsyncIterator[None]:
        kafka = self._config.kafka
        try:
            async with asyncio.timeout(WRITE_LIMIT_S) as limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except (TimeoutError, KafkaTimeoutError):
            raise UserError(
                f"Kafka at {kafka.bootstrap} has not confirmed this in time, and it may or may not be "
                "written: send it again (what carries the same source, epoch and seq counts once)"
            ) from None
        except MessageSizeTooLargeError:
            raise UserError("a message is larger than Kafka takes: send fewer estimates in one") from None
        except KafkaError as error:
            if not error.retriable:  # after this the producer may be of no more use; a new process is
                await self.crash(error)
            raise UserError(f"Kafka at {kafka.bootstrap} refused it ({error}): send it again") from None

    @Service.task
    async def _observe(self) -> None:
        while not self.should_stop:
            replica = self.replica
            self._metrics.observe_incidents(
                {
                    (incident.id, counted.scope): counted.excess_nusd
                    for incident in replica.incidents().values()
                    if not incident.closed
                    for counted in cost(
                        incident, replica.burns(), self._views.figures(), replica.now_s
                    ).scopes
                }
            )
            self._metrics.observe_reconciliation(replica.ratios.by_key())
            await self.sleep(OBSERVE_EVERY_S)


def run_serve(config: Config) -> None:
    """Serve until asked to stop. See `runner.run` for how it ends."""
    metrics = Metrics(CollectorRegistry())
    with exposed(metrics, config.metrics):
        runner.run(config, lambda: ServeService(config, metrics))

"""`burnline run`: one process, one SQLite file, fed by HTTP. Ingest, stages, alerts, API and metrics."""

import asyncio
import datetime as dt
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from stream import metrics as exposition
from stream.collect.http import ingest_application
from stream.config import Config
from stream.errors import UserError
from stream.incidents.cost import cost
from stream.meter.compiled import reader
from stream.metrics import Metrics
from stream.schema import topics
from stream.schema.alerts import Alert
from stream.serve.api import application
from stream.serve.listen import listening
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from stream.shell.embedded.notify import Notifier
from stream.shell.embedded.replica import EmbeddedReplica

# Who sends waits for the commit: it comes at the latest after `commit_every_s`, and this soon when there
# is something to commit, so that a sender gets a few answers a second.
SOONEST_COMMIT_S: Final = 0.1
FORGET_EVERY_S: Final = 3600.0


class Service:
    """A running node. `now_ms` is its clock; the demo gives one that runs faster."""

    def __init__(self, config: Config, database: Path | None, now_ms: Callable[[], int]) -> None:
        self.config = config
        self.now_ms = now_ms
        names = [destination.name for destination in config.notify.destinations]
        self.metrics = Metrics(CollectorRegistry(), destinations=names)
        self.node = Node(config, Database(database or config.embedded.database), self._timed)
        self.replica = EmbeddedReplica(self.node, self.append)
        self._waiting: list[tuple[str, bytes | None, list[bytes], asyncio.Future[None]]] = []
        self._work = asyncio.Event()
        self._forgot_s = time.monotonic()
        self._ended: UserError | None = None
        self.told: Callable[[Alert], None] = lambda _: None

    @asynccontextmanager
    async def ports(self) -> AsyncIterator[tuple[int, int, int]]:
        """Open ingest, API and metrics; yields their ports. Raises `UserError` for one that is taken."""
        config = self.config
        ingest = ingest_application(
            self.accept, config.ingest, config.meter.max_message_bytes, config.deploys, self.now_ms
        )
        api = application(self.replica, config.serve, self.now_ms, config)
        shown = exposition.serve(self.metrics, config.metrics.host, config.metrics.port)
        try:
            async with listening(ingest, config.ingest) as first, listening(api, config.serve) as second:
                yield first, second, shown.port
        finally:
            shown.close()

    async def accept(self, topic: str, values: list[bytes]) -> None:
        """Take messages; returns when they are durable."""
        await self._durable(topic, None, values)

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        await self._durable(topic, key, [value])

    async def _durable(self, topic: str, key: bytes | None, values: list[bytes]) -> None:
        if self._ended is not None:
            raise self._ended
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((topic, key, values, done))
        self._work.set()
        await done

    async def run(self) -> None:
        """Commit until cancelled, then once more.

        After a commit that failed there is no other: memory is ahead of the file. Senders are told.
        """
        notifier = Notifier(self.node, self.config, self.metrics, self.now_ms)
        deliveries = asyncio.create_task(notifier.run())
        try:
            while True:
                if deliveries.done():
                    await deliveries
                self.commit()
                await asyncio.sleep(SOONEST_COMMIT_S)
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        self._work.wait(), self.config.embedded.commit_every_s - SOONEST_COMMIT_S
                    )
        finally:
            deliveries.cancel()
            await asyncio.wait([deliveries])
            try:
                if self._ended is None:
                    self.commit()
            finally:
                self._end(UserError("burnline is ending: send again when it is back"))
                self.node.database.close()

    def commit(self) -> None:
        """One transaction with all that came in since the last; then those who wait are answered, and
        `told` is called with each transition of an alert. A failure ends the service."""
        now_ms = self.now_ms()
        waiting = self._waiting
        self._work.clear()
        try:
            told = self._durable_now(now_ms)
        except BaseException as error:
            self._end(error if isinstance(error, UserError) else UserError("burnline failed: see its log"))
            raise
        self._waiting = []
        for topic, _, values, done in waiting:
            for value in values:
                self.replica.saw(topic, value)
            if not done.done():
                done.set_result(None)
        self._observe(now_ms)
        for alert in told:
            self.told(alert)

    def _durable_now(self, now_ms: int) -> list[Alert]:
        for topic, key, values, _ in self._waiting:
            if topic == topics.USAGE:
                self.node.usage(values, [now_ms] * len(values))
            else:
                for value in values:
                    self.node.append(topic, key, value, now_ms)
        if time.monotonic() - self._forgot_s > FORGET_EVERY_S:
            self._forget(now_ms)
        return self.node.commit(now_ms)

    def _end(self, error: UserError) -> None:
        """Tell all who wait, and all who come, that what they sent is not durable."""
        self._ended = self._ended or error
        waiting, self._waiting = self._waiting, []
        for *_, done in waiting:
            if not done.done():
                done.set_exception(self._ended)

    def _forget(self, now_ms: int) -> None:
        self._forgot_s = time.monotonic()
        for topic in topics.TOPICS:
            if topic.retention_ms > 0:
                self.node.database.forget(topic.name, now_ms - topic.retention_ms)

    def _timed(self, stage: str, work: Callable[[], None]) -> None:
        started_s = time.perf_counter()
        work()
        self.metrics.stage_seconds(stage, time.perf_counter() - started_s)

    def _observe(self, now_ms: int) -> None:
        node, metrics = self.node, self.metrics
        metrics.observe_counters(0, node.meter.counters)
        metrics.observe_windows(0, node.burn.windows.overflow_nusd, node.burn.windows.late_nusd)
        metrics.observe_detectors(0, {name: one.count for name, one in node.burn.failures.items()})
        metrics.observe_alerts(node.alerts.active(), node.alerts.commands())
        metrics.observe_watermark("meter", 0, node.meter.watermark_ms, now_ms)
        metrics.observe_watermark("burn", 0, node.burn.evaluated_s * 1000, now_ms)
        figures = {one.scope: one for one in node.burn.figures()}
        metrics.observe_figures(figures.values())
        metrics.observe_reconciliation(self.replica.ratios.by_key())
        metrics.observe_incidents(
            {
                (incident.id, counted.scope): counted.excess_nusd
                for incident in self.replica.incidents().values()
                if not incident.closed
                for counted in cost(incident, self.replica.burns(), figures, self.replica.now_s).scopes
            }
        )


def _found(node: Node) -> str:
    """The file and what it held, so that a restart from something older than expected is seen."""
    events, until_ms = node.meter.counters.sent_events, node.meter.watermark_ms
    if events == 0:
        return f"{node.database.path}: nothing counted yet"
    until = dt.datetime.fromtimestamp(max(0, until_ms) / 1000, dt.UTC)
    return f"{node.database.path}: {events:,} estimates, spend up to {until:%Y-%m-%d %H:%M:%S} UTC"


def wall_ms() -> int:
    """This machine's clock, UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000


def run_embedded(config: Config, database: Path | None) -> None:
    """Run until SIGTERM or SIGINT; the last commit is made before it returns."""
    asyncio.run(_run(Service(config, database, wall_ms)))


async def _run(service: Service) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        async with service.ports() as (ingest, api, metrics):
            host = service.config.serve.host
            print(f"database {_found(service.node)}", flush=True)
            print(f"reader   {reader(service.config.meter)}", flush=True)
            print(f"ingest   http://{service.config.ingest.host}:{ingest}/v1/usage", flush=True)
            print(f"console  http://{host}:{api}/", flush=True)
            print(f"metrics  http://{service.config.metrics.host}:{metrics}/metrics", flush=True)
            await service.run()

"""burnline's own metrics: an object that a shell feeds with plain values, and the port it is read from.

Values that must survive a restart (counters, figures) are restored by the stages and shown here as they
are; nothing is counted twice and no reset has to be explained to Prometheus.
"""

import importlib.metadata
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Histogram, Info, start_http_server
from prometheus_client.core import Metric
from prometheus_client.process_collector import ProcessCollector

from stream.burn.figures import Figures
from stream.errors import UserError
from stream.meter.counters import Counters
from stream.metric_families import FAMILIES, NANO, Sample, capped, counter_samples, merged
from stream.schema.alerts import Alert, Severity, State
from stream.schema.commands import Command
from stream.schema.feedback import Feedback
from stream.schema.notify_state import Proof
from stream.scopes import BILLING

# A scope has about 20 series (6 windows twice, 3 bounds, budget, ...): room for 1,000 scopes a process.
MAX_SERIES: Final = 20_000
# Only what people must see of reconciliation: the keys whose invoice differs most.
MAX_RECONCILED: Final = 1_000
# From a commit of a few rows (1 ms) to one that nears the transaction's time limit (10 s).
STAGE_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# The promise is 60 s: fine around it, coarse beyond an hour's worth of trouble.
LATENCY_BUCKETS_S: Final = (5, 10, 15, 20, 30, 40, 50, 60, 75, 90, 120, 180, 300, 600, 1800, 3600)
OUTCOMES: Final = ("delivered", "failed", "blocked", "refused")

BEATS: Final = ("sent", "failed", "withheld")


class Metrics:
    """Everything one process exports, in `registry`. May be fed and read from different threads.

    `max_series` caps the series of scopes: those that burn most stay, the rest is counted in
    burnline_series_dropped. `destinations` get their series at zero from the start, so that the first
    failure is seen as an increase.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        max_series: int = MAX_SERIES,
        destinations: Iterable[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = registry
        self._max_series = max_series
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._figures: dict[int, tuple[Figures, ...]] = {}
        self._counters: dict[int, Counters] = {}
        self._windows_nusd: dict[int, tuple[int, int]] = {}
        self._failures: dict[int, dict[str, int]] = {}
        self._alerts: Counter[tuple[str, str]] | None = None
        self._feedback: Counter[tuple[str, str]] = Counter()
        self._watermarks: dict[tuple[str, int], tuple[float, float]] = {}
        self._lags: dict[tuple[str, int], int] = {}
        self._incidents_nusd: dict[tuple[str, str], int] = {}
        self._reconciled: dict[tuple[str, str, str], float] = {}
        self._notified: dict[tuple[str, str], int] = {}
        self._standing: dict[str, tuple[bool, float | None, float]] = {}
        self._beaten: dict[tuple[str, str], int] = {}
        self._stage_seconds = Histogram(
            "burnline_stage_seconds",
            "Time that one piece of a stage's work took.",
            ["stage"],
            unit="seconds",
            buckets=STAGE_BUCKETS_S,
            registry=registry,
        )
        self._latency_seconds = Histogram(
            "burnline_detection_latency_seconds",
            "From the time of the money that decided to the destination's yes.",
            ["destination"],
            unit="seconds",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        for destination in destinations:
            self._know(destination)
        Info("burnline_build", "Version that runs.", registry=registry).info(
            {"version": importlib.metadata.version("burnline")}
        )
        ProcessCollector(registry=registry)
        registry.register(self)

    def observe_figures(self, figures: Iterable[Figures], partition: int = 0) -> None:
        """All figures of one burn partition; they replace its former ones.

        Give what a commit has made durable: a total that falls back after a crash would look to
        Prometheus like a counter that was reset, and be counted a second time.
        """
        rows = tuple(row for row in figures if not row.scope.startswith(f"{BILLING}="))
        with self._lock:
            self._figures[partition] = rows

    def observe_counters(self, partition: int, counters: Counters) -> None:
        """The meter's counters of one usage partition, as they stood in a commit that succeeded.

        Between commits the identity does not hold yet, and a crash takes them back.
        """
        copy = deepcopy(counters)
        with self._lock:
            self._counters[partition] = copy

    def observe_windows(self, partition: int, overflow_nusd: int, too_late_nusd: int) -> None:
        """What a burn partition put into `other` for want of room, and what no window held any more."""
        with self._lock:
            self._windows_nusd[partition] = (overflow_nusd, too_late_nusd)

    def observe_detectors(self, partition: int, failures: Mapping[str, int]) -> None:
        """How often each detector of a burn partition has failed since the process began."""
        with self._lock:
            self._failures[partition] = dict(failures)

    def observe_alerts(self, active: Iterable[Alert], commands: Iterable[Command] = ()) -> None:
        """Every alert that is not resolved, and what people asked for."""
        counted = Counter((str(alert.severity), str(alert.state)) for alert in active)
        said = Counter(
            (detector, str(one.verdict))
            for one in commands
            if isinstance(one, Feedback) and one.ended_s is None
            for detector in one.detectors
        )
        with self._lock:
            self._alerts, self._feedback = counted, said

    def observe_watermark(self, stage: str, partition: int, watermark_ms: int, now_ms: int) -> None:
        """Up to when a stage has seen everything. The lag grows by itself until the next call."""
        if watermark_ms >= 0:
            with self._lock:
                self._watermarks[stage, partition] = ((now_ms - watermark_ms) / 1000, self._monotonic())

    def observe_incidents(self, excess_nusd: Mapping[tuple[str, str], int]) -> None:
        """The cost beyond normal of every open incident, by (incident, scope)."""
        with self._lock:
            self._incidents_nusd = dict(excess_nusd)

    def observe_reconciliation(self, ratios: Mapping[tuple[str, str, str], float]) -> None:
        """Invoice over estimate of every (provider, account, service)."""
        with self._lock:
            self._reconciled = dict(ratios)

    def lag(self, topic: str, partition: int, records: int) -> None:
        """How many records of a topic partition are not yet read."""
        with self._lock:
            self._lags[topic, partition] = records

    def forget(self, stage: str, partition: int, topic: str) -> None:
        """The partition of `stage` (which reads `topic`) has gone to another process, which shows it now."""
        with self._lock:
            self._watermarks.pop((stage, partition), None)
            self._lags.pop((topic, partition), None)
            if stage == "meter":
                self._counters.pop(partition, None)
            elif stage == "burn":
                self._figures.pop(partition, None)
                self._windows_nusd.pop(partition, None)
                self._failures.pop(partition, None)
            elif stage == "alerts":
                self._alerts, self._feedback = None, Counter()

    def stage_seconds(self, stage: str, seconds: float) -> None:
        self._stage_seconds.labels(stage).observe(seconds)

    def delivered(self, destination: str, alert: Alert, latency_s: float) -> None:
        """A destination took an alert. This and the next three are `stream.notify.delivery.Outcomes`."""
        self._count(destination, "delivered")
        rings = alert.state in (State.FIRING, State.ESCALATED)  # the end of an alert detects nothing
        if rings and alert.severity != Severity.DIGEST:
            self._latency_seconds.labels(destination).observe(latency_s)

    def failed(self, destination: str) -> None:
        """One try failed; there will be another."""
        self._count(destination, "failed")

    def blocked(self, destination: str) -> None:
        """The same, and it will fail until a person mends the address or the credential."""
        self._count(destination, "blocked")

    def undeliverable(self, destination: str) -> None:
        """A destination refused an alert for good."""
        self._count(destination, "refused")

    def standing(self, proof: Proof, now_ms: int) -> None:
        """Whether a destination that this process serves works. Its failing grows by itself."""
        since_ms = proof.failing_since_ms
        failing_s = None if since_ms is None else (now_ms - since_ms) / 1000
        with self._lock:
            self._standing[proof.destination] = proof.proven_ms is not None, failing_s, self._monotonic()

    def beat(self, heartbeat: str, outcome: str) -> None:
        """A heartbeat was sent, failed, or was withheld because nothing moves."""
        with self._lock:
            for known in BEATS:
                self._beaten.setdefault((heartbeat, known), 0)
            self._beaten[heartbeat, outcome] += 1

    def forget_destination(self, destination: str) -> None:
        """Another process serves it now."""
        with self._lock:
            self._standing.pop(destination, None)

    def _know(self, destination: str) -> None:
        for outcome in OUTCOMES:
            self._notified.setdefault((destination, outcome), 0)
        self._latency_seconds.labels(destination)

    def _count(self, destination: str, outcome: str) -> None:
        with self._lock:
            self._know(destination)
            self._notified[destination, outcome] += 1

    def describe(self) -> list[Metric]:
        """The names that `collect` can give: what a registry asks for to keep them unique."""
        return [family.empty() for family in FAMILIES]

    def collect(self) -> list[Metric]:
        """The families that have a sample now. Called by the registry at each scrape."""
        families = {family.name: family.empty() for family in FAMILIES}
        for sample in self._samples():
            families[sample.name].add_metric(sample.labels, sample.value)
        return [family for family in families.values() if family.samples]

    def _samples(self) -> Iterator[Sample]:
        with self._lock:
            simple = [*self._simple_samples(), *self._failure_samples()]
            counters = dict(self._counters)
            partitions = list(self._figures.values())
            ratios = dict(self._reconciled)
        yield from simple
        for partition, values in counters.items():
            yield from counter_samples(partition, values)
        figures = merged(partitions)
        samples, dropped = capped(figures, self._max_series)
        yield from samples
        farthest = sorted(ratios, key=lambda key: (-abs(ratios[key] - 1), key))
        for key in farthest[:MAX_RECONCILED]:
            yield Sample("burnline_reconcile_ratio", key, ratios[key])
        yield Sample("burnline_scopes", (), len(figures))
        yield Sample("burnline_series_dropped", (), dropped + max(0, len(ratios) - MAX_RECONCILED))

    def _failure_samples(self) -> Iterator[Sample]:
        for partition, failures in self._failures.items():
            for detector, count in failures.items():
                yield Sample("burnline_detector_failures_total", (str(partition), detector), count)

    def _simple_samples(self) -> Iterator[Sample]:
        for partition, (overflow, too_late) in self._windows_nusd.items():
            yield Sample("burnline_overflow_usd_total", (str(partition),), overflow / NANO)
            yield Sample("burnline_too_late_usd_total", (str(partition),), too_late / NANO)
        for (stage, partition), (lag_s, observed) in self._watermarks.items():
            lag_now_s = lag_s + self._monotonic() - observed
            yield Sample("burnline_watermark_lag_seconds", (stage, str(partition)), lag_now_s)
        for (topic, partition), records in self._lags.items():
            yield Sample("burnline_consumer_lag_records", (topic, str(partition)), records)
        if self._alerts is not None:
            for severity, state in product(Severity, State):
                labels = (str(severity), str(state))
                if state != State.RESOLVED and (severity != Severity.DIGEST or state == State.PENDING):
                    yield Sample("burnline_alerts", labels, self._alerts[labels])
        for said, count in self._feedback.items():
            yield Sample("burnline_feedback", said, count)
        for incident, excess in self._incidents_nusd.items():
            yield Sample("burnline_incident_excess_usd", incident, excess / NANO)
        for notified, count in self._notified.items():
            yield Sample("burnline_notifications_total", notified, count)
        for beat, count in self._beaten.items():
            yield Sample("burnline_heartbeats_total", beat, count)
        for name, (proven, failing_s, observed) in self._standing.items():
            yield Sample("burnline_destination_proven", (name,), int(proven))
            failing_now_s = 0.0 if failing_s is None else failing_s + self._monotonic() - observed
            yield Sample("burnline_destination_failing_seconds", (name,), failing_now_s)


@dataclass(frozen=True, slots=True)
class Exposition:
    """A running metrics port."""

    server: WSGIServer
    thread: threading.Thread

    @property
    def port(self) -> int:
        return self.server.server_port

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def serve(metrics: Metrics, host: str, port: int) -> Exposition:
    """Answer scrapes on `host:port` (0: any free port) from threads of their own, so that a busy event
    loop can still be looked at.

    Raises:
        UserError: the address can't be listened on.
    """
    try:
        return Exposition(*start_http_server(port, host, metrics.registry))
    except OSError as error:
        raise UserError(
            f"cannot serve metrics on {host}:{port}: {error.strerror}; "
            "end what listens there, or set another metrics.host or metrics.port"
        ) from None

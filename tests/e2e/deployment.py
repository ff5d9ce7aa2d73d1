"""The deployment of docker-compose.yml as plain processes: its commands, its files, its ports moved aside."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import yaml
from aiokafka import AIOKafkaProducer

from stream.demo.estate import Estate
from stream.schema import deploys
from tests.services import AlertmanagerServer, KafkaServer, PrometheusServer, Service, free_ports
from tests.services.http import answers, get_json

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BURNLINE = Path(sys.executable).parent / "burnline"
PROCESSES = ("meter", "worker", "serve")
TOKEN = "31415926"  # of digits only, as the environment might bring one: it must be quoted twice
# For panels that show nothing without one: a month of the shop is about 165,000 USD.
BUDGETS = [{"scope": "total", "monthly_usd": 200_000}]
MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
STEP_MS = 10_000


def until(check: Callable[[], Any], what: str, patience_s: float = 90) -> Any:
    """What `check` returns once it is true."""
    deadline_s = time.monotonic() + patience_s
    while not (found := check()):
        if time.monotonic() > deadline_s:
            raise AssertionError(f"{what} did not come; last: {found!r}")
        time.sleep(0.25)
    return found


class Process(Service):
    """`burnline NAME`, with the configuration of the containers and `environment` over it."""

    start_timeout_s = 60

    def __init__(self, directory: Path, name: str, environment: dict[str, str], ready: str) -> None:
        self.name = name  # type: ignore[misc]
        super().__init__(directory)
        self._environment = environment
        self._ready = ready

    def command(self) -> Sequence[str]:
        settings = [f"{key}={value}" for key, value in self._environment.items()]
        return ["env", *settings, str(BURNLINE), self.name]

    def is_ready(self) -> bool:
        return answers(self._ready)

    def end(self) -> int:
        """Ask it to end, as a supervisor does that kills after 10 s, and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(10)
        self._forget()
        return status


@dataclass
class Deployment:
    """Everything that runs, and the shop whose usage goes in."""

    directory: Path
    kafka: KafkaServer
    manager: AlertmanagerServer
    prometheus: PrometheusServer
    environment: dict[str, str]
    ports: dict[str, int]
    processes: dict[str, Process] = field(default_factory=dict)
    sent: int = 0
    """Estimates that were sent."""

    def api(self, path: str) -> Any:
        return get_json(f"http://127.0.0.1:{self.ports['serve']}{path}")

    def query(self, expression: str) -> list[Any]:
        """The result of an instant query."""
        return self.ask("query", {"query": expression})

    def ask(self, kind: str, parameters: dict[str, Any]) -> list[Any]:
        answer = get_json(f"{self.prometheus.url}/api/v1/{kind}?{urlencode(parameters)}")
        assert cast(Any, answer)["status"] == "success"
        return cast(list[Any], cast(Any, answer)["data"]["result"])

    def alerts(self) -> list[Any]:
        """Those that Alertmanager has."""
        return cast(list[Any], get_json(f"{self.manager.url}/api/v2/alerts"))

    def burnline(self, *arguments: str) -> str:
        """Run a command of a person and return what it printed."""
        done = subprocess.run(
            [str(BURNLINE), *arguments],
            env=self.environment | {"PATH": "/usr/bin:/bin"},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def post(self, topic: str, values: list[bytes]) -> None:
        """Send by HTTP; returns when burnline has confirmed it."""
        request = Request(
            f"http://127.0.0.1:{self.ports['ingest']}/v1/{topic}",
            data=b"\n".join(values),
            headers={"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {TOKEN}"},
        )
        with urlopen(request, timeout=30) as answer:
            assert answer.status == 202
        self._count(topic, values)

    async def produce(self, messages: Iterator[Any]) -> None:
        """Write to the topic `usage`, as a collector does that speaks Kafka."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap, enable_idempotence=True)
        await producer.start()
        try:
            sent = []
            for message in messages:
                sent.append(await producer.send("usage", message.value, message.source.encode()))
                self._count("usage", [message.value])
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def _count(self, topic: str, values: list[bytes]) -> None:
        if topic == "usage":
            self.sent += sum(value.count(b'"driver"') for value in values)

    def accepted(self) -> int:
        return int(self.api("/api/v1/identity")["accepted"]["events"])


@contextmanager
def deployed(directory: Path) -> Iterator[Deployment]:
    """Start it all in the order of docker-compose.yml, and end it."""
    names = ("ingest", "serve", "metrics of meter", "metrics of worker", "metrics of serve", "prometheus")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaServer(directory / "kafka"))
        text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
        manager = stack.enter_context(AlertmanagerServer(directory / "alertmanager", text))
        (directory / "prometheus").mkdir()
        shutil.copy(DEPLOY / "prometheus" / "rules.yml", directory / "prometheus")
        prometheus = stack.enter_context(
            PrometheusServer(directory / "prometheus", _targets(ports, manager.port), ports["prometheus"])
        )
        environment = _environment(ports, kafka.bootstrap, manager.url)
        made = Deployment(directory, kafka, manager, prometheus, environment, ports)
        assert "usage" in made.burnline("topics", "create").split()
        for name in PROCESSES:
            metrics = ports[f"metrics of {name}"]
            own = environment | {"BURNLINE_METRICS__PORT": str(metrics)}
            ready = f"http://127.0.0.1:{metrics}/metrics"
            if name == "serve":
                ready = f"http://127.0.0.1:{ports['serve']}/api/v1/alerts"
            made.processes[name] = stack.enter_context(Process(directory / name, name, own, ready))
        yield made


def _environment(ports: dict[str, int], bootstrap: str, manager: str) -> dict[str, str]:
    """What differs from the containers: names of hosts, numbers of ports, and budgets of one's own."""
    destination = {"kind": "alertmanager", "url": manager}
    return {
        "BURNLINE_CONFIG": str(DEPLOY / "burnline.yaml"),
        "BURNLINE_KAFKA__BOOTSTRAP": bootstrap,
        "BURNLINE_INGEST__HOST": "127.0.0.1",
        "BURNLINE_INGEST__PORT": str(ports["ingest"]),
        "BURNLINE_INGEST__TOKEN": f'"{TOKEN}"',
        "BURNLINE_SERVE__HOST": "127.0.0.1",
        "BURNLINE_SERVE__PORT": str(ports["serve"]),
        "BURNLINE_SERVE__TOKEN": f'"{TOKEN}"',
        "BURNLINE_METRICS__HOST": "127.0.0.1",
        "BURNLINE_BUDGETS": json.dumps(BUDGETS),
        "BURNLINE_NOTIFY__DESTINATIONS": json.dumps([destination]),
        "BURNLINE_NOTIFY__ALLOWED_HOSTS": json.dumps(["127.0.0.1"]),
    }


def _targets(ports: dict[str, int], manager_port: int) -> str:
    """The configuration of Prometheus with local targets, and nothing else changed."""
    document = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    manager = [{"targets": [f"127.0.0.1:{manager_port}"]}]
    document["alerting"]["alertmanagers"] = [{"static_configs": manager}]
    for job in document["scrape_configs"]:
        match job["job_name"]:
            case "burnline":
                assert job.pop("dns_sd_configs")[0]["names"] == list(PROCESSES)
                ours = [f"127.0.0.1:{ports[f'metrics of {name}']}" for name in PROCESSES]
                job["static_configs"] = [{"targets": ours}]
            case "prometheus":
                job["static_configs"] = [{"targets": [f"127.0.0.1:{ports['prometheus']}"]}]
            case "alertmanager":
                job["static_configs"] = manager
    return yaml.safe_dump(document)


class Shop:
    """The demo's estate: a fortnight at once, some minutes faster than life, then life itself.

    Its checkout runs away `BAD_MS` after `live_ms`: about when life has caught up with the clock.
    """

    LIVE_MS = 6 * MINUTE_MS
    BAD_MS = 6 * MINUTE_MS

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self.live_ms = _now_ms() // MINUTE_MS * MINUTE_MS - self.LIVE_MS
        self._start_ms = self.live_ms - 14 * DAY_MS
        self._estate = Estate(1, self._start_ms)
        self.bad_ms = self.live_ms + self.BAD_MS
        self._estate.runaway(self.bad_ms)

    def fortnight(self) -> None:
        """11 days by the hour and 3 days in steps of 5 minutes; returns when all of it is counted."""
        watched_ms = self._start_ms + 11 * DAY_MS
        for start_ms, end_ms, step_s in (
            (self._start_ms, watched_ms, 3600),
            (watched_ms, self.live_ms, 300),
        ):
            asyncio.run(self._deployment.produce(self._estate.messages(start_ms, end_ms, step_s)))
        until(lambda: self._deployment.accepted() == self._deployment.sent, "the whole fortnight")

    def live(self) -> None:
        """Go on in a thread of its own, until `rest`."""
        self._thread.start()

    def rest(self) -> None:
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        changes = self._estate.deploys(self.live_ms - 10 * MINUTE_MS, self.live_ms + 60 * MINUTE_MS)
        at_ms = self.live_ms
        while not self._stop.is_set():
            messages = list(self._estate.messages(at_ms, at_ms + STEP_MS, STEP_MS // 1000))
            at_ms += STEP_MS
            # A third of a second for ten until now is reached, then as they come.
            self._stop.wait(max(0.3, (messages[-1].arrival_ms - _now_ms()) / 1000))
            due = [deploys.encode(change) for change in changes if change.time_s * 1000 < at_ms]
            changes = changes[len(due) :]
            if due:
                self._deployment.post("deploys", due)
            self._deployment.post("usage", [message.value for message in messages])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

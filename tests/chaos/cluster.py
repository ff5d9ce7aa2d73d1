"""A broker behind a proxy, and pipelines on it: topics, a configuration file, processes."""

import asyncio
import re
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, Final, Self

import yaml
from aiohttp import web

from stream import config as configuration
from stream.config import Config
from stream.schema.alerts import State
from stream.shell.kafka import topics
from tests.chaos.plan import PRICE_BOOK
from tests.chaos.process import Process
from tests.chaos.proxy import Proxy
from tests.services import KafkaServer, free_ports

SESSION_S: Final = 2


class Broker:
    """Kafka with two doors: processes come through the proxy, the harness and Kafka itself do not."""

    def __init__(self, directory: Path) -> None:
        outer, inner, direct, controller = free_ports(4)
        self.outer = f"127.0.0.1:{outer}"
        self.direct = f"127.0.0.1:{direct}"
        self.server = KafkaServer(
            directory,
            {
                "controller.quorum.voters": f"1@127.0.0.1:{controller}",
                "listeners": f"PLAINTEXT://127.0.0.1:{inner},DIRECT://{self.direct},"
                f"CONTROLLER://127.0.0.1:{controller}",
                "advertised.listeners": f"PLAINTEXT://{self.outer},DIRECT://{self.direct}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "inter.broker.listener.name": "DIRECT",
            },
        )
        self.proxy = Proxy(outer, inner)
        self.bounces = 0

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.server.start)
        await self.proxy.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.proxy.__aexit__(*details)
        await asyncio.to_thread(self.server.stop)

    async def bounce(self, down_s: float) -> None:
        """Kill it, and bring it back after a while with what it had on disk."""
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(down_s)
        await asyncio.to_thread(self.server.start)
        self.bounces += 1

    def rebalances(self, group: str) -> int:
        """How often a consumer group whose name begins so has settled on an assignment with members."""
        found = re.findall(
            rf"Stabilized group {re.escape(group)}\S* generation (\d+) .*?with ([1-9]\d*) members",
            self.server.log_path.read_text(errors="replace"),
        )
        return len(found)


class Inbox:
    """The webhook that alerts are delivered to."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []

    async def _take(self, request: web.Request) -> web.Response:
        document: Any = await request.json()
        self.received.append((document["dedup_key"], str(State(document["event"]))))
        return web.Response()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


class Pipeline:
    """One pipeline with topics of its own. All processes it started are killed at the end."""

    def __init__(
        self, directory: Path, bootstrap: str, direct: str, partitions: int = 2, kafka: Any = None
    ) -> None:
        mark = uuid.uuid4().hex[:8]
        self.directory = directory / mark
        self.inbox = Inbox()
        self.started: list[Process] = []
        self.by_command: Counter[str] = Counter()
        self._bootstrap = bootstrap
        self._direct = direct
        self._kafka = {
            "topic_prefix": f"t{mark}.",
            "group": f"g{mark}",
            "usage_partitions": partitions,
            "spend_partitions": partitions,
            "commit_every_s": 0.2,
            "session_timeout_s": SESSION_S,
        } | (kafka or {})

    async def __aenter__(self) -> Self:
        await self.inbox.__aenter__()
        self.directory.mkdir(parents=True)
        prices = self.directory / "prices.csv"
        prices.write_text(PRICE_BOOK)
        document = {
            "kafka": self._kafka | {"bootstrap": self._bootstrap},
            "prices": {"book": str(prices)},
            # Alerts must be those of a run without harm: time waits for whoever is killed, however long.
            "burn": {"idle_after_s": 3600},
            "alerts": {"hold_s": 60},
            "notify": {"destinations": [{"kind": "webhook", "url": self.inbox.url}]},
            "metrics": {"port": 0},
        }
        self.file = self.directory / "burnline.yaml"
        self.file.write_text(yaml.safe_dump(document))
        loaded = configuration.load(self.file, {})
        self.config: Config = loaded.model_copy(
            update={"kafka": loaded.kafka.model_copy(update={"bootstrap": self._direct})}
        )
        await topics.create(self.config.kafka)
        return self

    async def __aexit__(self, *details: object) -> None:
        for process in self.started:
            await asyncio.to_thread(process.kill)
        await self.inbox.__aexit__(*details)

    def start(self, command: str, *, crash_at: str = "", freeze_at: str = "", bug: str = "") -> Process:
        self.by_command[command] += 1
        log = self.directory / f"{command}-{self.by_command[command]}.log"
        process = Process(command, self.file, log, crash_at=crash_at, freeze_at=freeze_at, bug=bug)
        self.started.append(process)
        return process

    def said(self, words: str) -> int:
        """In how many lines of all its processes' logs these words are."""
        return sum(
            line.count(words)
            for log in self.directory.glob("*.log")
            for line in log.read_text(errors="replace").splitlines()
        )

    def owned_by(self, process: Process) -> int:
        """How often one process came to own partitions."""
        return (
            process.log.read_text(errors="replace").count(" owns partitions [") if process.log.exists() else 0
        )

    def owned(self) -> Counter[str]:
        """How often partitions were owned anew, by stage."""
        owned: Counter[str] = Counter()
        for log in self.directory.glob("*.log"):
            owned.update(re.findall(r"(\w+) owns partitions \[", log.read_text(errors="replace")))
        return owned

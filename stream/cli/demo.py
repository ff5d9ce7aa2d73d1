"""`burnline demo`: a shop's fortnight in seconds, then a runaway autoscaler, live."""

import asyncio
import tempfile
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, nullcontext
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from stream import config as configuration
from stream.cli.demo_screen import Screen, closing
from stream.demo.estate import Estate
from stream.schema import deploys, topics
from stream.schema.alerts import Alert, Severity, State
from stream.shell.embedded.replay import Replay
from stream.shell.embedded.service import Service, wall_ms

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
HISTORY_DAYS: Final = 11  # hourly, as a billing export has it
WATCHED_DAYS: Final = 3  # in steps of five minutes, detectors on
HISTORY_STEP_S: Final = 3600
WATCHED_STEP_S: Final = 300
STEP_S: Final = 10
QUIET_MS: Final = 4 * MINUTE_MS  # of normal life before the autoscaler goes wrong
AFTER_PAGE_MS: Final = 90_000
SERVICE: Final = "checkout"


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on afterwards, with API, console and metrics up.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another seed is another shop's noise.")] = 1,
    speed: Annotated[
        float, typer.Option(min=1.0, help="Simulated seconds a second in the live part.")
    ] = 30.0,
) -> None:
    """Watch a shop of 42 services run away: 20 pods become 2,000 after a deploy.

    Runs a baseline fortnight faster than life, then shows the burn rate climb and the page that an
    on-call engineer would get. Everything runs in this process; nothing is sent anywhere.

    Example: burnline demo --keep
    """
    folder = resources.files("stream.demo")
    with resources.as_file(folder / "burnline.yaml") as path:
        config = configuration.load(path)
    with tempfile.TemporaryDirectory() as scratch:
        _Demo(config, Path(scratch) / "demo.db", seed, speed, keep).play()


class _Demo:
    def __init__(
        self, config: configuration.Config, database: Path, seed: int, speed: float, keep: bool
    ) -> None:
        self._live_ms = wall_ms() // MINUTE_MS * MINUTE_MS
        self._start_ms = self._live_ms - (HISTORY_DAYS + WATCHED_DAYS) * DAY_MS
        self._clock_ms = self._start_ms
        self._service = Service(config, database, lambda: self._clock_ms)
        self._estate = Estate(seed, self._start_ms)
        self._speed = speed
        self._keep = keep
        self._console = Console()
        self._page: Alert | None = None
        self._alerts = 0
        self._screen = Screen(self._service.replica)

    def play(self) -> None:
        self._fortnight()
        try:
            asyncio.run(self._live())
        finally:
            if self._page is not None:
                self._console.print(closing(self._page, self._service.replica))

    def _fortnight(self) -> None:
        """History in one go, then three watched days."""
        watched_ms = self._start_ms + HISTORY_DAYS * DAY_MS
        node, estate = self._service.node, self._estate
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[at]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            bar = progress.add_task("a fortnight of normal life", total=self._live_ms - self._start_ms, at="")
            messages = list(estate.messages(self._start_ms, watched_ms, HISTORY_STEP_S))
            node.usage([message.value for message in messages], [message.arrival_ms for message in messages])
            node.commit(watched_ms)
            player = Replay(node)
            for message in estate.messages(watched_ms, self._live_ms, WATCHED_STEP_S):
                self._count(player.message(message.value, message.arrival_ms))
                done_ms = message.arrival_ms - self._start_ms
                at = f"day {1 + done_ms // DAY_MS}, {node.meter.counters.accepted_events:,} estimates"
                progress.update(bar, completed=done_ms, at=at)
            self._count(player.commit())
            progress.update(bar, completed=self._live_ms - self._start_ms)
        self._clock_ms = self._live_ms
        usd = node.meter.counters.accepted_nusd / 1e9
        self._console.print(
            f"${usd:,.0f} spent in 14 days, {self._alerts} alerts in the last three.", highlight=False
        )

    def _count(self, told: Iterable[Alert]) -> None:
        self._alerts += sum(
            alert.state == State.FIRING and alert.severity != Severity.DIGEST for alert in told
        )

    async def _live(self) -> None:
        bad_ms = self._live_ms + QUIET_MS
        self._estate.runaway(bad_ms, service=SERVICE)
        self._service.told = self._told
        async with AsyncExitStack() as stack:
            if self._keep:
                _, api, metrics = await stack.enter_async_context(self._service.ports())
                self._console.print(
                    f"console http://127.0.0.1:{api}/   metrics http://127.0.0.1:{metrics}/metrics"
                )
            shown = (
                Live(self._screen, console=self._console, refresh_per_second=8)
                if self._console.is_terminal
                else nullcontext()
            )
            with shown:
                await self._steps(bad_ms)

    async def _steps(self, bad_ms: int) -> None:
        until_ms: int | None = None
        at_ms, pending = self._live_ms, self._estate.deploys(self._live_ms - 10 * MINUTE_MS, bad_ms + DAY_MS)
        while self._keep or until_ms is None or at_ms < until_ms:
            started_s = time.monotonic()
            at_ms += STEP_S * 1000
            while pending and pending[0].time_s * 1000 < at_ms:
                self._service.node.append(topics.DEPLOYS, None, deploys.encode(pending.pop(0)), at_ms)
            messages = list(self._estate.messages(at_ms - STEP_S * 1000, at_ms, STEP_S))
            self._clock_ms = max(at_ms, messages[-1].arrival_ms)
            self._service.node.usage([m.value for m in messages], [m.arrival_ms for m in messages])
            self._service.commit()
            line = self._screen.step(at_ms)
            if not self._console.is_terminal and at_ms % 30_000 == 0:
                self._console.print(line, highlight=False)
            if self._page is not None and until_ms is None:
                until_ms = at_ms + AFTER_PAGE_MS
            done = until_ms is not None and at_ms >= until_ms
            speed = STEP_S if done else self._speed
            await asyncio.sleep(max(0.0, started_s + STEP_S / speed - time.monotonic()))

    def _told(self, alert: Alert) -> None:
        self._screen.tell(alert)
        if alert.severity == Severity.PAGE and alert.state in (State.FIRING, State.ESCALATED):
            self._page = alert
            if not self._console.is_terminal:
                self._console.print(f"PAGE {alert.summary}", highlight=False)

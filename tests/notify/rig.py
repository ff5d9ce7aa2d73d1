"""A deliverer with a clock, dice and sleep that belong to the test."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from stream.config_alerts import Alerting
from stream.config_notify import Notify
from stream.notify.delivery import Deliverer
from stream.notify.registry import destinations
from stream.schema.actions import Entry
from stream.schema.alerts import Alert
from stream.schema.notify_state import Proof
from tests.notify.pages import RUNAWAY


class Outcomes:
    """Counts, as metrics would."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.failures = 0
        self.beats: list[str] = []
        self.blocks = 0
        self.refused = 0

    def delivered(self, destination: str, alert: Alert, latency_s: float) -> None:
        self.latencies_s.append(latency_s)

    def failed(self, destination: str) -> None:
        self.failures += 1

    def blocked(self, destination: str) -> None:
        self.blocks += 1

    def beat(self, heartbeat: str, outcome: str) -> None:
        self.beats.append(outcome)

    def standing(self, proof: Proof, now_ms: int) -> None:
        self.proof = proof

    def forget_destination(self, destination: str) -> None:
        raise AssertionError("no shell is here")

    def undeliverable(self, destination: str) -> None:
        self.refused += 1


class Desk:
    """Holds what a shell would make durable."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.told: list[Alert] = []
        self.noted: list[Entry] = []
        self.given_up: list[tuple[Alert, str]] = []

    async def keep(self, rows: Mapping[str, str | None]) -> None:
        for key, value in rows.items():
            self.rows.pop(key, None)
            if value is not None:
                self.rows[key] = value

    async def tell(self, alert: Alert) -> None:
        self.told.append(alert)

    async def note(self, entry: Entry) -> None:
        self.noted.append(entry)

    async def give_up(self, alert: Alert, detail: str) -> None:
        self.given_up.append((alert, detail))


class Rig:
    """One deliverer. Time stands still but for `sleep`, which passes it at once."""

    def __init__(self, settings: Notify, session: aiohttp.ClientSession, dice: float) -> None:
        self.now_ms = RUNAWAY.emitted_ms
        self.slept_s: list[float] = []
        self.outcomes = Outcomes()
        self.desk = Desk()
        [destination] = destinations(settings)
        self.deliverer = Deliverer(
            destination,
            session,
            settings,
            Alerting(),
            self.outcomes,
            self.desk,
            now_ms=lambda: self.now_ms,
            sleep=self._sleep,
            random=lambda: dice,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ms += int(seconds * 1000)
        await asyncio.sleep(0)


@asynccontextmanager
async def rig(settings: dict[str, object], dice: float = 0.0) -> AsyncIterator[Rig]:
    """`settings` are those of the section `notify`."""
    async with aiohttp.ClientSession() as session:
        yield Rig(Notify.model_validate(settings), session, dice)

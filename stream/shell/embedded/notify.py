"""Deliveries of an embedded node: one task a destination, each with its own position in the log."""

import asyncio
import random
from collections.abc import Callable

import aiohttp

from stream.config import Notify
from stream.notify.delivery import Deliverer, Outcomes, destinations
from stream.notify.destination import Destination
from stream.schema import alerts as alerts_schema
from stream.schema import topics
from stream.schema.alerts import Alert, State
from stream.shell.embedded.node import Node

_LOOK_S = 0.2  # how long after a commit a new alert is noticed at most


class Notifier:
    """Delivers every alert to every destination, in order, at least once."""

    def __init__(self, node: Node, settings: Notify, outcomes: Outcomes, now_ms: Callable[[], int]) -> None:
        self._node = node
        self._settings = settings
        self._outcomes = outcomes
        self._now_ms = now_ms

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            for destination in destinations(self._settings):
                deliverer = Deliverer(
                    destination,
                    session,
                    self._settings,
                    self._outcomes,
                    now_ms=self._now_ms,
                    sleep=asyncio.sleep,
                    random=random.random,
                )
                tasks.create_task(self._deliver(destination, deliverer))
                tasks.create_task(deliverer.repeat_forever())

    async def _deliver(self, destination: Destination, deliverer: Deliverer) -> None:
        database, reader = self._node.database, f"notify/{destination.name}"
        firing = [alert for alert in self._node.alerts.active() if alert.state != State.PENDING]
        if not database.known(reader, topics.ALERTS):
            # A new destination is told what fires now, not of the past.
            await self._all(deliverer, firing)
            database.move(reader, topics.ALERTS, database.end(topics.ALERTS))
        else:
            for alert in firing:
                destination.resume(alert)
        while True:
            for position, _, value in database.read(topics.ALERTS, database.position(reader, topics.ALERTS)):
                await self._all(deliverer, [alerts_schema.decode(value)])
                database.move(reader, topics.ALERTS, position + 1)
            await asyncio.sleep(_LOOK_S)

    @staticmethod
    async def _all(deliverer: Deliverer, told: list[Alert]) -> None:
        for alert in told:
            await deliverer.deliver(alert)

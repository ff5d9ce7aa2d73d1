"""Deliveries of an embedded node: one task a destination, each with its own position in the log."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import aiohttp

from stream.config import Config
from stream.config_notify import Heartbeat, Place
from stream.notify import hosts
from stream.notify.delivery import Deliverer, Outcomes
from stream.notify.destination import Destination
from stream.notify.firing import still_firing
from stream.notify.heartbeat import Heart
from stream.notify.registry import destinations
from stream.notify.transport import Transport
from stream.schema import actions, dead_letters, topics
from stream.schema import alerts as alerts_schema
from stream.schema.actions import Entry
from stream.schema.alerts import Alert
from stream.shell import crash
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from stream.stage import Output, StateRow

_WELCOMED: Final = "welcomed"  # beside `alerts`: where a new destination began
_LOOK_S = 0.2  # how long after a commit a new alert is noticed at most


class DatabaseDesk:
    """All that it writes is in the transaction that moves the position."""

    def __init__(self, database: Database, reader: str, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._reader = reader
        self._now_ms = now_ms

    async def keep(self, rows: Mapping[str, str | None]) -> None:
        self._database.write_state(
            self._reader,
            [
                StateRow(key.encode(), None if value is None else value.encode())
                for key, value in rows.items()
            ],
        )

    def kept(self) -> list[tuple[str, str]]:
        """The rows that the last process left."""
        rows = self._database.read_state(self._reader)
        return [(row.key.decode(), row.value.decode()) for row in rows if row.value is not None]

    async def tell(self, alert: Alert) -> None:
        self._append(topics.ALERTS, alert.dedup_key.encode(), alerts_schema.encode(alert))

    async def note(self, entry: Entry) -> None:
        self._append(topics.ACTIONS, entry.action.id.encode(), actions.encode(entry))

    async def give_up(self, alert: Alert, detail: str) -> None:
        position = self._database.position(self._reader, topics.ALERTS)
        letter = dead_letters.undeliverable(alerts_schema.encode(alert), position, self._now_ms(), detail)
        self._append(topics.DEAD_LETTERS, f"{topics.ALERTS}/0".encode(), dead_letters.encode(letter))

    def _append(self, topic: str, key: bytes, value: bytes) -> None:
        self._database.append([Output(topic, key, value)], self._now_ms())


class Notifier:
    """Delivers every alert to every destination, in order, at least once."""

    def __init__(self, node: Node, config: Config, outcomes: Outcomes, now_ms: Callable[[], int]) -> None:
        self._node = node
        self._config = config
        self._outcomes = outcomes
        self._now_ms = now_ms

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
                for destination in destinations(self._config.notify):
                    desk = DatabaseDesk(self._node.database, _reader(destination.settings), self._now_ms)
                    destination.memory.restore(desk.kept())
                    deliverer = Deliverer(
                        destination,
                        session,
                        self._config.notify,
                        self._config.alerts,
                        self._outcomes,
                        desk,
                        now_ms=self._now_ms,
                        sleep=asyncio.sleep,
                        random=random.random,
                    )
                    tasks.create_task(self._deliver(destination, deliverer))
                    tasks.create_task(deliverer.repeat_forever())
                    tasks.create_task(deliverer.watch_forever())
                for heartbeat in self._config.notify.heartbeats:
                    tasks.create_task(self._heart(heartbeat, session).beat_forever())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None  # a group would not be taken for what a person can mend

    def _heart(self, settings: Heartbeat, session: aiohttp.ClientSession) -> Heart:
        rules, what = self._config.notify, f"heartbeat {settings.name!r}"
        hosts.check(what, [settings.url.get_secret_value()], rules.allowed_hosts)
        return Heart(
            settings,
            Transport(session, rules.timeout_s, self._now_ms),
            lambda: self._node.alerts.slowest_s,
            self._outcomes,
            now_ms=self._now_ms,
            sleep=asyncio.sleep,
        )

    async def _deliver(self, destination: Destination, deliverer: Deliverer) -> None:
        database, reader = self._node.database, _reader(destination.settings)
        if not database.known(reader, topics.ALERTS):
            await self._welcome(reader, deliverer)
        else:
            for alert in self._firing(database.position(reader, topics.ALERTS), destination.settings):
                deliverer.resume(alert)
        while True:
            for position, _, value in database.read(topics.ALERTS, database.position(reader, topics.ALERTS)):
                crash.passed("notify", "before-deliver")
                await deliverer.deliver(alerts_schema.decode(value))
                crash.passed("notify", "after-deliver")
                database.move(reader, topics.ALERTS, position + 1)
            await asyncio.sleep(_LOOK_S)

    async def _welcome(self, reader: str, deliverer: Deliverer) -> None:
        """Tell a new destination what fires now, not of the past.

        That may take hours, and a restart. What "now" is stays as it was, or a change in between is lost.
        """
        database = self._node.database
        if not database.known(reader, _WELCOMED):
            database.move(reader, _WELCOMED, database.end(topics.ALERTS))
        begin = database.position(reader, _WELCOMED)
        for alert in self._firing(begin, deliverer.destination.settings):
            await deliverer.deliver(alert)
        database.move(reader, topics.ALERTS, begin)

    def _firing(self, position: int, settings: Place) -> Iterable[Alert]:
        """The alerts of a destination that fired when the log had come to `position`."""
        records = self._node.database.records(topics.ALERTS)
        told = (alerts_schema.decode(value) for at, value in records if at < position)
        return still_firing(told, settings)


def _reader(settings: Place) -> str:
    """The name of a destination's position and state in the file."""
    return f"notify/{settings.name}"

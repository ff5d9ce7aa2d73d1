"""Notify on Kafka: one consumer group a destination, so that one that is down holds up no other.

At least once: an alert is delivered, then its offset is committed.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError
from mode import Service

from stream.config import Config
from stream.config_notify import AnyDestination
from stream.notify.delivery import Deliverer, Outcomes
from stream.notify.firing import still_firing
from stream.notify.registry import destination
from stream.schema import actions, alerts, dead_letters, notify_state, topics
from stream.schema.actions import Entry
from stream.schema.alerts import Alert
from stream.shell.kafka import crash
from stream.shell.kafka.partition import now_ms
from stream.shell.kafka.security import client_arguments, explained
from stream.shell.kafka.service import Listener, group_arguments
from stream.shell.kafka.state import committed, committed_reader, history, restore
from stream.shell.kafka.topics import full_name
from stream.shell.kafka.writer import Writer

# Delivery may be retried for hours, and only a member that polls stays in its group: the longest there is.
_POLL_INTERVAL_MS: Final = 2**31 - 1

# Noted beside the offset while a new destination is being told what fires.
_WELCOMING: Final = "welcoming"

_log = logging.getLogger(__name__)


class KafkaDesk:
    """Each word is on all in-sync replicas before the offset is committed."""

    def __init__(self, writer: Writer, destination: str) -> None:
        self.offset = 0
        """Of the alert that is being delivered."""
        self._writer = writer
        self._destination = destination

    async def keep(self, rows: Mapping[str, str | None]) -> None:
        records = [
            (notify_state.key(self._destination, row), None if value is None else value.encode())
            for row, value in rows.items()
        ]
        await self._writer.write(topics.NOTIFY_STATE, records)

    async def tell(self, alert: Alert) -> None:
        await self._writer.write(topics.ALERTS, [(alert.dedup_key.encode(), alerts.encode(alert))])

    async def note(self, entry: Entry) -> None:
        await self._writer.write(topics.ACTIONS, [(entry.action.id.encode(), actions.encode(entry))])

    async def give_up(self, alert: Alert, detail: str) -> None:
        letter = dead_letters.undeliverable(alerts.encode(alert), self.offset, now_ms(), detail)
        key = f"{topics.ALERTS}/0".encode()
        await self._writer.write(topics.DEAD_LETTERS, [(key, dead_letters.encode(letter))])


class NotifyService(Service):
    """Delivers every alert to one destination, in order, from one process at a time."""

    mundane_level = "debug"  # mode would log each start and stop

    def __init__(self, config: Config, settings: AnyDestination, outcomes: Outcomes) -> None:
        super().__init__()
        self._config = config
        self._kafka = kafka = config.kafka
        self._settings = settings
        self._outcomes = outcomes
        self._group = f"{kafka.group}-notify-{settings.name}"
        self._source = TopicPartition(full_name(kafka, topics.ALERTS), 0)
        self._consumer: Any = None
        self._writer = Writer(kafka)
        self._desk = KafkaDesk(self._writer, settings.name)
        self._session: Any = None
        self._deliverer: Any = None
        self._work: list[asyncio.Task[None]] = []

    def _new_deliverer(self) -> Deliverer:
        """Knows nothing yet: what a former one held may have changed in another process meanwhile."""
        return Deliverer(
            destination(self._settings, self._config.notify),
            self._session,
            self._config.notify,
            self._config.alerts,
            self._outcomes,
            self._desk,
            now_ms=now_ms,
            sleep=asyncio.sleep,
            random=random.random,
        )

    async def on_start(self) -> None:
        self._session = await self.add_async_context(aiohttp.ClientSession())
        await self.add_async_context(self._writer)
        self._new_deliverer()  # which says at once if its host is not allowed
        with explained(self._kafka):
            self._consumer = AIOKafkaConsumer(
                **client_arguments(self._kafka),
                **group_arguments(self._kafka, self._group),
                max_poll_interval_ms=_POLL_INTERVAL_MS,
            )
            await self._consumer.start()
        self._consumer.subscribe([self._source.topic], listener=Listener(self))

    async def on_stop(self) -> None:
        await self.revoked()
        if self._consumer is not None:
            await self._consumer.stop()

    def assigned(self, sources: set[TopicPartition]) -> None:
        if sources:
            self._work = [asyncio.create_task(self._or_crash(self._deliver))]

    async def revoked(self) -> None:
        work, self._work = self._work, []
        if work:
            crash.passed("notify", "before-revoke")
        for task in work:
            task.cancel()
        if work:
            await asyncio.wait(work)
        self._outcomes.forget_destination(self._settings.name)

    async def _or_crash(self, work: Any) -> None:
        try:
            await work()
        except ConsumerStoppedError:  # on_stop came first, and a last assignment after it
            return
        except Exception as error:
            await self.crash(error)

    async def _deliver(self) -> None:
        self._deliverer = self._new_deliverer()
        self._deliverer.destination.memory.restore(await self._kept())
        for work in (self._deliverer.repeat_forever, self._deliverer.watch_forever):
            self._work.append(asyncio.create_task(self._or_crash(work)))
        position = await self._catch_up()
        crash.passed("notify", "after-own")
        self._consumer.seek(self._source, position)
        while True:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    if record.offset >= position:  # an earlier one was fetched before the seek
                        await self._deliver_one(record)

    async def _kept(self) -> list[tuple[str, str]]:
        """The rows of this destination that its last owner left."""
        async with committed_reader(self._kafka) as reader:
            source = TopicPartition(full_name(self._kafka, topics.NOTIFY_STATE), 0)
            rows = list(await restore(reader, source))
        split = [(*notify_state.split_key(row.key), row.value) for row in rows if row.value is not None]
        return [(row, value.decode()) for name, row, value in split if name == self._settings.name]

    async def _deliver_one(self, record: Any) -> None:
        alert = _read(record)
        if alert is not None:
            crash.passed("notify", "before-deliver")
            self._desk.offset = record.offset
            await self._deliverer.deliver(alert)
            crash.passed("notify", "after-deliver")
        await self._commit(record.offset + 1)
        crash.passed("notify", "after-commit")

    async def _commit(self, position: int, note: str = "") -> None:
        try:
            await self._consumer.commit({self._source: (position, note)})
        except (CommitFailedError, IllegalStateError):
            # The group has moved on, and this task is about to be cancelled. The next owner delivers again.
            _log.info("%s: an alert may be delivered twice", self._deliverer.name)

    async def _catch_up(self) -> int:
        """Tell the destination what fires since before; returns the position to go on from.

        A destination without a position is new: it is sent what fires now, not 90 days of history. That may
        take hours, and a restart. What "now" is stays as it was, or a change in between is lost.
        """
        found = (await committed(self._kafka, self._group, [self._source]))[self._source]
        async with committed_reader(self._kafka) as reader:
            records = [record async for record in history(reader, self._source)]
        if found is None:
            position = records[-1].offset + 1 if records else 0
            await self._commit(position, _WELCOMING)
        else:
            position = found.offset
        known = [record for record in records if record.offset < position]
        told = (alert for record in known if (alert := _read(record)) is not None)
        firing = still_firing(told, self._settings)
        if found is not None and found.metadata != _WELCOMING:
            for alert in firing:
                self._deliverer.resume(alert)
            return position
        for alert in firing:
            await self._deliverer.deliver(alert)
        await self._commit(position)
        return position


def _read(record: Any) -> Alert | None:
    try:
        return alerts.decode(record.value)
    except (msgspec.MsgspecError, TypeError) as error:
        _log.error("%s offset %d is not an alert and is passed over: %s", record.topic, record.offset, error)
        return None

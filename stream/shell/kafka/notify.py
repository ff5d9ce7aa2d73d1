"""Notify on Kafka: one consumer group a destination, so that one that is down holds up no other.

At least once: an alert is delivered, then its offset is committed.
"""

import asyncio
import logging
import random
from typing import Any, Final

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError
from mode import Service

from stream.config import Kafka
from stream.config_notify import Notify
from stream.notify.delivery import Deliverer, Outcomes
from stream.notify.destination import Destination
from stream.notify.firing import still_firing
from stream.schema import alerts, topics
from stream.schema.alerts import Alert
from stream.shell.kafka import crash
from stream.shell.kafka.partition import now_ms
from stream.shell.kafka.security import client_arguments, explained
from stream.shell.kafka.service import Listener, group_arguments
from stream.shell.kafka.state import committed, committed_reader, history
from stream.shell.kafka.topics import full_name

# Delivery may be retried for hours, and only a member that polls stays in its group: the longest there is.
_POLL_INTERVAL_MS: Final = 2**31 - 1

# Noted beside the offset while a new destination is being told what fires.
_WELCOMING: Final = "welcoming"

_log = logging.getLogger(__name__)


class NotifyService(Service):
    """Delivers every alert to one destination, in order, from one process at a time."""

    mundane_level = "debug"  # mode would log each start and stop

    def __init__(self, kafka: Kafka, settings: Notify, destination: Destination, outcomes: Outcomes) -> None:
        super().__init__()
        self._kafka = kafka
        self._settings = settings
        self._destination = destination
        self._outcomes = outcomes
        self._group = f"{kafka.group}-notify-{destination.settings.name}"
        self._source = TopicPartition(full_name(kafka, topics.ALERTS), 0)
        self._consumer: Any = None
        self._deliverer: Any = None
        self._work: list[asyncio.Task[None]] = []

    async def on_start(self) -> None:
        session = await self.add_async_context(aiohttp.ClientSession())
        self._deliverer = Deliverer(
            self._destination,
            session,
            self._settings,
            self._outcomes,
            now_ms=now_ms,
            sleep=asyncio.sleep,
            random=random.random,
        )
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
            self._work = [asyncio.create_task(self._or_crash(work)) for work in (self._deliver, self._repeat)]

    async def revoked(self) -> None:
        work, self._work = self._work, []
        if work:
            crash.passed("notify", "before-revoke")
        for task in work:
            task.cancel()
        if work:
            await asyncio.wait(work)

    async def _or_crash(self, work: Any) -> None:
        try:
            await work()
        except ConsumerStoppedError:  # on_stop came first, and a last assignment after it
            return
        except Exception as error:
            await self.crash(error)

    async def _repeat(self) -> None:
        await self._deliverer.repeat_forever()

    async def _deliver(self) -> None:
        position = await self._catch_up()
        crash.passed("notify", "after-own")
        self._consumer.seek(self._source, position)
        while True:
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    if record.offset >= position:  # an earlier one was fetched before the seek
                        await self._deliver_one(record)

    async def _deliver_one(self, record: Any) -> None:
        alert = _read(record)
        if alert is not None:
            crash.passed("notify", "before-deliver")
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
        firing = still_firing(told, self._destination.settings)
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

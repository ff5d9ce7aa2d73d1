"""What the API sees of an embedded node: the stages themselves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from stream.alerts.stage import Alerts
from stream.burn.stage import Burn
from stream.meter.counters import Counters
from stream.reconcile.ratio import Ratios
from stream.schema import actions as actions_schema
from stream.schema import alerts as alerts_schema
from stream.schema import calibrations as calibrations_schema
from stream.schema import dead_letters, notify_state, topics
from stream.schema import incidents as incidents_schema
from stream.schema.actions import Entry
from stream.schema.alerts import METER, SPEND, Alert
from stream.schema.calibrations import Calibration
from stream.schema.commands import Command
from stream.schema.dead_letters import DeadLetter
from stream.schema.incidents import Incident
from stream.schema.notify_state import Proof
from stream.shell.embedded.node import Node

Append = Callable[[str, bytes, bytes], Awaitable[None]]


class EmbeddedReplica:
    """A `stream.serve.replica.Replica`. `append` returns when the record is durable."""

    problem = None  # the stages themselves are never behind themselves

    def __init__(self, node: Node, append: Append) -> None:
        self._node = node
        self._append = append
        self._incidents: dict[str, Incident] = {}
        self._calibrations: dict[bytes, Calibration] = {}
        self.ratios = Ratios()
        for topic in (topics.INCIDENTS, topics.CALIBRATIONS, topics.VARIANCES):
            for value in node.database.values(topic):
                self.saw(topic, value)

    def saw(self, topic: str, value: bytes) -> None:
        """A record that is now durable."""
        if topic == topics.INCIDENTS:
            incident = incidents_schema.decode(value)
            self._incidents[incident.id] = incident
        elif topic == topics.CALIBRATIONS:
            calibration = calibrations_schema.decode(value)
            self._calibrations[calibrations_schema.key(calibration)] = calibration
        elif topic == topics.VARIANCES:
            self.ratios.take(value)

    @property
    def now_s(self) -> int:
        return self._node.burn.evaluated_s

    def burns(self) -> Sequence[Burn]:
        return [self._node.burn]

    def alerting(self) -> Alerts:
        return self._node.alerts

    def commands(self) -> list[Command]:
        return self._node.alerts.commands()

    def transitions(self, since_s: int) -> Iterable[Alert]:
        told = (alerts_schema.decode(value) for value in self._node.database.values(topics.ALERTS))
        return [alert for alert in told if alert.time_s >= since_s and alert.about in (SPEND, METER)]

    def action_log(self) -> Iterable[Entry]:
        return (actions_schema.decode(value) for value in self._node.database.values(topics.ACTIONS))

    async def dead_letters(self) -> AsyncIterator[DeadLetter]:
        for number, value in enumerate(self._node.database.values(topics.DEAD_LETTERS)):
            if number % 1000 == 0:
                await asyncio.sleep(0)  # the turn of what commits
            yield dead_letters.decode(value)

    def incidents(self) -> dict[str, Incident]:
        return self._incidents

    def counters(self) -> list[Counters]:
        return [self._node.meter.counters]

    def calibrations(self) -> list[Calibration]:
        return list(self._calibrations.values())

    def proofs(self) -> dict[str, Proof]:
        return {
            one.name: notify_state.decode(row.value)
            for one in self._node.config.notify.destinations
            for row in self._node.database.read_state(f"notify/{one.name}")
            if row.key == notify_state.PROOF.encode() and row.value is not None
        }

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        await self._append(topic, key, value)

"""What the API sees of a pipeline on Kafka: copies of the stages, kept from what the topics say."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from stream.alerts.board import Board
from stream.alerts.stage import Alerts
from stream.burn.stage import Burn
from stream.config import Config
from stream.meter.counters import Counters
from stream.meter.stage import COUNTERS
from stream.reconcile.ratio import Ratios
from stream.schema import actions as actions_schema
from stream.schema import alerts as alerts_schema
from stream.schema import calibrations as calibrations_schema
from stream.schema import commands as commands_schema
from stream.schema import dead_letters, notify_state, topics
from stream.schema import incidents as incidents_schema
from stream.schema.actions import Entry
from stream.schema.alerts import METER, SPEND, Alert
from stream.schema.calibrations import Calibration
from stream.schema.commands import Command
from stream.schema.dead_letters import DeadLetter
from stream.schema.incidents import Incident
from stream.schema.notify_state import Proof
from stream.shell.kafka.state import committed_reader, history
from stream.shell.kafka.topics import full_name
from stream.stage import StateRow

# Of about 3 kB each: 60 MB. A report asks for those of its incident, which is one of the last 35 days.
MAX_TRANSITIONS: Final = 20_000
MAX_ENTRIES: Final = 10_000

FOLLOWED: Final = (
    topics.ACTIONS,
    topics.ALERTS,
    topics.ALERT_STATE,
    topics.COMMANDS,
    topics.INCIDENTS,
    topics.CALIBRATIONS,
    topics.VARIANCES,
    topics.METER_STATE,
    topics.NOTIFY_STATE,
)
"""The topics whose records `saw` takes, each from its beginning."""

_log = logging.getLogger(__name__)

Append = Callable[[str, bytes, bytes], Awaitable[None]]


class KafkaReplica:
    """A `stream.serve.replica.Replica`. Whoever follows the topics calls `saw` and feeds `stages`."""

    def __init__(self, config: Config, append: Append) -> None:
        self.problem: str | None = None
        self.stages: dict[int, Burn] = {}
        self.ratios = Ratios()
        self._config = config
        self._append = append
        self._alert_rows: dict[bytes, bytes] = {}
        self._alerting: Alerts | None = None
        self._fixed = list(Board(config).all())
        self._commands: dict[bytes, Command] = {}
        self._transitions: deque[Alert] = deque(maxlen=MAX_TRANSITIONS)
        self._action_log: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._incidents: dict[str, Incident] = {}
        self._calibrations: dict[bytes, Calibration] = {}
        self._counters: dict[int, Counters] = {}
        self._proofs: dict[str, Proof] = {}

    def saw(self, topic: str, record: Any) -> None:
        """Take one record of a followed topic. One that can't be read is logged and passed over."""
        try:
            self._take(topic, record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
            _log.error("%s offset %d is passed over: %s", record.topic, record.offset, error)

    def _take(self, topic: str, record: Any) -> None:
        key, value = record.key, record.value
        match topic:
            case topics.ALERTS:
                self._transitions.append(alerts_schema.decode(value))
            case topics.ACTIONS:
                self._action_log.append(actions_schema.decode(value))
            case topics.ALERT_STATE:
                self._take_alert_row(key, value)
            case topics.COMMANDS if value is not None:
                self._take_command(value)
            case topics.INCIDENTS:
                incident = incidents_schema.decode(value)
                self._incidents[incident.id] = incident
                self._tell(topic, value)
            case topics.CALIBRATIONS:
                if value is None:
                    self._calibrations.pop(key, None)
                else:
                    self._calibrations[key] = calibrations_schema.decode(value)
            case topics.VARIANCES:
                self.ratios.take(value)
            case topics.NOTIFY_STATE:
                self._take_proof(key, value)
            case topics.METER_STATE if key == COUNTERS:
                self._counters[record.partition] = msgspec.json.decode(value, type=Counters)

    def _take_alert_row(self, key: bytes, value: bytes | None) -> None:
        self._alerting = None
        if value is None:
            self._alert_rows.pop(key, None)
        else:
            self._alert_rows[key] = value

    def _take_command(self, value: bytes) -> None:
        command = commands_schema.decode(value)
        self._commands[commands_schema.key(command)] = command
        self._tell(topics.COMMANDS, value)

    def _tell(self, topic: str, value: bytes) -> None:
        for burn in self.stages.values():
            burn.heed(topic, value)

    def _take_proof(self, key: bytes, value: bytes | None) -> None:
        destination, row = notify_state.split_key(key)
        if row == notify_state.PROOF and value is not None:
            self._proofs[destination] = notify_state.decode(value)

    @property
    def now_s(self) -> int:
        """A partition in which nothing has ever been spent judges no bucket and holds nobody up."""
        return min((burn.evaluated_s for burn in self.stages.values() if burn.evaluated_s >= 0), default=-1)

    def burns(self) -> Sequence[Burn]:
        return list(self.stages.values())

    def alerting(self) -> Alerts:
        if self._alerting is None:
            self._alerting = Alerts(self._config)
            self._alerting.restore(StateRow(key, value) for key, value in self._alert_rows.items())
        return self._alerting

    def heeded(self) -> list[tuple[str, bytes]]:
        """What people said, by topic and record: for a burn stage that joins."""
        return [
            *((topics.COMMANDS, commands_schema.encode(one)) for one in self._commands.values()),
            *((topics.INCIDENTS, incidents_schema.encode(one)) for one in self._incidents.values()),
        ]

    def commands(self) -> list[Command]:
        return [*self._fixed, *self._commands.values()]

    def transitions(self, since_s: int) -> Iterable[Alert]:
        return [each for each in self._transitions if each.time_s >= since_s and each.about in (SPEND, METER)]

    def action_log(self) -> Iterable[Entry]:
        return self._action_log

    async def dead_letters(self) -> AsyncIterator[DeadLetter]:
        kafka = self._config.kafka
        source = TopicPartition(full_name(kafka, topics.DEAD_LETTERS), 0)
        async with committed_reader(kafka) as reader:
            async for record in history(reader, source):
                try:
                    yield dead_letters.decode(record.value)
                except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
                    _log.error("%s offset %d is passed over: %s", record.topic, record.offset, error)

    def incidents(self) -> Mapping[str, Incident]:
        return self._incidents

    def counters(self) -> list[Counters]:
        return [self._counters[partition] for partition in sorted(self._counters)]

    def calibrations(self) -> list[Calibration]:
        return list(self._calibrations.values())

    def proofs(self) -> Mapping[str, Proof]:
        return self._proofs

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        await self._append(topic, key, value)

"""What the API answers from: a read replica of the stages, whichever shell keeps it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol

from stream.alerts.stage import Alerts
from stream.burn.stage import Burn
from stream.meter.counters import Counters
from stream.schema.actions import Entry
from stream.schema.alerts import Alert
from stream.schema.calibrations import Calibration
from stream.schema.commands import Command
from stream.schema.dead_letters import DeadLetter
from stream.schema.incidents import Incident
from stream.schema.notify_state import Proof


class Replica(Protocol):
    """Everything is as of `now_s`, and only `append` changes anything."""

    @property
    def now_s(self) -> int:
        """Event time, UTC epoch seconds: everything up to then is in. -1 before anything is."""

    @property
    def problem(self) -> str | None:
        """Why all this may be out of date, in one sentence; None while it keeps up."""

    def burns(self) -> Sequence[Burn]:
        """One of each spend partition that is followed here."""

    def alerting(self) -> Alerts:
        """The alerts stage as it stands, to be read only."""

    def commands(self) -> list[Command]:
        """What people asked for, ended or not; those of the configuration first."""

    def transitions(self, since_s: int) -> Iterable[Alert]:
        """What was told of alerts from this event time on, resolved ones included, as far as is kept."""

    def action_log(self) -> Iterable[Entry]:
        """All that happened to actions, the oldest first, as far as is kept."""

    def dead_letters(self) -> AsyncIterator[DeadLetter]:
        """All that are kept, the oldest first, read anew."""

    def incidents(self) -> Mapping[str, Incident]:
        """The latest record of each incident, by id."""

    def counters(self) -> list[Counters]:
        """One of each usage partition."""

    def calibrations(self) -> list[Calibration]:
        """The factors that hold now."""

    def proofs(self) -> Mapping[str, Proof]:
        """What each destination has proven, by its name."""

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        """Write a record. Returns when it is durable and to be seen in `incidents` or `commands`."""

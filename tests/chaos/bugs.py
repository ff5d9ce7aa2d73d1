"""Bugs to plant in a worker's real code, and what must then go wrong: the harness has to notice each.

Nothing of this can be switched on in the product: a launcher of the tests replaces functions in the process
that it has just forked.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from stream.burn.windows import Windows
from stream.meter.ledger import Ledger
from stream.meter.sequence import Sequences
from stream.schema.spend import Rows
from stream.shell.kafka import crash, service, state
from stream.shell.kafka.notify import NotifyService
from stream.shell.kafka.transactions import PartitionWriter
from stream.stage import Commit, StateRow

HALFWAY: Final = "halfway"  # the crash point between the two halves of what should be one step


@dataclass(frozen=True)
class Bug:
    """`crash_at` or `freeze_at` is where harm must strike for it to show; without, a kill is enough.
    `checks` are those of which at least one must notice."""

    about: str
    plant: Callable[[], None]
    checks: tuple[str, ...]
    crash_at: str = ""
    freeze_at: str = ""


def _replace(owner: Any, name: str, new: Any) -> None:
    patch.object(owner, name, new).start()


def _commit_before_produce() -> None:
    write = PartitionWriter._write

    async def offsets_first(self: PartitionWriter, commit: Commit) -> None:
        if commit.positions:
            await write(self, Commit(positions=commit.positions))
            crash.passed(self._stage, HALFWAY)
        await write(self, Commit(commit.outputs, commit.state))

    _replace(PartitionWriter, "_write", offsets_first)


def _offsets_apart() -> None:
    write = PartitionWriter._write

    async def offsets_last(self: PartitionWriter, commit: Commit) -> None:
        await write(self, Commit(commit.outputs, commit.state))
        if commit.positions:
            crash.passed(self._stage, HALFWAY)
            await write(self, Commit(positions=commit.positions))

    _replace(PartitionWriter, "_write", offsets_last)


def _outputs_apart() -> None:
    """The outbox is not in the transaction: an alert is told, then the rest of its commit is written."""
    write = PartitionWriter._write

    async def outputs_first(self: PartitionWriter, commit: Commit) -> None:
        if commit.outputs:
            await write(self, Commit(commit.outputs))
            crash.passed(self._stage, HALFWAY)
        await write(self, Commit([], commit.state, commit.positions))

    _replace(PartitionWriter, "_write", outputs_first)


def _no_fence() -> None:
    """Every owner has a transactional id of its own, so none shuts out another."""
    fence = PartitionWriter.fence

    async def alone(self: PartitionWriter) -> None:
        self.transactional_id += f"-{uuid.uuid4()}"
        await fence(self)

    _replace(PartitionWriter, "fence", alone)


def _state_not_restored() -> None:
    async def nothing(*_: Any) -> Iterator[StateRow]:
        return iter(())

    _replace(state, "restore", nothing)


def _late_data_dropped() -> None:
    add = Windows.add

    def only_new(self: Windows, rows: Rows) -> None:
        new = (rows.bucket + 1) * rows.width > self.head_s - 60
        add(self, Rows(rows.names, *(getattr(rows, name)[new] for name in Rows.__slots__[1:])))

    _replace(Windows, "add", only_new)


def _wrong_rounding() -> None:
    def cut(self: Ledger, rest_ausd: Any, duplicate: Any) -> Any:
        return np.zeros(len(rest_ausd), np.int64)

    _replace(Ledger, "_carry", cut)


def _duplicate_filter_lost() -> None:
    def forget(self: Sequences, row: StateRow) -> None:
        """Restores nothing."""

    _replace(Sequences, "restore", forget)


def _notified_after_its_offset() -> None:
    deliver = NotifyService._deliver_one

    async def offset_first(self: NotifyService, record: Any) -> None:
        await self._commit(record.offset + 1)
        crash.passed("notify", HALFWAY)
        await deliver(self, record)

    _replace(NotifyService, "_deliver_one", offset_first)


def _reads_uncommitted() -> None:
    arguments = service.group_arguments

    def uncommitted(*given: Any) -> dict[str, Any]:
        return arguments(*given) | {"isolation_level": "read_uncommitted"}

    _replace(service, "group_arguments", uncommitted)


BUGS: Final[dict[str, Bug]] = {
    "commit before produce": Bug(
        "offsets are committed, then the outputs are written",
        _commit_before_produce,
        ("counters",),
        crash_at=f"meter.{HALFWAY}",
    ),
    "offsets outside the transaction": Bug(
        "the meter's offsets are committed after its transaction",
        _offsets_apart,
        ("counters",),
        crash_at=f"meter.{HALFWAY}",
    ),
    "offsets outside the transaction, burn": Bug(
        "the same for the burn stage", _offsets_apart, ("windows",), crash_at=f"burn.{HALFWAY}"
    ),
    "outputs outside the transaction": Bug(
        "an alert is written before the state that knows of it",
        _outputs_apart,
        ("alerts",),
        crash_at=f"alerts.{HALFWAY}",
    ),
    "no fence": Bug(
        "a former owner is not shut out",
        _no_fence,
        ("counters", "windows"),
        freeze_at="meter.before-begin",
    ),
    "state not restored": Bug("a new owner begins with nothing", _state_not_restored, ("counters",)),
    "late data dropped": Bug("money over a minute late is left out", _late_data_dropped, ("windows",)),
    "wrong rounding": Bug("what lies below a nano-dollar is cut off", _wrong_rounding, ("counters",)),
    "duplicate filter lost": Bug(
        "a new owner does not know what was sent before", _duplicate_filter_lost, ("counters",)
    ),
    "notified after its offset": Bug(
        "an alert's offset is committed before it is delivered",
        _notified_after_its_offset,
        ("notifications",),
        crash_at=f"notify.{HALFWAY}",
    ),
    "reads uncommitted": Bug(
        "what a dead meter left unfinished is read",
        _reads_uncommitted,
        ("windows",),
        crash_at="meter.after-state",
    ),
}

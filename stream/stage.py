"""The contract between the pure stages and the two shells that run them.

A stage takes batches of records, changes only its own memory, and hands back what one commit must
hold. It does no I/O, reads no clock and starts no task; time comes in as a parameter. The Kafka shell
writes a commit as one Kafka transaction, the embedded shell as one SQLite transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Batch:
    """Records of one topic partition, as columns, in order of offset.

    `timestamps_ms` is when the log took each record in (never what its producer claims inside).
    `next_offset` is the position after the batch; offsets may have holes (Kafka's control records).
    `headers`, with names in small letters, are there only for stages that ask for them.
    """

    topic: str
    partition: int
    values: Sequence[bytes]
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    next_offset: int
    headers: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One record to write. `partition` None lets the key choose (crc32 of the key, modulo the count)."""

    topic: str
    key: bytes | None
    value: bytes
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class StateRow:
    """One row of a stage's own state. A value of None deletes the row."""

    key: bytes
    value: bytes | None


@dataclass(slots=True)
class Commit:
    """What must become durable together: outputs, changed state rows, and the positions read up to.

    `positions` maps (topic, partition) to the next offset to read.
    """

    outputs: list[Output] = field(default_factory=list)
    state: list[StateRow] = field(default_factory=list)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.outputs or self.state or self.positions)


class Stage(Protocol):
    """One stage instance over one input partition (or a few that it alone reads).

    Life: construct, `restore` once with all live state rows, then any number of `take`, each followed
    sooner or later by `commit`. After a commit fails the instance is thrown away: its memory is ahead
    of the log.
    """

    def restore(self, rows: Iterable[StateRow]) -> None:
        """Rebuild memory from the state rows that survived, in any order."""

    def take(self, batch: Batch) -> None:
        """Work through a batch. Bad records become dead letters; nothing raises for bad data."""

    def commit(self, now_ms: int) -> Commit:
        """What has changed since the last commit. `now_ms` is the shell's clock, for silence and age."""

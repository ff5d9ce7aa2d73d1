"""One stage over one partition, from the fence to the last commit: the rule that makes totals exact.

Own: fence, restore, read the position, in this order. Commit: all in one transaction. Disown: a last
commit when asked to leave. The meter, burn and alerts all run through this code and no other.
"""

import asyncio
import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from stream.config import Kafka
from stream.shell.kafka import crash, state
from stream.shell.kafka.topics import full_name
from stream.shell.kafka.transactions import PartitionWriter
from stream.stage import Batch, Commit, Stage

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Hooks:
    """What else wants to know, metrics for one. Everything is called in the thread of the event loop.

    `on_build` is called with every commit that is not empty before it is written, while the stage stands
    just where the commit says; `on_commit` when it has become durable, with the seconds that took;
    `on_disown` when a stage leaves this process; `stages` gives, by kind, the stages that are here now.
    """

    on_build: list[Callable[[Stage, Commit], None]] = field(default_factory=list)
    on_commit: list[Callable[[Stage, Commit, float], None]] = field(default_factory=list)
    on_disown: list[Callable[[Stage], None]] = field(default_factory=list)
    stages: dict[str, Callable[[], dict[int, Stage]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """What runs on each partition: which topics a stage reads, where its state lives, how it is made.

    A stage that reads several topics owns the same partition of each. `headers` says that it wants them.
    """

    name: str
    inputs: tuple[str, ...]
    state: str
    make: Callable[[int], Stage]
    headers: bool = False

    def group(self, kafka: Kafka) -> str:
        return f"{kafka.group}-{self.name}"


class OwnedPartition:
    """A stage, its writer and its read positions."""

    def __init__(
        self, kafka: Kafka, kind: Kind, partition: int, hooks: Hooks, restoring: asyncio.Lock
    ) -> None:
        """`restoring` is held while state rows are: those of one partition at a time."""
        self.partition = partition
        self.stage = kind.make(partition)
        self.positions: dict[TopicPartition, int] = {}
        self._kafka = kafka
        self._name = kind.name
        self._group = kind.group(kafka)
        self._state = TopicPartition(full_name(kafka, kind.state), partition)
        self._sources = {topic: TopicPartition(full_name(kafka, topic), partition) for topic in kind.inputs}
        first = self._sources[kind.inputs[0]]
        self._writer = PartitionWriter(kafka, kind.name, self._group, first, self._state)
        self._hooks = hooks
        self._restoring = restoring
        self._committing = asyncio.Lock()
        self._closed = False

    async def own(self) -> None:
        """Fence the former owner, then restore, then read the positions: this order makes it correct."""
        await self._writer.fence()
        sources = list(self._sources.values())
        async with self._restoring:
            rows, self.positions = await state.resume(self._kafka, self._group, self._state, sources)
            # In a thread: a second of this for each 5,000 scopes would hold up the group's heartbeats.
            await asyncio.to_thread(self.stage.restore, rows)
        crash.passed(self._name, "after-restore")

    def take(self, batch: Batch) -> None:
        """Give the stage a batch of one of its source partitions.

        Records before the position were fetched before the seek and are dropped: they come again, or
        are already counted.
        """
        source = self._sources[batch.topic]
        known = bisect_left(batch.offsets, self.positions[source])
        if self._closed or known == len(batch.offsets):
            return
        try:
            self.stage.take(_without_first(batch, known) if known else batch)
        except BaseException:
            self._closed = True  # the stage is half changed: it must never be committed
            raise
        self.positions[source] = batch.next_offset

    async def commit(self) -> None:
        """Make durable what the stage has; raises `Poisoned` when that fails. Taking may go on meanwhile."""
        async with self._committing:
            if self._closed:
                return
            commit = self.stage.commit(now_ms())
            if commit.empty:
                return
            for note in self._hooks.on_build:
                note(self.stage, commit)
            started_s = time.perf_counter()
            await self._writer.commit(commit)
            for call in self._hooks.on_commit:
                call(self.stage, commit, time.perf_counter() - started_s)

    async def close(self) -> None:
        self._closed = True
        await self._writer.close()


class Partitions:
    """All partitions of one kind that this process owns now."""

    def __init__(self, kafka: Kafka, kind: Kind, hooks: Hooks) -> None:
        self.owned: dict[int, OwnedPartition] = {}
        self._kafka = kafka
        self._kind = kind
        self._hooks = hooks
        # Rows are as large as what they fill: all partitions' at once would be twice the memory.
        self._restoring = asyncio.Lock()
        hooks.stages[kind.name] = self.stages

    def stages(self) -> dict[int, Stage]:
        """The stage of each owned partition."""
        return {partition: owned.stage for partition, owned in self.owned.items()}

    async def own(self, numbers: Iterable[int], ready: Callable[[Sequence[OwnedPartition]], bool]) -> None:
        """Own these partitions, side by side but for their restoring.

        They take records from when all are ready. `ready` is then called with them, in the same step;
        if it says no (the group has moved on), they are let go.
        """
        fresh = [
            OwnedPartition(self._kafka, self._kind, number, self._hooks, self._restoring)
            for number in numbers
        ]
        try:
            await asyncio.gather(*(owned.own() for owned in fresh))
            if ready(fresh):
                self.owned |= {owned.partition: owned for owned in fresh}
                _log.info("%s owns partitions %s", self._kind.name, sorted(self.owned) or "none")
                fresh = []
                crash.passed(self._kind.name, "after-own")
        finally:
            await asyncio.gather(*(owned.close() for owned in fresh))

    async def commit(self) -> None:
        """Commit every partition, side by side."""
        await asyncio.gather(*(owned.commit() for owned in list(self.owned.values())))

    async def disown(self, last_commit: bool) -> None:
        """Let all go; with a last commit, unless this process has failed."""
        leaving, self.owned = list(self.owned.values()), {}
        name = self._kind.name
        if leaving:
            crash.passed(name, "before-revoke")
        try:
            if last_commit:
                await asyncio.gather(*(owned.commit() for owned in leaving))
            if leaving:
                crash.passed(name, "inside-revoke")
        finally:
            for owned in leaving:
                for call in self._hooks.on_disown:
                    call(owned.stage)
            await asyncio.gather(*(owned.close() for owned in leaving))
        if leaving:
            crash.passed(name, "after-revoke")


def _without_first(batch: Batch, count: int) -> Batch:
    return Batch(
        batch.topic,
        batch.partition,
        batch.values[count:],
        batch.offsets[count:],
        batch.timestamps_ms[count:],
        batch.next_offset,
        batch.headers[count:],
    )


def now_ms() -> int:
    """The shell's clock, UTC epoch milliseconds."""
    return time.time_ns() // 1_000_000

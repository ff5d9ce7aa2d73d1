"""Stages with side inputs: topics of one partition that every stage is told whole, beside what it reads."""

from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import TopicPartition
from mode import Service

from stream.config import Kafka
from stream.shell.kafka.partition import Hooks, Kind
from stream.shell.kafka.service import StageService
from stream.shell.kafka.state import committed_reader, restore
from stream.shell.kafka.topics import full_name
from stream.stage import Stage

Tell = Callable[[Stage, str, bytes], None]
"""Tells a stage a record of a topic."""


class InformedService(StageService):
    """One stage per owned partition, each told the newest record of every key of some topics before its first
    record, and then what follows.

    A record that is worked through again after a crash may meet a newer one of them than it did before.
    """

    def __init__(
        self,
        kafka: Kafka,
        kind: Kind,
        hooks: Hooks,
        in_place: bool = False,
        *,
        told: Iterable[str],
        tell: Tell,
    ) -> None:
        super().__init__(kafka, kind, hooks, in_place)
        self._told = {TopicPartition(full_name(kafka, topic), 0): topic for topic in told}
        self._tell = tell
        self._known: dict[TopicPartition, dict[bytes, bytes]] = {source: {} for source in self._told}
        self._reader: Any = None

    async def on_start(self) -> None:
        self._reader = await self.add_async_context(committed_reader(self._kafka))
        ends = {}
        for source, known in self._known.items():
            known.update((row.key, row.value or b"") for row in await restore(self._reader, source))
            ends[source] = await self._reader.position(source)
        self._reader.assign(list(ends))
        for source, position in ends.items():
            self._reader.seek(source, position)
        await super().on_start()

    @Service.task
    async def _follow(self) -> None:
        while not self.should_stop:
            for source, records in (await self._reader.getmany(timeout_ms=1000)).items():
                for record in records:
                    if record.value is not None:
                        self._known[source][record.key] = record.value
                        for stage in self.partitions.stages().values():
                            self._tell(stage, self._told[source], record.value)

    def prepare(self, stage: Stage) -> None:
        for source, topic in self._told.items():
            for value in self._known[source].values():
                self._tell(stage, topic, value)

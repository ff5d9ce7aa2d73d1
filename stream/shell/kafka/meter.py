"""The meter on Kafka: `usage` in, `spend` out, with calibrations as a side input."""

import logging
from typing import Any

from aiokafka import TopicPartition
from mode import Service

from stream.config import Kafka
from stream.meter.stage import Meter
from stream.schema import topics
from stream.shell.kafka.partition import Hooks, Kind
from stream.shell.kafka.service import StageService
from stream.shell.kafka.state import committed_reader, restore
from stream.shell.kafka.topics import full_name
from stream.stage import Stage

_log = logging.getLogger(__name__)


class MeterService(StageService):
    """One meter per owned partition of `usage`, each told every calibration before its first record.

    Calibrations are a side input: read whole at start, then followed. A record that is worked through
    again after a crash may meet a newer calibration than it did before.
    """

    def __init__(self, kafka: Kafka, kind: Kind, hooks: Hooks, in_place: bool = True) -> None:
        super().__init__(kafka, kind, hooks, in_place)
        self._calibrations: dict[bytes, bytes] = {}
        self._reader: Any = None

    async def on_start(self) -> None:
        self._reader = await self.add_async_context(committed_reader(self._kafka))
        source = TopicPartition(full_name(self._kafka, topics.CALIBRATIONS), 0)
        for row in await restore(self._reader, source):
            self._calibrations[row.key] = row.value or b""
        await super().on_start()

    @Service.task
    async def _follow(self) -> None:
        while not self.should_stop:
            for records in (await self._reader.getmany(timeout_ms=1000)).values():
                for record in records:
                    if record.value is not None:
                        self._calibrations[record.key] = record.value
                        for stage in self.partitions.stages().values():
                            _calibrate(stage, record.value)

    def prepare(self, stage: Stage) -> None:
        for value in self._calibrations.values():
            _calibrate(stage, value)


def _calibrate(stage: Stage, value: bytes) -> None:
    if isinstance(stage, Meter) and (ignored := stage.calibrate(value)):
        _log.warning("%s: %s", topics.CALIBRATIONS, ignored)

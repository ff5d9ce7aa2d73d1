"""The meter on Kafka: `usage` in, `spend` out, with calibrations as a side input."""

import logging

from stream.config import Kafka
from stream.meter.stage import Meter
from stream.schema import topics
from stream.shell.kafka.informed import InformedService
from stream.shell.kafka.partition import Hooks, Kind
from stream.stage import Stage

_log = logging.getLogger(__name__)


class MeterService(InformedService):
    """One meter per owned partition of `usage`, each told every calibration before its first record."""

    def __init__(self, kafka: Kafka, kind: Kind, hooks: Hooks, in_place: bool = True) -> None:
        super().__init__(kafka, kind, hooks, in_place, told=(topics.CALIBRATIONS,), tell=_calibrate)


def _calibrate(stage: Stage, topic: str, value: bytes) -> None:
    if isinstance(stage, Meter) and (ignored := stage.calibrate(value)):
        _log.warning("%s: %s", topics.CALIBRATIONS, ignored)

"""All stages in one process over one SQLite file: what Kafka does between them, without Kafka.

Records pass from stage to stage in memory; what they leave behind goes into one transaction, which
`Node.commit` makes durable.
"""

from collections.abc import Callable, Iterable
from typing import Final

from stream.alerts.stage import Alerts
from stream.burn.people import TOPICS
from stream.burn.stage import Burn
from stream.config import Config
from stream.meter import price
from stream.meter.stage import Meter
from stream.schema import alerts as alerts_schema
from stream.schema import topics
from stream.schema.alerts import ACTION, Alert
from stream.shell import crash
from stream.shell.embedded.database import Database
from stream.shell.troubles import Troubles
from stream.stage import Batch, Commit, Output, Stage

# Where a process can be made to die (see `crash`), by the stage that passes the point.
RESTORE: Final = ("before-restore", "after-restore")
SETTLE: Final = ("after-outputs", "after-state", "after-positions")
COMMIT: Final = ("before-begin", "before-commit", "after-commit")

_METER: Final = "meter"
_BURN: Final = "burn"
_ALERTS: Final = "alerts"
# Passed on in memory and not stored; see the database.
_PASSED_ON: Final = frozenset({topics.SPEND, topics.SIGNALS})

Timed = Callable[[str, Callable[[], None]], None]


def _untimed(stage: str, work: Callable[[], None]) -> None:
    work()


class Node:
    """Meter, burn and alerts over one database. `timed` wraps each stage's work, for metrics."""

    def __init__(self, config: Config, database: Database, timed: Timed = _untimed) -> None:
        self.config = config
        self.database = database
        self.meter = Meter(0, config, 1, price.load(config.prices.book))
        self.burn = Burn(0, config, 1, 1)
        self.alerts = Alerts(config)
        self._timed = timed
        self._stages: dict[str, Stage] = {_METER: self.meter, _BURN: self.burn, _ALERTS: self.alerts}
        self._fed = False
        self._troubles = Troubles()
        for name, stage in self._stages.items():
            crash.passed(name, "before-restore")
            stage.restore(database.read_state(name))
            crash.passed(name, "after-restore")
        for value in database.values(topics.CALIBRATIONS):
            self.meter.calibrate(value)
        for topic in TOPICS:
            for value in database.values(topic):
                self.burn.heed(topic, value)
        self._usage = database.position(_METER, topics.USAGE)
        self._passed = {topic: database.position("passed", topic) for topic in _PASSED_ON}

    def usage(self, values: list[bytes], timestamps_ms: list[int]) -> None:
        """Take raw messages; `timestamps_ms` is when each arrived."""
        self._fed = True
        first = self._usage
        self._usage += len(values)
        batch = Batch(topics.USAGE, 0, values, range(first, self._usage), timestamps_ms, self._usage)
        self._timed(_METER, lambda: self.meter.take(batch))

    def refuse(self, name: str, row: int, original: bytes, detail: str, now_ms: int) -> None:
        """A row of the file `name` that its reader could not read."""
        self.meter.refuse(Batch(name, 0, [original], [row], [now_ms], self._usage), detail)

    def append(self, topic: str, key: bytes | None, value: bytes, now_ms: int) -> None:
        """Write a record to a stored topic; the stage that reads it gets it at once."""
        position = self.database.end(topic)
        self.database.append([Output(topic, key, value)], now_ms)
        if topic in (topics.DEPLOYS, topics.COMMANDS):
            self.alerts.take(Batch(topic, 0, [value], [position], [now_ms], position + 1))
        elif topic == topics.CALIBRATIONS:
            self.meter.calibrate(value)
        if topic in TOPICS:
            self.burn.heed(topic, value)

    def flush(self, now_ms: int) -> None:
        """Carry what was taken as far as the windows and the detectors. Not durable before `commit`."""
        spend = self._settle(_METER, now_ms)
        self._pass_on(_BURN, self.burn, topics.SPEND, spend, now_ms)

    def commit(self, now_ms: int) -> list[Alert]:
        """Carry everything through all stages and make it durable; returns the alerts' transitions."""
        self._passed_point("node", "before-begin")
        self.flush(now_ms)
        signals = self._settle(_BURN, now_ms)
        self._pass_on(_ALERTS, self.alerts, topics.SIGNALS, signals, now_ms)
        written = [alerts_schema.decode(output.value) for output in self._settle(_ALERTS, now_ms)]
        told = [alert for alert in written if alert.about != ACTION]
        self._passed_point("node", "before-commit")
        self.database.commit()
        self._passed_point("node", "after-commit")
        self._fed = False
        self._troubles.tell(self.burn.failures)
        return told

    def _passed_point(self, stage: str, point: str) -> None:
        """A crash point; those of commits that hold no usage are let pass."""
        if self._fed:
            crash.passed(stage, point)

    def _settle(self, name: str, now_ms: int) -> list[Output]:
        """One stage's commit into the open transaction; returns what goes on to the next stage."""
        commit = Commit()

        def work() -> None:
            nonlocal commit
            commit = self._stages[name].commit(now_ms)
            self.database.append((o for o in commit.outputs if o.topic not in _PASSED_ON), now_ms)
            self._passed_point(name, "after-outputs")
            self.database.write_state(name, commit.state)
            self._passed_point(name, "after-state")
            for (topic, _), position in commit.positions.items():
                self.database.move("passed" if topic in _PASSED_ON else name, topic, position)
            self._passed_point(name, "after-positions")

        self._timed(name, work)
        wanted = _PASSED_ON if name != _ALERTS else frozenset({topics.ALERTS})
        return [output for output in commit.outputs if output.topic in wanted]

    def _pass_on(self, name: str, stage: Stage, topic: str, outputs: Iterable[Output], now_ms: int) -> None:
        values = [output.value for output in outputs]
        if not values:
            return
        first = self._passed[topic]
        self._passed[topic] += len(values)
        offsets = range(first, self._passed[topic])
        batch = Batch(topic, 0, values, offsets, [now_ms] * len(values), self._passed[topic])
        self._timed(name, lambda: stage.take(batch))

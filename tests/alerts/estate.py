"""A small estate that says what its detectors would: signals in, alerts out."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from stream.alerts.stage import Alerts
from stream.config import DEFAULT_SCOPES, Config
from stream.config_alerts import Alerting
from stream.schema import alerts, commands, signals, topics
from stream.schema.alerts import Alert
from stream.schema.commands import Command
from stream.schema.deploys import Deploy
from stream.schema.deploys import encode as encode_deploy
from stream.schema.signals import Evaluation, Share, Signal
from stream.scopes import scope_labels
from stream.stage import Batch, Commit, StateRow

T0 = 1_767_276_000  # 1 January 2026, 14:00 UTC
NANO = 1_000_000_000

RULES = Alerting(page_for_s=20, ticket_for_s=60, hold_s=100, group_wait_s=20)


def signal(
    scope: str, severity: str = "page", burn: float = 412.0, normal: float | None = 21.0, **changes: Any
) -> Signal:
    """A signal of the step detector; everything that a test does not name is dull."""
    signal = Signal(
        scope=scope,
        detector="step",
        severity=severity,
        tier="",
        score=1.5,
        time_s=T0,
        onset_s=T0,
        window_s=60,
        burn_usd_per_hour=burn,
        baseline_usd_per_hour=normal,
        excess_nusd=33 * NANO,
        month_to_date_nusd=5_000 * NANO,
        projection_usd=18_000.0,
        projection_low_usd=15_000.0,
        projection_high_usd=21_000.0,
        budget_usd=10_000.0,
        budget_exhaustion_s=T0 + 86_400,
        calibration=1.0,
        baseline_kind="hour of week",
        reason=f"{scope} stepped up.",
        labels=scope_labels(scope, DEFAULT_SCOPES),
    )
    return msgspec.structs.replace(signal, **changes)


def shares(**excess_usd: float) -> tuple[Share, ...]:
    """Parts of a scope by name (`team_a` stands for `team=a`), with dollars beyond normal."""
    return tuple(
        Share(name=name.replace("_", "=", 1).replace("__", "/"), cost_nusd=0, excess_nusd=int(usd * NANO))
        for name, usd in excess_usd.items()
    )


def evaluation(
    time_s: int, *said: Signal, partition: int = 0, partitions: int = 1, emitted_ms: int | None = None
) -> Evaluation:
    return Evaluation(
        partition=partition,
        partitions=partitions,
        time_s=time_s,
        emitted_ms=(time_s + 3) * 1000 if emitted_ms is None else emitted_ms,
        signals=tuple(msgspec.structs.replace(one, time_s=time_s) for one in said),
    )


def batch(values: Sequence[bytes], topic: str = topics.SIGNALS, first: int = 0) -> Batch:
    offsets = range(first, first + len(values))
    return Batch(topic, 0, values, offsets, [T0 * 1000] * len(values), first + len(values))


def alerts_of(commit: Commit) -> list[Alert]:
    return [alerts.decode(output.value) for output in commit.outputs if output.topic == topics.ALERTS]


class Estate:
    """A stage of one spend partition whose time moves in steps of 10 s, and all that it ever sent.

    With `restarts`, the stage is thrown away after every commit and restored from its rows.
    """

    def __init__(self, config: Config | None = None, restarts: bool = False) -> None:
        self.config = config or Config(alerts=RULES)
        self.stage = Alerts(self.config)
        self.restarts = restarts
        self.now_s = T0
        self.offset = 0
        self.rows: dict[bytes, bytes] = {}
        self.sent: list[Alert] = []
        self.commits: list[Commit] = []

    def say(self, *said: Signal) -> list[Alert]:
        """The detectors say `said` now, nothing else changes, and 10 s pass. Returns what was sent."""
        sent = self.take([evaluation(self.now_s, *said)])
        self.now_s += 10
        return sent

    def wait(self, seconds: int) -> list[Alert]:
        return [alert for _ in range(0, seconds, 10) for alert in self.say()]

    def burn(self, seconds: int, signal: Signal) -> list[Alert]:
        """The same signal again and again, as its excess grows."""
        sent: list[Alert] = []
        rate = signal.burn_usd_per_hour - (signal.baseline_usd_per_hour or 0.0)
        for _ in range(0, seconds, 10):
            excess_nusd = round(rate * (self.now_s - signal.onset_s) / 3600 * NANO)
            sent += self.say(msgspec.structs.replace(signal, excess_nusd=excess_nusd))
        return sent

    def deploy(self, *deploys: Deploy) -> None:
        self.stage.take(batch([encode_deploy(deploy) for deploy in deploys], topics.DEPLOYS, self.offset))
        self.offset += len(deploys)

    def ask(self, *said: Command) -> list[Alert]:
        """People ask for something; returns what that sends at once."""
        values = [commands.encode(one) for one in said]
        self.stage.take(batch(values, topics.COMMANDS, self.offset))
        self.offset += len(values)
        return self._commit()

    def take(self, evaluations: Iterable[Evaluation]) -> list[Alert]:
        values = [signals.encode(one) for one in evaluations]
        self.stage.take(batch(values, first=self.offset))
        self.offset += len(values)
        return self._commit()

    def _commit(self) -> list[Alert]:
        commit = self.stage.commit(self.now_s * 1000 + 4321)
        for row in commit.state:
            if row.value is None:
                del self.rows[row.key]
            else:
                self.rows[row.key] = row.value
        if self.restarts:
            self.stage = Alerts(self.config)
            self.stage.restore(StateRow(key, value) for key, value in reversed(self.rows.items()))
        self.commits.append(commit)
        sent = alerts_of(commit)
        self.sent += sent
        return sent

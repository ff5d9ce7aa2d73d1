"""Other thresholds beside the configured ones, over the same views.

Each trial is what a node with that one setting changed would say, to the byte. As long as its detector says
what the configured one says, it has nothing of its own. From the first difference on it has signals and
alerts, which begin where those of the node stood; once nothing is left of the difference, it goes along with
the node again.
"""

from collections.abc import Iterable
from typing import NamedTuple

from detectors import registry
from detectors.contract import Detector, due
from stream.alerts.stage import Alerts
from stream.backtest.thresholds import SCALES, Trial, loosest, settings, trials
from stream.backtest.variant import Variant
from stream.burn.signals import Signals
from stream.burn.stage import Burn
from stream.burn.view import Look
from stream.config import Config
from stream.schema import alerts as alerts_schema
from stream.schema import signals as wire
from stream.schema import topics
from stream.schema.alerts import Alert
from stream.schema.signals import Evaluation
from stream.shell.embedded.unkept import Unkept
from stream.stage import Batch


class Own:
    """Signals and alerts of a trial's own."""

    def __init__(self, config: Config, detectors: Iterable[Detector], burn: Burn, store: Unkept) -> None:
        self.signals = Signals(detectors, config.burn.refresh_every_s)
        self.signals.standing = dict(burn.signals.standing)
        self.alerts = Alerts(config)
        rows = list(store.read_state("alerts"))
        self.alerts.restore(rows)
        self.store = Unkept()
        self.store.write_state("alerts", rows)
        self.evaluations: list[Evaluation] = list(burn.pending)
        self._taken = 0

    def commit(self, now_ms: int) -> list[Alert]:
        """As a node commits: what was evaluated goes through the alerts stage."""
        for evaluation in self.evaluations:
            evaluation.emitted_ms = now_ms
        values = [wire.encode(evaluation) for evaluation in self.evaluations]
        self.evaluations = []
        if values:
            first, self._taken = self._taken, self._taken + len(values)
            times_ms = [now_ms] * len(values)
            self.alerts.take(
                Batch(topics.SIGNALS, 0, values, range(first, self._taken), times_ms, self._taken)
            )
        commit = self.alerts.commit(now_ms)
        self.store.write_state("alerts", commit.state)
        outputs = [output for output in commit.outputs if output.topic == topics.ALERTS]
        return [alerts_schema.decode(output.value) for output in outputs]

    def is_as(self, signals: Signals, store: Unkept) -> bool:
        """Whether nothing is left that is not so in the node too."""
        return self.signals.standing == signals.standing and self.store.same_state(store)


class Head:
    """One trial, and what it told so far."""

    def __init__(self, trial: Trial, variant: Variant) -> None:
        self.trial = trial
        self.variant = variant
        self.own: Own | None = None
        self.told: list[Alert] = []


class _Group(NamedTuple):
    """All trials of one detector; `loosest` speaks wherever one of them does."""

    configured: Variant
    loosest: Variant | None
    heads: list[Head]


class Sweep:
    """All trials of the detectors of one burn stage, whose alerts are kept in `store`."""

    def __init__(
        self, config: Config, burn: Burn, alerts: Alerts, store: Unkept, scales: Iterable[float] = SCALES
    ) -> None:
        self._config = config
        self._burn = burn
        self._alerts = alerts
        self._store = store
        self._configured = {name: Variant(one) for name, one in burn.signals.detectors.items()}
        burn.signals.detectors.update(
            {name: variant.as_detector for name, variant in self._configured.items()}
        )
        self.heads: list[Head] = []
        self._groups = [self._group(name, tuple(scales)) for name in self._configured if _is_kind(name)]
        burn.listeners.append(self)

    def _group(self, name: str, scales: Iterable[float]) -> "_Group":
        """The trials of one detector, each behind the next looser one: where that is silent, so is this."""
        kind = registry.find(name)
        params = kind.params_type.model_validate(self._config.detectors.get(name, {}))
        tried = [list(trials(setting, params, scales)) for setting in settings(name, params)]
        detector = loosest(name, params, [trial for each in tried for trial in each])
        first = None if detector is None else Variant(detector)
        heads = []
        for each in tried:
            for looser, gate in ((True, first), (False, self._configured[name])):
                for trial in each:
                    if trial.looser is looser:
                        variant = Variant(trial.detector, gate.speaks if first and gate else None)
                        heads.append(Head(trial, variant))
                        gate = variant  # noqa: PLW2901 - a chain
        self.heads += heads
        return _Group(self._configured[name], first, heads)

    def hear(self, look: Look, last_s: int) -> None:
        view = look.view
        for group in self._groups:
            due_now = due(group.configured, last_s, view.time_s)
            if due_now and (group.loosest is None or group.loosest.speaks(view)):
                for head in group.heads:
                    if head.own is None and not head.variant.says_as(group.configured, view):
                        head.own = self._own(head)
        for head in self.heads:
            if head.own is not None:
                head.own.evaluations.append(self._burn.evaluation(look, head.own.signals, last_s))

    def _own(self, head: Head) -> Own:
        detectors = {name: one.as_detector for name, one in self._configured.items()}
        detectors[head.variant.name] = head.variant.as_detector
        return Own(self._config, detectors.values(), self._burn, self._store)

    def commit(self, now_ms: int, told: list[Alert]) -> None:
        """After the node has committed and `told` this."""
        for head in self.heads:
            if head.own is None:
                head.told += told
                continue
            head.told += head.own.commit(now_ms)
            if head.own.is_as(self._burn.signals, self._store):
                head.own = None

    def active(self, head: Head) -> list[Alert]:
        """What is not over in a trial."""
        return (head.own.alerts if head.own else self._alerts).active()


def _is_kind(name: str) -> bool:
    """Whether it is configured by thresholds: a planned ceiling, for one, is not."""
    return name in registry.all_names()

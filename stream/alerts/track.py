"""All that the alerts stage knows of one scope: what its detectors say, and the life of its alert."""

import hashlib
from typing import Final

import msgspec

from stream.alerts import text
from stream.alerts.lifecycle import Level, Life
from stream.config import Alerting
from stream.schema.alerts import Alert, Attached, Blame, Severity
from stream.schema.signals import Signal

# Active signals are refreshed once a minute, at worst every 5 min when burn catches up in its longest
# steps. Three such steps without a word mean that the detector or the scope is gone (a changed
# configuration): it has cleared. Counted in the time of its own partition: silence clears nothing.
GONE_S: Final = 3 * 300
_LONGEST_NAME: Final = 180  # of a scope within a dedup key: PagerDuty takes 255 characters


class Track(msgspec.Struct, kw_only=True):
    """One scope with something to say. A state row is its JSON.

    `signals` are the active ones, by detector; `latest` is the newest of all, also one that cleared.
    `cause` is the scope that its trouble is put down to, its own or another's. `onset_s` is the earliest
    that any detector named before people were told: later ones look at longer windows and are vaguer.
    `excess_nusd` is the largest that any named.
    """

    scope: str
    partition: int
    latest: Signal
    life: Life
    signals: dict[str, Signal] = {}
    detectors: tuple[str, ...] = ()
    cause: str | None = None
    explained_usd_per_hour: float = 0.0
    attached: tuple[Attached, ...] = ()
    reason: str = ""
    onset_s: int
    excess_nusd: int
    blame: Blame | None = None
    key: str = ""
    previous_key: str | None = None

    def hear(self, signal: Signal) -> None:
        """Take in the newest word of one detector."""
        if signal.severity == "none":
            self.signals.pop(signal.detector, None)
        else:
            self.signals[signal.detector] = signal
            if not self.life.rung:
                self.onset_s = min(self.onset_s, signal.onset_s)
        self.excess_nusd = max(self.excess_nusd, signal.excess_nusd)
        self.latest = signal

    def settle(self, heard_s: int) -> None:
        """Drop what is out of date at `heard_s`, its partition's time; then name what is left."""
        for signal in [signal for signal in self.signals.values() if heard_s - signal.time_s > GONE_S]:
            del self.signals[signal.detector]
        if (first := self.leading) is not None:
            self.detectors = (first.detector, *sorted(self.signals.keys() - {first.detector}))
            self.reason = first.reason

    @property
    def leading(self) -> Signal | None:
        """The active signal with the highest level, then the highest score."""
        if not self.signals:
            return None
        return max(
            self.signals.values(), key=lambda signal: (level_of(signal).rank, signal.score, signal.detector)
        )

    @property
    def level(self) -> Level | None:
        return level_of(self.leading) if self.leading else None

    def attach(self, cause: str) -> None:
        """Note the cause of this step, its own scope or another's."""
        self.cause = cause
        if cause == self.scope:
            self.explained_usd_per_hour = 0.0
        else:
            self.explained_usd_per_hour = max(self.explained_usd_per_hour, self.excess_usd_per_hour)

    @property
    def excess_usd_per_hour(self) -> float:
        """The largest rate beyond normal of any active signal. With no normal, all is beyond it."""
        rates = (one.burn_usd_per_hour - (one.baseline_usd_per_hour or 0.0) for one in self.signals.values())
        return max([0.0, *rates])

    def new_key(self) -> None:
        """Give the level that has just fired its dedup key; the old one becomes `previous_key`.

        Readable, and the same in every replay: the scope, the event time at which this problem began, and
        the level. Levels only rise within a life, so no two are equal.
        """
        assert self.life.fired is not None
        name = self.scope
        if len(name) > _LONGEST_NAME:
            digest = hashlib.sha256(name.encode()).hexdigest()[:16]
            name = f"{name[: _LONGEST_NAME - len(digest) - 1]}~{digest}"
        level = "-".join(filter(None, (self.life.fired.severity, self.life.fired.tier[:20])))
        self.previous_key = self.key or None
        self.key = f"{name}@{self.life.began_s}/{level}"

    def alert(self, now_s: int, rules: Alerting) -> Alert:
        """The alert as it stands at `now_s` (event time); `emitted_ms` is left at 0."""
        life = self.life
        level = life.fired or self.level
        # A pending life always has an active signal; any other has fired.
        assert level is not None
        seen = self.leading or self.latest
        newest = self.latest
        alert = Alert(
            dedup_key=self.key,
            previous_key=self.previous_key,
            state=life.state,
            severity=level.severity,
            tier=level.tier,
            scope=self.scope,
            labels=newest.labels,
            detectors=self.detectors,
            summary="",
            reason=self.reason,
            time_s=now_s,
            onset_s=self.onset_s,
            fired_s=life.fired_s,
            resolved_s=life.resolved_s,
            burn_usd_per_hour=seen.burn_usd_per_hour,
            baseline_usd_per_hour=seen.baseline_usd_per_hour,
            baseline_kind=seen.baseline_kind,
            excess_nusd=self.excess_nusd,
            month_to_date_nusd=newest.month_to_date_nusd,
            projection_usd=newest.projection_usd,
            projection_low_usd=newest.projection_low_usd,
            projection_high_usd=newest.projection_high_usd,
            budget_usd=newest.budget_usd,
            budget_exhaustion_s=newest.budget_exhaustion_s,
            calibration=newest.calibration,
            drivers=seen.drivers,
            children=seen.children,
            attached=self.attached,
            blame=self.blame,
            runbook_url=text.runbook_url(rules, self.detectors[0], self.scope),
            console_url=text.console_url(rules, self.scope),
            spent_ms=life.spent_s * 1000,
            emitted_ms=0,
        )
        return msgspec.structs.replace(alert, summary=text.summary(alert))


def started(signal: Signal, partition: int, now_s: int) -> Track:
    """The track of a scope whose first active signal this is, heard at `now_s`."""
    return Track(
        scope=signal.scope,
        partition=partition,
        latest=signal,
        life=Life(began_s=now_s),
        onset_s=signal.onset_s,
        excess_nusd=signal.excess_nusd,
        signals={signal.detector: signal},
    )


def level_of(signal: Signal) -> Level:
    return Level(Severity(signal.severity), signal.tier)

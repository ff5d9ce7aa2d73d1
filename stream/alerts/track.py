"""All that the alerts stage knows of one scope: what its detectors say, and the life of its alert."""

import hashlib
from typing import Final

import msgspec

from stream.alerts import text
from stream.alerts.board import Board
from stream.alerts.lifecycle import Level, Life
from stream.config_alerts import Alerting
from stream.schema.alerts import (
    METER,
    SPEND,
    Acknowledged,
    Alert,
    Attached,
    Blame,
    DigestLine,
    Happening,
    HeldBack,
    Planned,
    Severity,
    State,
)
from stream.schema.signals import Signal
from stream.scopes import about_meter

# Active signals are refreshed once a minute, at worst every 5 min when burn catches up in its longest
# steps. Three such steps without a word mean that the detector or the scope is gone (a changed
# configuration): it has cleared. Counted in the time of its own partition: silence clears nothing.
GONE_S: Final = 3 * 300
OVER_PLAN: Final = Level(Severity.PAGE, "plan")
# What was planned is still within the windows of detectors when its time is over. Whether it goes on is known
# after the shortest window of all, and by then an autoscaler has let go too: Kubernetes' waits 300 s.
SETTLE_S: Final = 300
REFRESH_S: Final = 60  # what is heard late is heard once more
GOES_ON: Final = 0.5  # of the excess that a signal tells: halfway between all of it and none
_LONGEST_NAME: Final = 180  # of a scope within a dedup key: PagerDuty takes 255 characters


class AtEnd(msgspec.Struct, frozen=True):
    """The first word of a detector after what held the scope back had ended."""

    time_s: int
    excess_nusd: int


class Track(msgspec.Struct, kw_only=True):
    """One scope with something to say. A state row is its JSON.

    `signals` are the active ones, by detector; `latest` is the newest of all, also one that cleared.
    `cause` is the scope that its trouble is put down to, its own or another's. `onset_s` is the earliest
    that any detector named before people were told: later ones look at longer windows and are vaguer.
    `excess_nusd` is the largest that any named, `scores` and `peak_usd_per_hour` are the highest.

    What people asked for, as of this step: `factors` are what the scores of detectors must exceed that were
    called false; `plan` is the ceiling that holds and `over_plan` whether it is passed; `quiet` is whether
    the alert is kept from ringing, `held_back` by what, or by what until it fired; `acknowledged` is who has
    it. `ended_s` is until when it was held back last; `at_end` has the signals that began before then.
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
    happenings: tuple[Happening, ...] = ()
    key: str = ""
    previous_key: str | None = None
    scores: dict[str, float] = {}
    peak_usd_per_hour: float = 0.0
    fired_count: int = 1
    factors: dict[str, float] = {}
    plan: Planned | None = None
    over_plan: bool = False
    quiet: bool = False
    held_back: HeldBack | None = None
    acknowledged: Acknowledged | None = None
    ended_s: int = 0
    at_end: dict[str, AtEnd] = {}

    def hear(self, signal: Signal) -> None:
        """Take in the newest word of one detector."""
        if signal.severity == "none":
            self.signals.pop(signal.detector, None)
        else:
            self.signals[signal.detector] = signal
            self.scores[signal.detector] = max(signal.score, self.scores.get(signal.detector, 0.0))
            self.peak_usd_per_hour = max(self.peak_usd_per_hour, signal.burn_usd_per_hour)
            if not self.life.rung:
                self.onset_s = min(self.onset_s, signal.onset_s)
        self.excess_nusd = max(self.excess_nusd, signal.excess_nusd)
        self.latest = signal

    def settle(self, heard_s: int, board: Board, now_s: int) -> None:
        """Drop what is out of date at `heard_s`, its partition's time; take over what people ask for, as it
        holds at `now_s`; then name what is left."""
        for signal in [signal for signal in self.signals.values() if heard_s - signal.time_s > GONE_S]:
            del self.signals[signal.detector]
        self._ask(board, now_s)
        if (first := self.leading) is not None:
            others = {signal.detector for signal in self.audible} - {first.detector}
            self.detectors = (first.detector, *sorted(others))
            self.reason = first.reason
            if self.over_plan and self.plan is not None:
                self.reason = f"{text.over_plan(self.plan, self._rate_usd_per_hour)} {first.reason}".rstrip()

    def _ask(self, board: Board, now_s: int) -> None:
        labels = self.latest.labels
        self.factors = board.factors(self.scope, now_s)
        held = board.maintenance(self.scope, labels, now_s)
        planned = board.plan(self.scope, labels, now_s)
        was_over, self.plan, self.over_plan = self.over_plan, None, False
        if planned is not None:
            self.plan, span = planned
            limit = self.plan.ceiling_usd_per_hour + self.plan.floor_usd_per_hour
            self.over_plan = self._rate_usd_per_hour >= limit
            # Whoever names a ceiling wants to hear of what passes it, in a maintenance window too.
            held = None if self.over_plan else held or span
        if self.over_plan and not was_over:
            self.life.held = []  # what it has been up to the ceiling tells nothing of how long it is above
        if self.quiet and held is None and not self.over_plan and self.held_back is not None:
            self.ended_s, self.at_end = min(self.held_back.until_s, now_s), {}
            self.held_back = msgspec.structs.replace(self.held_back, until_s=self.ended_s)
        self.at_end = {
            name: self.at_end.get(name) or AtEnd(signal.time_s, signal.excess_nusd)
            for name, signal in self.signals.items()
            if signal.onset_s < self.ended_s <= signal.time_s
        }
        self.quiet = held is not None
        if held is not None or self.life.rung:
            self.held_back = held

    @property
    def _rate_usd_per_hour(self) -> float:
        """The rate to hold against a plan. Each signal has that of its own window, or of 5 minutes where
        that is more: the least of them is the nearest to now."""
        return min((one.burn_usd_per_hour for one in self.signals.values()), default=0.0)

    @property
    def as_planned(self) -> bool:
        """Whether a plan accounts for what the scope burns."""
        return self.plan is not None and not self.over_plan

    @property
    def settling(self) -> bool:
        """Whether all that it has to say may be of planned money that ended, and does not go on."""
        return all(self._settles(signal) for signal in self.audible) and not self.over_plan

    def _settles(self, signal: Signal) -> bool:
        """What began before the end counts again when it goes on: by what was spent since. A silent meter or
        a new price has spent nothing, and goes on as long as it is told of."""
        if signal.onset_s >= self.ended_s or about_meter(self.scope):
            return False
        at_end = self.at_end.get(signal.detector)
        if at_end is None or signal.time_s < max(self.ended_s + SETTLE_S, at_end.time_s + REFRESH_S):
            return True
        lasted_s = signal.time_s - at_end.time_s
        since = (signal.excess_nusd - at_end.excess_nusd) / 1e9 * 3600 / lasted_s
        return since < GOES_ON * (signal.burn_usd_per_hour - (signal.baseline_usd_per_hour or 0.0))

    @property
    def audible(self) -> list[Signal]:
        """The active signals but for those below a threshold that people have raised."""
        raised = {} if self.over_plan else self.factors
        return [
            signal
            for signal in self.signals.values()
            if signal.detector not in raised or signal.score > raised[signal.detector]
        ]

    @property
    def leading(self) -> Signal | None:
        """The active signal with the highest level, then the highest score."""
        return max(
            self.audible,
            key=lambda signal: (level_of(signal).rank, signal.score, signal.detector),
            default=None,
        )

    @property
    def level(self) -> Level | None:
        """How bad it is. Over a plan is worth a page, whatever detectors say of it; and people who were
        told are told that it is over when they say that it is planned."""
        if self.leading is None or (self.as_planned and self.life.rung):
            return None
        return OVER_PLAN if self.over_plan else level_of(self.leading)

    def fire(self, now_s: int, count: int) -> None:
        """Note that it has just fired or escalated, for the `count`th time of late."""
        self.new_key()
        self.fired_count = count
        if self.held_back is not None and not self.quiet:
            until_s = min(self.held_back.until_s, now_s)
            self.held_back = msgspec.structs.replace(self.held_back, until_s=until_s)
            # It could not be told before: that is no slowness of the detection.
            self.life.spent_s = max(self.life.spent_s, until_s)

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
        rates = (one.burn_usd_per_hour - (one.baseline_usd_per_hour or 0.0) for one in self.audible)
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
        self.acknowledged = None  # of the lower level
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
            state=State.ACKNOWLEDGED if self.acknowledged and life.rung else life.state,
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
            baseline_samples=seen.baseline_samples,
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
            happenings=self.happenings,
            runbook_url=text.runbook_url(rules, self.detectors[0], self.scope, self.key),
            console_url=text.console_url(rules, self.scope),
            spent_ms=life.spent_s * 1000,
            emitted_ms=0,
            scores=self.scores,
            peak_usd_per_hour=self.peak_usd_per_hour,
            fired_count=self.fired_count,
            acknowledged=self.acknowledged,
            held_back=self.held_back,
            plan=self.plan,
            about=METER if about_meter(self.scope) else SPEND,
            feedback_url=text.feedback_url(rules, self.scope, self.key) if self.key else "",
        )
        return msgspec.structs.replace(alert, summary=text.summary(alert))

    def line(self, rules: Alerting, severity: Severity = Severity.DIGEST) -> DigestLine:
        """The alert as a line of a digest, or of a report on what was held back at `severity`."""
        seen = self.leading or self.latest
        return DigestLine(
            scope=self.scope,
            severity=severity,
            detector=seen.detector,
            reason=self.reason,
            trend="new",
            since_s=self.onset_s,
            until_s=None,
            burn_usd_per_hour=seen.burn_usd_per_hour,
            baseline_usd_per_hour=seen.baseline_usd_per_hour,
            excess_nusd=self.excess_nusd,
            console_url=text.console_url(rules, self.scope),
        )


def started(signal: Signal, partition: int, now_s: int) -> Track:
    """The track of a scope whose first active signal this is, heard at `now_s`."""
    track = Track(
        scope=signal.scope,
        partition=partition,
        latest=signal,
        life=Life(began_s=now_s),
        onset_s=signal.onset_s,
        excess_nusd=signal.excess_nusd,
    )
    track.hear(signal)
    return track


def level_of(signal: Signal) -> Level:
    return Level(Severity(signal.severity), signal.tier)

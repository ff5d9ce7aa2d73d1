"""The burn stage: spend rows in, rolling windows, and signals at every closed bucket.

One instance per partition of `spend`. A bucket closes when every usage partition's watermark has passed
it, or the partition has been idle for a set time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from detectors import registry
from detectors.contract import BUCKET_S, DIGEST, NONE, PAGE, TICKET, View
from detectors.late_source import LateSource
from detectors.lost_labels import LostLabels
from detectors.metering_gap import MeteringGap
from detectors.price_change import PriceChange
from stream.burn.baseline import Baseline
from stream.burn.calendar import calendar_of
from stream.burn.ceilings import Ceilings
from stream.burn.complaints import Complaints, lag_of, lost_labels_of
from stream.burn.figures import Figures, figures_of
from stream.burn.month import exhaustion_s
from stream.burn.parts import split
from stream.burn.people import People
from stream.burn.policies import Policies
from stream.burn.prices import Prices
from stream.burn.signals import Failure, Signals, Verdict
from stream.burn.sources import RECENT_S, Interim, Sources, held
from stream.burn.view import Look, Lookout
from stream.burn.windows import Windows
from stream.config import Config
from stream.errors import UserError
from stream.schema import signals as wire
from stream.schema import sources, spend, topics
from stream.schema import windows as schema
from stream.schema.spend import CHILD, DRIVER
from stream.scopes import BILLING, POLICY, UNPRICED, scope_labels
from stream.stage import Batch, Commit, Output, StateRow

# When this much or more closes at once (catching up, or coarse input), look only this often: the step
# detector looks back as far, so no bucket goes unseen.
CATCH_UP_S: Final = 300
HOUR_S: Final = 3600
MINUTE_S: Final = 60
BUCKET_MS: Final = BUCKET_S * 1000
TOP: Final = 3
_SEVERITIES: Final = {NONE: "none", DIGEST: "digest", TICKET: "ticket", PAGE: "page"}


class Listener(Protocol):
    """Hears of every look, before the detectors of the stage itself do: a backtest's other thresholds."""

    def hear(self, look: Look, last_s: int) -> None: ...


class Burn:
    """A stage over one partition of `spend`, fed by `usage_partitions` meters."""

    def __init__(self, partition: int, config: Config, spend_partitions: int, usage_partitions: int) -> None:
        self.partition = partition
        self.windows = Windows(max(1, config.burn.max_scopes // spend_partitions))
        self.baseline = Baseline(self.windows.scopes, calendar_of(config.burn), config.burn.learn_after_h)
        self._config = config
        self._partitions = spend_partitions
        self._usage_partitions = usage_partitions
        self._lookout = Lookout(
            self.windows,
            self.baseline,
            {budget.scope: float(budget.monthly_usd) for budget in config.budgets},
            Policies(config.policies),
        )
        try:
            detectors = registry.build_all(config.detectors)
            late = LateSource(registry.settings_of(LateSource, config.detectors))
            lost = LostLabels(registry.settings_of(LostLabels, config.detectors))
            moved = PriceChange(registry.settings_of(PriceChange, config.detectors))
            gap = MeteringGap(registry.settings_of(MeteringGap, config.detectors)).params
        except ValueError as error:
            raise UserError(f"detectors: {error}") from None
        self._ceilings = Ceilings()
        self.signals = Signals([*detectors, self._ceilings], config.burn.refresh_every_s)
        self._people = People(config)
        self._heeded = (-1, -1)  # the hour and the number of scopes for which people were last asked
        self._sources = Sources(gap, partition, spend_partitions)
        self._complaints = [
            Complaints(kind.name, find, partition, spend_partitions)
            for kind, find in ((LateSource, lag_of(late)), (LostLabels, lost_labels_of(lost)))
        ]
        self._prices = Prices(moved)
        self.listeners: list[Listener] = []
        self._blind: tuple[wire.Signal, ...] = ()  # what this look gives cause for without a detector
        self._clock = schema.Clock(-1, -1, 0, {}, 0, 0)
        self._evaluations: list[wire.Evaluation] = []
        self._learnt: dict[str, bytes] = {}  # what the state rows hold of each detector
        self._moved = False
        self._last: Look | None = None
        # Of the newest look: several sets of detectors (a backtest's) mostly say the same.
        self._told_of: Look | None = None
        self._told: dict[Verdict, wire.Signal] = {}
        self._interim: Interim = {}
        self._since_ms = -1  # by the meters' clocks, when this instance heard the first of them

    @property
    def evaluated_s(self) -> int:
        """The end of the last closed bucket that was judged; -1 before the first."""
        return self._clock.evaluated_s

    @property
    def pending(self) -> tuple[wire.Evaluation, ...]:
        """What the next commit will tell."""
        return tuple(self._evaluations)

    @property
    def heard_ms(self) -> int:
        """When (by the meters' clocks) an estimate last moved time on; -1 before anything is heard."""
        return max((source.moved_ms for source in self._clock.sources.values()), default=-1)

    def restore(self, rows: Iterable[StateRow]) -> None:
        windows = self.windows.restore()
        for row in rows:
            if row.value is None:
                continue
            if row.key == schema.CLOCK:
                self._clock = schema.decode_clock(row.value)
            elif row.key == schema.ACTIVE:
                self.signals.load(row.value)
            elif row.key.startswith(schema.DETECTOR_PREFIX):
                name = row.key.removeprefix(schema.DETECTOR_PREFIX).decode()
                if name in self.signals.detectors:
                    self._learnt[name] = row.value
                    self._load(name, row.value)
            elif row.key.startswith(schema.SOURCE_PREFIX):
                self._restore_source(sources.decode(row.value))
            elif row.key.startswith(schema.PRICE_PREFIX):
                self._prices.restore(row.key, row.value)
            elif (key := schema.decode_key(row.key)) is not None:
                windows.load(key, row.value)
            else:
                raise UserError(
                    "the state of the burn stage was written by another version of burnline: go back to that "
                    "one, or start with another kafka.topic_prefix (or embedded.database)"
                )
        if self._clock.head_s >= 0:
            windows.settle(self._clock.head_s)
        self.windows.late_nusd = self._clock.late_nusd
        self.windows.overflow_nusd = self._clock.overflow_nusd
        if self._clock.evaluated_s >= 0:
            self._last = self._lookout.look(self._clock.evaluated_s)

    def _restore_source(self, word: sources.Source) -> None:
        self._sources.restore(word)
        for complaints in self._complaints:
            complaints.restore(word)

    @property
    def failures(self) -> dict[str, Failure]:
        """By detector, how it has failed since this process began."""
        return self.signals.failures

    def _load(self, name: str, state: bytes) -> None:
        """Have a detector go on from its state. Another version of it may not know that any more."""
        try:
            self.signals.detectors[name].load(state)
        except Exception as error:
            self.signals.failed(name, f"could not read its state, and begins anew ({error!r:.500})")
            self.signals.detectors[name] = registry.build(name, self._config.detectors.get(name, {}))

    def take(self, batch: Batch) -> None:
        for value in batch.values:
            record = spend.decode(value)
            # Also where the newest money went to another partition, so that all hold the same time.
            if record.watermark_ms >= 0:
                self.windows.advance(-(-record.watermark_ms // BUCKET_MS) * BUCKET_S)
            self.windows.add(record.rows)
            self._sources.hear(record.sources)
            for complaints in self._complaints:
                complaints.hear(record.sources)
            self._prices.hear(record.usage_partition, record.prices)
            self._heard(record)
            self._evaluate()
        self._clock.position = batch.next_offset
        self._moved = True

    def commit(self, now_ms: int) -> Commit:
        if not self._moved:
            return Commit()
        clock = self._clock
        clock.head_s = self.windows.head_s
        clock.late_nusd, clock.overflow_nusd = self.windows.late_nusd, self.windows.overflow_nusd
        commit = Commit(positions={(topics.SPEND, self.partition): clock.position})
        for evaluation in self._evaluations:
            evaluation.emitted_ms = now_ms
            commit.outputs.append(Output(topics.SIGNALS, b"%d" % self.partition, wire.encode(evaluation), 0))
        commit.state = [*self.windows.changes(), *self._sources.changes(), *self._prices.changes()]
        if self._evaluations:
            commit.state.append(StateRow(schema.ACTIVE, self.signals.save()))
            for name in self.signals.detectors:
                learnt = self.signals.learnt(name)
                if learnt is not None and learnt != self._learnt.get(name, b""):
                    self._learnt[name] = learnt
                    commit.state.append(StateRow(schema.DETECTOR_PREFIX + name.encode(), learnt))
        commit.state.append(StateRow(schema.CLOCK, schema.encode_clock(clock)))
        self._evaluations = []
        self._moved = False
        return commit

    def _heard(self, record: spend.Spend) -> None:
        if self._since_ms < 0:
            self._since_ms = record.sent_ms
        known = self._clock.sources.get(record.usage_partition)
        moved_ms = record.sent_ms
        if known is not None and record.watermark_ms <= known.watermark_ms:
            moved_ms = known.moved_ms
        self._clock.sources[record.usage_partition] = schema.Source(
            record.position, record.watermark_ms, moved_ms, record.sent_ms
        )

    def closed_s(self) -> int:
        """Up to when everything is in: the slowest partition that is neither idle nor lost.

        Idle: its meter lives but its watermark stands still. Lost: its meter itself is not heard. If
        all are idle, time goes on at the meters' clocks, that far behind. Before the first bucket is
        judged, a meter that was never heard, or has not come to an estimate yet, is waited for as long:
        else what the others read first would be taken for all that is normal.
        """
        sources = self._clock.sources
        patience_ms = self._config.burn.idle_after_s * 1000
        newest_ms = max((source.sent_ms for source in sources.values()), default=-1)
        begun = sum(source.watermark_ms >= 0 for source in sources.values())
        waiting = self._clock.evaluated_s < 0 and begun < self._usage_partitions
        if not sources or (waiting and newest_ms - self._since_ms < patience_ms):
            return -1
        active = [
            source.watermark_ms
            for source in sources.values()
            if source.sent_ms - source.moved_ms < patience_ms and newest_ms - source.sent_ms < patience_ms
            if source.watermark_ms >= 0
        ]
        return (min(active) if active else newest_ms - patience_ms) // 1000

    def _evaluate(self) -> None:
        """Judge every bucket that has closed since the last time."""
        step = self._config.burn.evaluate_every_s
        closed = self.closed_s() // step * step
        if closed <= self._clock.evaluated_s or self.windows.head_s < 0:
            return
        # What lies further back is not judged: the fine ring has moved on and no longer holds it.
        last = max(self._clock.evaluated_s, closed - HOUR_S)
        if self._clock.evaluated_s < 0:
            last = closed - step
        if closed - last >= CATCH_UP_S:
            step = CATCH_UP_S
        self.windows.advance(closed)
        times = list(range((last // step + 1) * step, closed, step))
        for time_s in [*times, closed]:
            self._look(last, time_s)
            last = time_s
        self._clock.evaluated_s = closed

    def heed(self, topic: str, value: bytes) -> None:
        """Take a record of one of `people.TOPICS`; what is judged from now on goes by it."""
        if self._people.heed(topic, value):
            self._heeded = (-1, -1)

    def _ask(self, time_s: int) -> None:
        """What people said, as it holds now. A verdict may expire, or a scope come back, within the hour."""
        scopes = self.windows.scope_names
        if self._heeded != (time_s // HOUR_S, len(scopes)):
            self._heeded = time_s // HOUR_S, len(scopes)
            self.baseline.learn(self._people.lessons(scopes, time_s))
        self._ceilings.limits_usd_per_hour = self._people.limits_usd_per_hour(scopes, time_s)

    def _look(self, last_s: int, time_s: int) -> None:
        self._ask(time_s)
        wanted = self.signals.wants_drivers(last_s, time_s)
        turned = time_s // HOUR_S != last_s // HOUR_S
        look = self._last = self._lookout.look(time_s, drivers=wanted, days=turned)
        refresh_s = self._config.burn.refresh_every_s
        self._blind = (
            *self._sources.signals(time_s, refresh_s),
            *(one for each in self._complaints for one in each.signals(time_s, refresh_s)),
            *self._prices.signals(time_s, refresh_s),
        )
        for listener in self.listeners:
            listener.hear(look, last_s)
        self._evaluations.append(self.evaluation(look, self.signals, last_s))

    def evaluation(self, look: Look, signals: Signals, last_s: int) -> wire.Evaluation:
        """What these detectors say of a look; the last one was at `last_s`."""
        verdicts = signals.observe(look.view, watched, last_s, self._held)
        if look is not self._told_of:
            self._told_of, self._told = look, {}
            self._interim = self._sources.interim(self.windows, look.view.time_s)
        for verdict in verdicts:
            if verdict not in self._told:
                self._told[verdict] = self._signal(look, verdict)
        return wire.Evaluation(
            partition=self.partition,
            partitions=self._partitions,
            time_s=look.view.time_s,
            emitted_ms=0,
            signals=(*(self._told[verdict] for verdict in verdicts), *self._blind),
        )

    def _held(self, scope: str) -> str | None:
        """Why nobody can tell that an alert on the scope is over, if so."""
        source = self._sources.missing(self.windows, scope)
        return None if source is None else held(source)

    def _signal(self, look: Look, verdict: Verdict) -> wire.Signal:
        view, index = look.view, verdict.index
        scope = view.scopes[index]
        [figures] = self._figures(look, self._interim, slice(index, index + 1))
        spent_nusd = self.windows.spent_nusd(scope, verdict.onset_s, view.time_s)
        expected = self.baseline.expected_usd(index, verdict.onset_s, view.time_s)
        burn = self._burn_usd_per_hour(view, index, verdict.window_s if verdict.severity else 0)
        burn += figures.interim_usd_per_hour.get(RECENT_S, 0.0)
        figures = self._if_it_goes_on(figures, look, index, burn)
        return wire.Signal(
            scope=scope,
            detector=verdict.detector,
            severity=_SEVERITIES[verdict.severity],
            tier=verdict.tier,
            score=verdict.score,
            time_s=view.time_s,
            onset_s=verdict.onset_s,
            window_s=verdict.window_s,
            burn_usd_per_hour=burn,
            baseline_usd_per_hour=figures.baseline_usd_per_hour,
            excess_nusd=spent_nusd - round((expected or 0.0) * 1e9),
            month_to_date_nusd=figures.month_to_date_nusd,
            projection_usd=figures.projection_usd,
            projection_low_usd=figures.projection_low_usd,
            projection_high_usd=figures.projection_high_usd,
            budget_usd=figures.budget_usd,
            budget_exhaustion_s=figures.budget_exhaustion_s,
            calibration=figures.calibration,
            baseline_kind=figures.baseline_kind,
            baseline_samples=int(self.baseline.samples()[index]),
            reason=verdict.reason,
            drivers=self.top(scope, view.time_s, DRIVER, since_s=verdict.onset_s),
            children=self.top(scope, view.time_s, CHILD, since_s=verdict.onset_s),
            labels=scope_labels(scope, self._config.scopes),
        )

    def _burn_usd_per_hour(self, view: View, index: int, window_s: int) -> float:
        """The rate over the window that decided, or over 5 minutes where that is more: money that came
        late leaves the newest buckets empty."""
        five_minutes = _known(view.burn_usd_per_hour[300][index]) or 0.0
        if window_s <= 0:
            return five_minutes
        spent_nusd = self.windows.spent_nusd(view.scopes[index], view.time_s - window_s, view.time_s)
        return max(five_minutes, spent_nusd / 1e9 * HOUR_S / window_s)

    def _if_it_goes_on(self, figures: Figures, look: Look, index: int, burn_usd_per_hour: float) -> Figures:
        """The month if the signal's own burn rate lasts. The panels' projection waits until an excess
        shows in the last hour; a page must say where the last minute leads."""
        normal, projected = figures.baseline_usd_per_hour, figures.projection_usd
        if normal is None or projected is None:
            return figures
        lasting = float(look.projection.lasting_usd_per_hour[index])
        more_usd_per_hour = max(0.0, burn_usd_per_hour - normal - max(lasting, 0.0))
        end_s, now_s = look.month.end_s, look.view.time_s
        more_usd = more_usd_per_hour * (end_s - now_s) / HOUR_S
        rate = float(look.projection.rate_usd_per_hour[index]) + more_usd_per_hour
        spent_usd, budget = figures.month_to_date_nusd / 1e9, figures.budget_usd
        return replace(
            figures,
            projection_usd=projected + more_usd,
            projection_low_usd=_plus(figures.projection_low_usd, more_usd),
            projection_high_usd=_plus(figures.projection_high_usd, more_usd),
            budget_exhaustion_s=None
            if budget is None
            else exhaustion_s(now_s, budget, spent_usd, rate, end_s),
        )

    def top(
        self, scope: str, time_s: int, role: int, count: int = TOP, *, since_s: int | None = None
    ) -> tuple[wire.Share, ...]:
        """The parts of a scope that spent most beyond their normal since `since_s`, or in the last 60
        minutes; with what they spent in these 60. What began a minute ago is still little in an hour."""
        hour_ago_s = time_s - HOUR_S
        parts = split(self.windows, scope, role, hour_ago_s, time_s)
        if since_s is None or since_s <= hour_ago_s:
            lately = parts
        else:
            lately = split(self.windows, scope, role, min(since_s, time_s - MINUTE_S), time_s)
        excess_nusd = {part.name: part.excess_nusd for part in lately}
        shares = [
            wire.Share(name=part.name, cost_nusd=part.spent_nusd, excess_nusd=part.excess_nusd)
            for part in parts
            if part.spent_nusd
        ]
        shares.sort(key=lambda share: (-excess_nusd.get(share.name, 0), -share.excess_nusd, share.name))
        risen = [share for share in shares if share.excess_nusd > 0]
        return tuple((risen or shares)[:count])

    def expected_usd(self, scope: str, start_s: int, end_s: int) -> float | None:
        """What the baseline expects of a scope over [start, end); None if it has none."""
        if scope not in self.windows.scope_names:
            return None
        return self.baseline.expected_usd(self.windows.scope_names.index(scope), start_s, end_s)

    def unmetered(self, scope: str) -> tuple[int, int, float]:
        """Since when, until when and at how many dollars an hour a scope is taken to spend what nobody
        meters now: see `Figures.interim_usd_per_hour`."""
        return self._sources.gap(self.windows, scope, self._clock.evaluated_s)

    def figures(self) -> list[Figures]:
        """Every scope as of the last closed bucket."""
        look = self._last
        if look is not None and len(look.view.scopes) < len(self.windows.scope_names):
            look = self._last = self._lookout.look(look.view.time_s)  # late money has brought new scopes
        if look is None:
            return []
        return list(self._figures(look, self._sources.interim(self.windows, look.view.time_s)))

    def _figures(self, look: Look, interim: Interim, some: slice = slice(None)) -> Iterator[Figures]:
        scores = {name: told.score for name, told in self.signals.scores.items()}
        return figures_of(look, scores, self.windows, interim, some)


def watched(scope: str, detector: str) -> bool:
    """Whether a detector may speak of a scope. `billing=` scopes exist for reconciliation alone, and what
    breaks a policy is money that other scopes hold too: only the rule itself is of interest."""
    if scope.startswith(f"{POLICY}="):
        return detector == POLICY
    return not scope.startswith(f"{BILLING}=") and scope != UNPRICED


def _plus(value: float | None, more: float) -> float | None:
    return None if value is None else value + more


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

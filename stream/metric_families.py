"""The metrics made from plain values: their names, and how figures and counters become samples.

docs/metrics.md is the same table for people; a test compares the two. Money is dollars here, on display.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from stream.burn.figures import Figures
from stream.meter.counters import Counters
from stream.schema.dead_letters import Reason

NANO: Final = 1e9
# Kept whatever they burn: what rules and panels are built on. `other` holds the scopes over burn.max_scopes.
ALWAYS_KEPT: Final = frozenset({"total", "unmapped", "unpriced", "other"})
# A detector below half its threshold has nothing to say. At about ten detectors a scope, leaving those out
# saves a third of all series.
SCORE_SHOWN_FROM: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of the family called `name`; `labels` are in the family's order."""

    name: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    labels: tuple[str, ...]
    unit: str
    meaning: str

    def empty(self) -> CounterMetricFamily | GaugeMetricFamily:
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        name = self.name.removesuffix("_total")
        return kind(name, self.meaning, labels=self.labels, unit=self.unit)


_SCOPE: Final = ("scope",)
_WINDOW: Final = ("scope", "window")
_PARTITION: Final = ("partition",)

FAMILIES: Final = (
    Family("burnline_cost_usd_total", _SCOPE, "usd", "Spend counted since burnline first saw the scope."),
    Family("burnline_burn_usd_per_hour", _WINDOW, "usd_per_hour", "Burn rate over the window."),
    Family(
        "burnline_interim_usd_per_hour",
        _WINDOW,
        "usd_per_hour",
        "The part of it that nobody has metered: last rates of silent sources, carried forward.",
    ),
    Family("burnline_baseline_usd_per_hour", _SCOPE, "usd_per_hour", "Normal burn rate at this hour."),
    Family("burnline_burn_ratio", _WINDOW, "ratio", "Burn rate over the window, as a multiple of normal."),
    Family("burnline_month_to_date_usd", _SCOPE, "usd", "Spend since the month began (UTC)."),
    Family("burnline_budget_usd", _SCOPE, "usd", "Budget of this month."),
    Family("burnline_budget_remaining_usd", _SCOPE, "usd", "Budget less month to date; negative if overrun."),
    Family(
        "burnline_budget_exhaustion_timestamp_seconds",
        _SCOPE,
        "seconds",
        "When the budget runs out, Unix time; absent if it lasts the month.",
    ),
    Family("burnline_projection_usd", ("scope", "bound"), "usd", "What the whole month will cost."),
    Family("burnline_calibration_ratio", _SCOPE, "ratio", "Factor from invoices in the last hour's cost."),
    Family(
        "burnline_detector_score",
        ("scope", "detector"),
        "",
        "Score over the detector's threshold: 1 is just over; absent below 0.5.",
    ),
    Family("burnline_estimates_sent_total", _PARTITION, "", "Estimates that reached the meter."),
    Family("burnline_estimates_accepted_total", _PARTITION, "", "Estimates that became spend."),
    Family("burnline_estimates_duplicate_total", _PARTITION, "", "Estimates dropped because sent before."),
    Family("burnline_estimates_rejected_total", _PARTITION, "", "Estimates that became dead letters."),
    Family("burnline_estimates_late_total", _PARTITION, "", "Accepted estimates that came late."),
    Family("burnline_estimates_sent_usd_total", _PARTITION, "usd", "Cost of the estimates sent."),
    Family("burnline_estimates_accepted_usd_total", _PARTITION, "usd", "Cost of the estimates accepted."),
    Family("burnline_estimates_duplicate_usd_total", _PARTITION, "usd", "Cost of the duplicates dropped."),
    Family("burnline_estimates_rejected_usd_total", _PARTITION, "usd", "Cost of the estimates rejected."),
    Family("burnline_estimates_late_usd_total", _PARTITION, "usd", "Cost of the estimates that came late."),
    Family("burnline_unmapped_usd_total", _PARTITION, "usd", "Accepted cost that no owner rule maps."),
    Family("burnline_unpriced_estimates_total", _PARTITION, "", "Accepted estimates without cost or price."),
    Family("burnline_dead_letters_total", ("partition", "reason"), "", "Rejected estimates by reason."),
    Family("burnline_overflow_usd_total", _PARTITION, "usd", "Cost of scopes over the cap, kept in other."),
    Family(
        "burnline_detector_failures_total",
        ("partition", "detector"),
        "",
        "Times that a detector raised, or gave an answer that makes no sense, since the process began.",
    ),
    Family("burnline_too_late_usd_total", _PARTITION, "usd", "Cost so late that no window holds its time."),
    Family(
        "burnline_watermark_lag_seconds",
        ("stage", "partition"),
        "seconds",
        "How far behind the clock the newest time is that a stage has seen.",
    ),
    Family("burnline_consumer_lag_records", ("topic", "partition"), "records", "Records not yet read."),
    Family("burnline_alerts", ("severity", "state"), "", "Alerts that are not resolved."),
    Family("burnline_feedback", ("detector", "verdict"), "", "What people said of its alerts."),
    Family("burnline_incident_excess_usd", ("incident", "scope"), "usd", "Cost beyond normal, if open."),
    Family(
        "burnline_reconcile_ratio",
        ("provider", "account", "service"),
        "ratio",
        "Invoice over estimate, of the newest invoiced days.",
    ),
    Family("burnline_notifications_total", ("destination", "outcome"), "", "Tries to deliver an alert."),
    Family("burnline_heartbeats_total", ("heartbeat", "outcome"), "", "Signs of life by how they went."),
    Family("burnline_destination_proven", ("destination",), "", "1 if it has ever taken something, else 0."),
    Family(
        "burnline_destination_failing_seconds",
        ("destination",),
        "seconds",
        "For how long a destination has taken nothing that it was sent; 0 if it takes it.",
    ),
    Family("burnline_scopes", (), "", "Scopes known to this process."),
    Family("burnline_series_dropped", (), "", "Series not exported because of the cap on their number."),
)


def window_label(window_s: int) -> str:
    """`5m`, `1h`, `24h`: the biggest of hours, minutes and seconds that divides it."""
    for unit_s, unit in ((3600, "h"), (60, "m")):
        if window_s % unit_s == 0:
            return f"{window_s // unit_s}{unit}"
    return f"{window_s}s"


def counter_samples(partition: int, counters: Counters) -> Iterator[Sample]:
    """All terms of the identity, zeros too: a rule that adds up series finds nothing if one is missing."""
    label = (str(partition),)
    for term in ("sent", "accepted", "duplicate", "rejected", "late"):
        yield Sample(f"burnline_estimates_{term}_total", label, getattr(counters, f"{term}_events"))
        yield Sample(f"burnline_estimates_{term}_usd_total", label, getattr(counters, f"{term}_nusd") / NANO)
    yield Sample("burnline_unmapped_usd_total", label, counters.unmapped_nusd / NANO)
    yield Sample("burnline_unpriced_estimates_total", label, counters.unpriced_events)
    for reason in sorted({*map(str, Reason), *counters.rejected_by_reason}):
        value = counters.rejected_by_reason.get(reason, 0)
        yield Sample("burnline_dead_letters_total", (*label, reason), value)


def scope_samples(figures: Figures) -> list[Sample]:
    """All samples of one scope. What is not known has none."""
    scope = figures.scope
    month_usd = figures.month_to_date_nusd / NANO
    samples = [
        Sample("burnline_cost_usd_total", (scope,), figures.total_nusd / NANO),
        Sample("burnline_month_to_date_usd", (scope,), month_usd),
        Sample("burnline_calibration_ratio", (scope,), figures.calibration),
    ]
    baseline = figures.baseline_usd_per_hour
    for window_s, burn in figures.burn_usd_per_hour.items():
        labels = (scope, window_label(window_s))
        samples.append(Sample("burnline_burn_usd_per_hour", labels, burn))
        if baseline is not None and baseline > 0:
            samples.append(Sample("burnline_burn_ratio", labels, burn / baseline))
    for window_s, rate in figures.interim_usd_per_hour.items():
        samples.append(Sample("burnline_interim_usd_per_hour", (scope, window_label(window_s)), rate))
    if baseline is not None:
        samples.append(Sample("burnline_baseline_usd_per_hour", (scope,), baseline))
    if figures.budget_usd is not None:
        samples.append(Sample("burnline_budget_usd", (scope,), figures.budget_usd))
        samples.append(Sample("burnline_budget_remaining_usd", (scope,), figures.budget_usd - month_usd))
    if figures.budget_exhaustion_s is not None:
        name = "burnline_budget_exhaustion_timestamp_seconds"
        samples.append(Sample(name, (scope,), figures.budget_exhaustion_s))
    projections = (
        ("mean", figures.projection_usd),
        ("low", figures.projection_low_usd),
        ("high", figures.projection_high_usd),
    )
    for bound, usd in projections:
        if usd is not None:
            samples.append(Sample("burnline_projection_usd", (scope, bound), usd))
    for detector, score in figures.scores.items():
        if score >= SCORE_SHOWN_FROM:
            samples.append(Sample("burnline_detector_score", (scope, detector), score))
    return samples


def merged(partitions: Iterable[Sequence[Figures]]) -> list[Figures]:
    """Every scope once. A scope lives in one partition, but each partition has its own `other`."""
    scopes: dict[str, Figures] = {}
    for figures in partitions:
        for row in figures:
            seen = scopes.get(row.scope)
            scopes[row.scope] = row if seen is None else _sum(seen, row)
    return list(scopes.values())


def _sum(one: Figures, two: Figures) -> Figures:
    baselines = (one.baseline_usd_per_hour, two.baseline_usd_per_hour)
    known = [baseline for baseline in baselines if baseline is not None]
    return replace(
        one,
        total_nusd=one.total_nusd + two.total_nusd,
        month_to_date_nusd=one.month_to_date_nusd + two.month_to_date_nusd,
        burn_usd_per_hour=_sum_by_window(one.burn_usd_per_hour, two.burn_usd_per_hour),
        baseline_usd_per_hour=sum(known) if len(known) == len(baselines) else None,
        projection_usd=None,
        projection_low_usd=None,
        projection_high_usd=None,
        budget_exhaustion_s=None,
    )


def _sum_by_window(one: Mapping[int, float], two: Mapping[int, float]) -> dict[int, float]:
    return {window_s: one.get(window_s, 0.0) + two.get(window_s, 0.0) for window_s in {**one, **two}}


def capped(figures: Iterable[Figures], max_series: int) -> tuple[list[Sample], int]:
    """The samples of as many whole scopes as fit in `max_series`, and how many samples were left out.

    Scopes are ranked by their highest rate over any window, so that a runaway is in at once and does not
    leave the moment it is contained.
    """
    ranked = sorted(
        figures,
        key=lambda row: (
            row.scope not in ALWAYS_KEPT,
            -max(row.burn_usd_per_hour.values(), default=0.0),
            row.scope,
        ),
    )
    kept: list[Sample] = []
    dropped = 0
    for row in ranked:
        samples = scope_samples(row)
        fits = not dropped and len(kept) + len(samples) <= max_series
        if fits or row.scope in ALWAYS_KEPT:
            kept += samples
        else:
            dropped += len(samples)
    return kept, dropped

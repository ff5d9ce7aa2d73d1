"""Example values, and a process that serves them as metrics. Run it as `python exporter.py PORT`."""

import sys
import time
from threading import Event

from prometheus_client import CollectorRegistry

from stream.burn.figures import Figures
from stream.meter.counters import Counters
from stream.metrics import Metrics, serve
from stream.schema.alerts import Alert, Severity, State
from stream.schema.feedback import Feedback, Verdict
from stream.schema.notify_state import Proof

NANO = 10**9
START_S = 1_767_225_600  # 2026-01-01
DESTINATION = "alertmanager"


def figures(scope: str, burn: float, baseline: float | None = 100.0, **changes: object) -> Figures:
    """A scope that burns `burn` USD/h over every window."""
    values: dict[str, object] = {
        "scope": scope,
        "time_s": START_S,
        "total_nusd": round(burn * NANO),
        "burn_usd_per_hour": dict.fromkeys((300, 1800, 3600, 7200, 21600, 86400), burn),
        "baseline_usd_per_hour": baseline,
        "spread_usd_per_hour": 5.0,
        "baseline_kind": "hour of week",
        "budget_usd": 80_000.0,
        "month_to_date_nusd": 30_000 * NANO,
        "projection_usd": 90_000.0,
        "projection_low_usd": 85_000.0,
        "projection_high_usd": 99_000.0,
        "budget_exhaustion_s": START_S + 20 * 86_400,
        "calibration": 1.02,
        "scores": {"step": 3.0, "emergency": 0.1},
        "interim_usd_per_hour": {300: 0.0},
    }
    return Figures(**(values | changes))  # type: ignore[arg-type]


def without_budget(scope: str, burn: float) -> Figures:
    return figures(
        scope, burn, None, budget_usd=None, budget_exhaustion_s=None, projection_usd=None,
        projection_low_usd=None, projection_high_usd=None, scores={},
    )  # fmt: skip


def counters(sent: int) -> Counters:
    """`sent` estimates of 10 cents: one in ten rejected, one in ten a duplicate."""
    tenth, cost_nusd = sent // 10, NANO // 10
    return Counters(
        sent_events=10 * tenth, sent_nusd=10 * tenth * cost_nusd,
        accepted_events=8 * tenth, accepted_nusd=8 * tenth * cost_nusd,
        duplicate_events=tenth, duplicate_nusd=tenth * cost_nusd,
        rejected_events=tenth, rejected_nusd=tenth * cost_nusd,
        late_events=tenth // 2, late_nusd=tenth // 2 * cost_nusd,
        unpriced_events=tenth // 5, unmapped_nusd=tenth * cost_nusd,
        rejected_by_reason={"malformed_json": tenth},
    )  # fmt: skip


def alert(severity: Severity = Severity.PAGE, state: State = State.FIRING) -> Alert:
    return Alert(
        dedup_key="k", previous_key=None, state=state, severity=severity, tier="fast", scope="total",
        labels={}, detectors=("step",), summary="", reason="", time_s=START_S, onset_s=START_S,
        fired_s=START_S, resolved_s=None, burn_usd_per_hour=900.0, baseline_usd_per_hour=100.0,
        baseline_kind="hour of week", excess_nusd=NANO, month_to_date_nusd=NANO, projection_usd=None,
        projection_low_usd=None, projection_high_usd=None, budget_usd=None, budget_exhaustion_s=None,
        calibration=1.0, drivers=(), children=(), attached=(), blame=None, runbook_url="", console_url="",
        spent_ms=0, emitted_ms=0,
    )  # fmt: skip


def feedback(id_: str, ended_s: int | None = None) -> Feedback:
    return Feedback(
        id=id_, by="ana", made_s=START_S, ended_s=ended_s, alert="k", verdict=Verdict.FALSE, scope="total",
        detectors=("step", "egress"), since_s=START_S, until_s=START_S + 60, expires_s=START_S + 86_400,
    )  # fmt: skip


def feed(metrics: Metrics, now_ms: int, tick: int) -> None:
    """Everything that can be observed, the state after `tick` ticks."""
    metrics.observe_figures(
        [
            figures("total", 900.0 + tick),
            figures("service=shop/checkout", 700.0 + tick),
            without_budget("team=payments", 40.0),
            without_budget("unmapped", 20.0),
            without_budget("unpriced", 0.0),
        ]
    )
    for partition in (0, 1):
        metrics.observe_counters(partition, counters(1000 + 100 * tick))
    metrics.observe_windows(0, 0, 0)
    metrics.observe_detectors(0, {"step": 0})
    metrics.observe_alerts([alert()], [feedback("1")])
    for stage in ("meter", "burn", "alerts"):
        metrics.observe_watermark(stage, 0, now_ms - 4000, now_ms)
        metrics.stage_seconds(stage, 0.02)
    metrics.observe_incidents({("2026-01-01-1", "service=shop/checkout"): 640 * NANO})
    metrics.observe_reconciliation({("aws", "1234", "ec2"): 1.03})
    metrics.lag("usage", 0, 12)
    metrics.delivered(DESTINATION, alert(), 31.0)
    metrics.beat("heartbeat", "sent")
    metrics.standing(Proof(destination=DESTINATION, settings="", since_ms=0, proven_ms=now_ms), now_ms)


def main(port: int) -> None:
    metrics = Metrics(CollectorRegistry(), destinations=[DESTINATION])
    serve(metrics, "127.0.0.1", port)
    tick = 0
    while True:
        feed(metrics, int(time.time() * 1000), tick)
        tick += 1
        Event().wait(0.2)


if __name__ == "__main__":
    main(int(sys.argv[1]))

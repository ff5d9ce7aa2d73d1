"""Alerts as the alerts stage would send them."""

from typing import Any

import msgspec

from stream.alerts import text
from stream.alerts.contain import Containment
from stream.config import Config
from stream.schema.alerts import Alert, Attached, Blame, Happening, Severity, State
from stream.schema.signals import Share

T0 = 1_767_276_000  # 1 January 2026, 14:00 UTC
NANO = 1_000_000_000


def share(name: str, cost_usd: float, excess_usd: float) -> Share:
    return Share(name=name, cost_nusd=int(cost_usd * NANO), excess_nusd=int(excess_usd * NANO))


RUNAWAY = Alert(
    dedup_key=f"service=shop/checkout@{T0 + 150}/page-fast",
    previous_key=None,
    state=State.FIRING,
    severity=Severity.PAGE,
    tier="fast",
    scope="service=shop/checkout",
    labels={"namespace": "shop", "service": "checkout"},
    detectors=("burn_vs_baseline", "step"),
    summary="service=shop/checkout burns $412/h, normally $21/h (×19.6); $33 beyond normal since 14:02 UTC",
    reason="It burnt $412/h over 5 min and $80/h over 1 h, more than 3 times normal in both.",
    time_s=T0 + 170,
    onset_s=T0 + 120,
    fired_s=T0 + 170,
    resolved_s=None,
    burn_usd_per_hour=412.0,
    baseline_usd_per_hour=21.0,
    baseline_kind="hour of week",
    baseline_samples=3,
    excess_nusd=33 * NANO,
    month_to_date_nusd=5_210 * NANO,
    projection_usd=18_240.0,
    projection_low_usd=15_300.0,
    projection_high_usd=21_100.0,
    budget_usd=10_000.0,
    budget_exhaustion_s=T0 + 40 * 3600,
    calibration=1.042,
    drivers=(
        share("pod_hours", 51.2, 30.1),
        share("egress_bytes", 2.4, 1.9),
        share("log_bytes", 0.31, 0.004),
    ),
    children=(),
    attached=tuple(
        Attached(scope=scope, burn_usd_per_hour=burn, excess_nusd=34 * NANO)
        for scope, burn in (
            ("account=1234", 961.0),
            ("namespace=shop", 530.0),
            ("team=payments", 702.0),
            ("total", 5_404.0),
        )
    ),
    blame=Blame(
        what="checkout v42", time_s=T0 + 30, probability=0.774, url="https://ci.example.com/deploys/4711"
    ),
    happenings=(
        Happening(
            kind="scale",
            what="checkout scaled from 3 to 40 by the autoscaler: cpu resource utilization above target",
            time_s=T0 + 90,
            until_s=T0 + 420,
        ),
        Happening(
            kind="scale", what="node group eu-1 scaled from 4 to 12", time_s=T0 + 200, until_s=T0 + 200
        ),
    ),
    runbook_url="https://example.com/burnline/runbooks/burn_vs_baseline",
    console_url="http://127.0.0.1:9107/?scope=service%3Dshop%2Fcheckout",
    spent_ms=(T0 + 150) * 1000,
    emitted_ms=(T0 + 181) * 1000,
)
RUNAWAY = Containment(Config()).told(RUNAWAY)


def alert(**changes: Any) -> Alert:
    """The runaway with some fields changed."""
    return msgspec.structs.replace(RUNAWAY, **changes)


def escalation(of: Alert) -> Alert:
    return msgspec.structs.replace(
        of,
        state=State.ESCALATED,
        severity=Severity.PAGE,
        tier="fast",
        dedup_key=of.dedup_key.rpartition("/")[0] + "/page-fast",
        previous_key=of.dedup_key,
    )


def resolution(of: Alert) -> Alert:
    end_s = of.fired_s + 3600
    back = msgspec.structs.replace(
        of, state=State.RESOLVED, time_s=end_s, resolved_s=end_s, burn_usd_per_hour=22.0, steps=()
    )
    return msgspec.structs.replace(back, summary=text.summary(back))

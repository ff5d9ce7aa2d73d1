"""The postmortem section, as people get it."""

import msgspec
import pytest

from stream.burn.stage import Burn
from stream.config_alerts import Alerting
from stream.incidents.report import report
from stream.schema.alerts import Alert, Attached, Blame, Severity, State
from tests.incidents.estate import (
    CART,
    CHECKOUT,
    HOUR,
    MINUTE,
    NANO,
    T0,
    burning,
    cost_of,
    incident,
    normal,
    spend,
)

NOW = T0 + 45 * MINUTE


@pytest.fixture(scope="module")
def burn() -> Burn:
    """$100/h beyond normal from 14:00 to 14:24, then as always."""
    contained = T0 + 24 * MINUTE
    return burning(
        [
            *normal(),
            spend(CHECKOUT, "pod_hours", T0, contained, 44),
            spend(CHECKOUT, "pod_hours", contained, NOW, "3.5"),
            spend(CHECKOUT, "egress_bytes", T0, NOW, "1.5"),
            spend(CART, "pod_hours", T0, NOW, "3.75"),
        ],
        NOW,
    )


def alert(state: State, time_s: int, scope: str = "service=shop/checkout", **changes: object) -> Alert:
    return msgspec.structs.replace(
        Alert(
            dedup_key="burnline/checkout/1",
            previous_key=None,
            state=state,
            severity=Severity.PAGE,
            tier="",
            scope=scope,
            labels={},
            detectors=("step",),
            summary="checkout burns $112/h, normally $12/h",
            reason="",
            time_s=time_s,
            onset_s=T0,
            fired_s=T0 + 40,
            resolved_s=None,
            burn_usd_per_hour=112.0,
            baseline_usd_per_hour=12.0,
            baseline_kind="hour of day",
            excess_nusd=NANO,
            month_to_date_nusd=NANO,
            projection_usd=None,
            projection_low_usd=None,
            projection_high_usd=None,
            budget_usd=None,
            budget_exhaustion_s=None,
            calibration=1.0,
            drivers=(),
            children=(),
            attached=(),
            blame=Blame(what="checkout 41", time_s=T0 - 150, probability=0.8),
            runbook_url=Alerting().runbook_url,
            console_url="",
            spent_ms=0,
            emitted_ms=0,
        ),
        **changes,
    )


def test_the_whole_section(burn: Burn) -> None:
    one = incident(until_s=NOW, contained_s=T0 + 24 * MINUTE, closed=True)
    told = [alert(State.FIRING, T0 + 40), alert(State.RESOLVED, T0 + 34 * MINUTE)]
    # The month's projection depends on the whole history; its line is looked at below.
    text = "\n".join(
        line for line in report(cost_of(burn, one), told).splitlines() if not line.startswith("The month")
    )
    assert (
        text + "\n"
        == """\
## Cost: Checkout runs away

- Window: 2026-01-01 14:00 UTC to 2026-01-01 14:45 UTC, 45 min counted
- Scopes: `service=shop/checkout`
- Incident: `20260101-abc123`, opened by ana

**$40 beyond normal** (estimated), ± $0 with 95 %.
Spent $49 where $9.00 is normal.
Up to containment $40, after it $0.

### By driver

| | beyond normal | share |
|---|---:|---:|
| `pod_hours` | $40 | 100 % |
| `egress_bytes` | $0 | 0 % |
| **total** | $40 | 100 % |

### By owner

| | beyond normal | share |
|---|---:|---:|
| `service=shop/checkout` | $40 | 100 % |
| **total** | $40 | 100 % |

### Timeline (UTC)

- 2026-01-01 13:57 UTC: checkout 41 (likely cause, with probability 80%)
- 2026-01-01 14:00 UTC: onset
- 2026-01-01 14:00 UTC: page firing: checkout burns $112/h, normally $12/h (`burnline/checkout/1`)
- 2026-01-01 14:05 UTC: incident opened by ana
- 2026-01-01 14:24 UTC: contained
- 2026-01-01 14:34 UTC: page resolved: checkout burns $112/h, normally $12/h (`burnline/checkout/1`)
- 2026-01-01 14:45 UTC: end of the window, closed

### How this was worked out

Beyond normal is spend less the baseline (hour of day) over the same buckets of time.
The interval covers what the baseline may be off by, not what the invoice may change.
A part's normal is that of the same hours of the days before, else of the last day; `other` is the rest.
These are estimates from telemetry; no invoice has corrected them.
To restate when the invoice for 2026-01-01 (UTC) is final: spend, cost beyond normal, both tables.
"""
    )


def test_the_projection_is_told(burn: Burn) -> None:
    assert "\nThe month is projected at $" in report(cost_of(burn, incident()), [])


def test_an_alert_that_has_the_scope_attached_is_on_the_timeline(burn: Burn) -> None:
    wider = alert(
        State.FIRING,
        T0 + 40,
        scope="team=payments",
        attached=(Attached(scope="service=shop/checkout", burn_usd_per_hour=1.0, excess_nusd=1),),
    )
    assert "page firing" in report(cost_of(burn, incident()), [wider])


@pytest.mark.parametrize(
    "stranger",
    [
        alert(State.FIRING, T0 + 40, scope="service=shop/cart"),
        alert(State.PENDING, T0 + 40),
        alert(State.RESOLVED, T0 - HOUR, onset_s=T0 - 2 * HOUR),
    ],
    ids=["another scope", "pending", "over before"],
)
def test_other_alerts_are_not(burn: Burn, stranger: Alert) -> None:
    assert "page" not in report(cost_of(burn, incident()), [stranger])


def test_what_people_and_telemetry_wrote_stays_text(burn: Burn) -> None:
    one = incident(
        "service=shop/checkout", "service=a`b|c\n## no", title="*urgent* <img src=x>\n# head | cell"
    )
    text = report(cost_of(burn, one), [])
    assert text.startswith("## Cost: \\*urgent\\* \\<img src=x\\> \\# head \\| cell\n")
    assert "- Not added: `service=a'b¦c ## no` nothing has been spent under this name\n" in text


def test_an_open_incident_of_a_new_service_says_what_it_does_not_know() -> None:
    fresh = spend({"team": "ml", "namespace": "ml", "service": "train"}, "gpu_hours", T0, NOW, 7)
    text = report(cost_of(burning([*normal(), fresh], NOW), incident("service=ml/train")), [])
    assert "to still open, 45 min counted" in text
    assert "**$7.00 beyond normal** (estimated); what is normal is not known well enough" in text
    assert "What is normal for `service=ml/train` is not known yet" in text


@pytest.mark.parametrize(
    ("length_s", "said"), [(20, "0 min"), (3560, "59 min"), (3590, "1 h 0 min"), (5400, "1 h 30 min")]
)
def test_how_long_it_lasted(burn: Burn, length_s: int, said: str) -> None:
    one = incident(since_s=NOW - length_s, until_s=NOW)
    assert f", {said} counted\n" in report(cost_of(burn, one), [])


def test_a_window_that_is_not_all_in_says_so(burn: Burn) -> None:
    text = report(cost_of(burn, incident(until_s=NOW + HOUR)), [])
    assert "(interim)" in text
    assert "Everything up to 2026-01-01 14:45 UTC is in" in text

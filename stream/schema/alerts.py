"""`alerts`: every transition of every alert, keyed by its dedup key."""

from enum import StrEnum

import msgspec

from stream.schema.signals import Share


class State(StrEnum):
    """Life of an alert. `pending` is never sent to people; the others are transitions they may see."""

    PENDING = "pending"
    FIRING = "firing"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class Severity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """A scope that moves for the same cause and is therefore not sent on its own."""

    scope: str
    burn_usd_per_hour: float
    excess_nusd: int


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """The deploy most likely to blame, with a rough probability in [0, 1]."""

    what: str
    time_s: int
    probability: float
    url: str = ""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as it stands after a transition: all that a page must say.

    `dedup_key` is stable for one problem; only a higher tier gets a new one. `time_s` is the event
    time of the transition. `spent_ms` is the event time of the money that decided, and `emitted_ms`
    the shell's clock when the alert stage spoke; both serve the detection latency.
    """

    dedup_key: str
    previous_key: str | None
    state: State
    severity: Severity
    tier: str
    scope: str
    labels: dict[str, str]
    detectors: tuple[str, ...]
    summary: str
    reason: str
    time_s: int
    onset_s: int
    fired_s: int
    resolved_s: int | None
    burn_usd_per_hour: float
    baseline_usd_per_hour: float | None
    baseline_kind: str
    excess_nusd: int
    month_to_date_nusd: int
    projection_usd: float | None
    projection_low_usd: float | None
    projection_high_usd: float | None
    budget_usd: float | None
    budget_exhaustion_s: int | None
    calibration: float
    drivers: tuple[Share, ...]
    children: tuple[Share, ...]
    attached: tuple[Attached, ...]
    blame: Blame | None
    runbook_url: str
    console_url: str
    spent_ms: int
    emitted_ms: int


def encode(alert: Alert) -> bytes:
    return msgspec.json.encode(alert)


def decode(value: bytes) -> Alert:
    return msgspec.json.decode(value, type=Alert)

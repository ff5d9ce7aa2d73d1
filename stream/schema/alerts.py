"""`alerts`: every transition of every alert, keyed by its dedup key."""

from enum import StrEnum
from typing import Final

import msgspec

from stream.schema.actions import Action, Entry, Step
from stream.schema.signals import Share

# What an alert is about.
SPEND: Final = "spend"
METER: Final = "meter"
TEST: Final = "test"
DELIVERY: Final = "delivery"
ACTION: Final = "action"


class State(StrEnum):
    """Life of an alert. `pending` is never sent to people; the others are transitions they may see.

    `acknowledged`: somebody has it, or snoozed it; it still fires and need not ring. When that is taken
    back, or the snooze ends, it is `firing` or `escalated` once more under the same key, and rings.
    """

    PENDING = "pending"
    FIRING = "firing"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """`digest` is never sent on its own: the day's are gathered in one record, whose severity it is."""

    PAGE = "page"
    TICKET = "ticket"
    DIGEST = "digest"


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """A scope that moves for the same cause and is therefore not sent on its own."""

    scope: str
    burn_usd_per_hour: float
    excess_nusd: int


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """The deploy most likely to blame, with its probability in [0, 1]."""

    what: str
    time_s: int
    probability: float
    url: str = ""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """What else happened, from `time_s` to `until_s`. `kind` is "scale" or "price"."""

    kind: str
    what: str
    time_s: int
    until_s: int
    url: str = ""


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """`by` has the alert since `at_s`. A snooze ends by itself at `until_s`; else it is None."""

    by: str
    at_s: int
    until_s: int | None = None
    note: str = ""


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps the alert from ringing, or kept it until just now: a maintenance window or a plan.

    `kind` is "maintenance" or "plan", `id` that of the command, `note` what people said of it.
    """

    kind: str
    id: str
    since_s: int
    until_s: int
    note: str = ""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that holds for the scope until `until_s`. It pages from ceiling + floor on."""

    id: str
    ceiling_usd_per_hour: float
    floor_usd_per_hour: float
    until_s: int
    by: str
    note: str = ""


class DigestLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of a digest: where, what (`reason`), since when, and how it went on since the last digest.

    `trend` is "new", "rising", "steady", "falling" or "over". Of a report on maintenance, `severity` is
    what was held back; else it is "digest".
    """

    scope: str
    severity: Severity
    detector: str
    reason: str
    trend: str
    since_s: int
    until_s: int | None
    burn_usd_per_hour: float
    baseline_usd_per_hour: float | None
    excess_nusd: int
    console_url: str


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What a record of severity `digest` gathers, the most dollars first: the small things of a day, or what
    a maintenance window held back. `left_off` lines were too many."""

    title: str
    since_s: int
    until_s: int
    lines: tuple[DigestLine, ...]
    left_off: int = 0


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as it stands after a transition: all that a page must say.

    `dedup_key` is stable for one problem; only a higher tier gets a new one. `time_s` is the event
    time of the transition. `spent_ms` is the event time of the money that decided, and `emitted_ms`
    the shell's clock when the alert stage spoke; both serve the detection latency.

    `scores` are the highest of each detector so far (ratios to its threshold), `peak_usd_per_hour` the
    highest rate. `fired_count` says how often the scope has fired of late, this time included; from two on
    it flaps. `held_back` is what holds it back, or, of an alert that has just fired, what did until then.
    `steps` are ways to contain it, the most fitting first: those of `steps_of`, which is its scope or that
    one's largest part. A resolved alert has none. `actions` are those of them that a rule proposes and that
    wait for an approval.

    A record with a `digest` is no alert of one scope; its figures are those of all its lines.

    `about` is "spend" where money runs away, and "meter" where burnline does not see what it should: `reason`
    then says all, and the only figure is `burn_usd_per_hour`, what it is about. The others have no figures:
    "test" is a test delivery, for `destination` alone; "delivery" says at all others that `destination` does
    not take alerts; "action" tells `destination` alone what has become of the action in `action`.
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
    scores: dict[str, float] = {}
    peak_usd_per_hour: float = 0.0
    fired_count: int = 1
    acknowledged: Acknowledged | None = None
    held_back: HeldBack | None = None
    plan: Planned | None = None
    feedback_url: str = ""
    baseline_samples: int = 0
    steps: tuple[Step, ...] = ()
    steps_of: str = ""
    happenings: tuple[Happening, ...] = ()
    actions: tuple[Action, ...] = ()
    digest: Digest | None = None
    about: str = SPEND
    destination: str = ""
    action: Entry | None = None


EMPTY: Final = Alert(
    dedup_key="", previous_key=None, state=State.FIRING, severity=Severity.DIGEST, tier="", scope="burnline",
    labels={}, detectors=(), summary="", reason="", time_s=0, onset_s=0, fired_s=0,
    resolved_s=None, burn_usd_per_hour=0.0, baseline_usd_per_hour=None, baseline_kind="", excess_nusd=0,
    month_to_date_nusd=0, projection_usd=None, projection_low_usd=None, projection_high_usd=None,
    budget_usd=None, budget_exhaustion_s=None, calibration=1.0, drivers=(), children=(), attached=(),
    blame=None, runbook_url="", console_url="", spent_ms=0, emitted_ms=0,
)  # fmt: skip
"""Without any figure: what records begin with that are no alert of spend."""


def encode(alert: Alert) -> bytes:
    return msgspec.json.encode(alert)


def decode(value: bytes) -> Alert:
    return msgspec.json.decode(value, type=Alert)

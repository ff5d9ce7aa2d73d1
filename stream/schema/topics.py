"""The topics: names, partition rules, retention. Both shells create and check exactly these."""

from dataclasses import dataclass
from typing import Final

USAGE: Final = "usage"
SPEND: Final = "spend"
SIGNALS: Final = "signals"
ALERTS: Final = "alerts"
DEPLOYS: Final = "deploys"
COMMANDS: Final = "commands"
ACTIONS: Final = "actions"
INCIDENTS: Final = "incidents"
INVOICES: Final = "invoices"
CALIBRATIONS: Final = "calibrations"
VARIANCES: Final = "variances"
DEAD_LETTERS: Final = "dead-letters"
METER_STATE: Final = "meter-state"
WINDOWS: Final = "windows"
ALERT_STATE: Final = "alert-state"
NOTIFY_STATE: Final = "notify-state"

DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """How one topic must look.

    `scale` names the partition count it follows: "usage" (one meter a partition), "spend" (one burn
    stage a partition) or "one" (a single total order). State topics have the count of the topic whose
    stage owns them, and must never be repartitioned while state lives in them.
    """

    name: str
    scale: str
    compacted: bool
    retention_ms: int
    about: str


TOPICS: Final[tuple[Topic, ...]] = (
    Topic(USAGE, "usage", False, 7 * DAY_MS, "raw estimates, keyed by source"),
    Topic(SPEND, "spend", False, 2 * DAY_MS, "priced, attributed, spread and combined rows"),
    Topic(SIGNALS, "one", False, 7 * DAY_MS, "what the detectors say, one record an evaluation"),
    Topic(ALERTS, "one", False, 90 * DAY_MS, "transitions of alerts, keyed by dedup key"),
    Topic(DEPLOYS, "one", False, 35 * DAY_MS, "deploys and scale events, CloudEvents or plain JSON"),
    Topic(COMMANDS, "one", True, -1, "maintenance, plans, acknowledgements, feedback, approvals of people"),
    Topic(ACTIONS, "one", False, 400 * DAY_MS, "what was proposed, approved and handed over: CloudEvents"),
    Topic(INCIDENTS, "one", False, 400 * DAY_MS, "incidents opened, changed and closed"),
    Topic(INVOICES, "one", False, 400 * DAY_MS, "FOCUS rows, the provider's own word on cost"),
    Topic(CALIBRATIONS, "one", True, -1, "invoice over estimate, per provider, account and service"),
    Topic(VARIANCES, "one", False, 400 * DAY_MS, "estimate beside invoice per key and day"),
    Topic(DEAD_LETTERS, "one", False, 30 * DAY_MS, "what could not be read, with the reason and the bytes"),
    Topic(METER_STATE, "usage", True, -1, "state of the meter: last sequences, counters, watermark"),
    Topic(WINDOWS, "spend", True, -1, "state of the burn stage: buckets of the rings"),
    Topic(ALERT_STATE, "one", True, -1, "state of the alerts stage"),
    Topic(NOTIFY_STATE, "one", True, -1, "what each destination has proven, and its threads and tickets"),
)

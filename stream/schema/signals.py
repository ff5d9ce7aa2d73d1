"""`signals`: what the detectors of one burn partition say at one evaluation.

One record an evaluation, also when there is nothing to say: it carries the time up to which that
partition has seen everything, which is the clock of the alerts stage.
"""

import msgspec


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one component of a scope spent in the last 60 minutes, and how much of it is beyond normal."""

    name: str
    cost_nusd: int
    excess_nusd: int


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One detector on one scope. `severity` is "page", "ticket", "digest", or "none" when it has cleared.

    `score` is a ratio to the detector's threshold: 1 is just over. `window_s` is the window that
    decided. `excess_nusd` is what was spent beyond the baseline since `onset_s`, up to now.
    `calibration` is the dollars-weighted factor in the scope's last hour (1.0: none applied).
    `baseline_samples` says of how many weeks, days or hours (by its kind) the baseline is the median.
    """

    scope: str
    detector: str
    severity: str
    tier: str
    score: float
    time_s: int
    onset_s: int
    window_s: int
    burn_usd_per_hour: float
    baseline_usd_per_hour: float | None
    excess_nusd: int
    month_to_date_nusd: int
    projection_usd: float | None
    projection_low_usd: float | None
    projection_high_usd: float | None
    budget_usd: float | None
    budget_exhaustion_s: int | None
    calibration: float
    baseline_kind: str
    reason: str
    drivers: tuple[Share, ...] = ()
    children: tuple[Share, ...] = ()
    labels: dict[str, str] = {}
    baseline_samples: int = 0


class Evaluation(msgspec.Struct, kw_only=True):
    """All that changed, or is due for its once-a-minute refresh, at one closed bucket.

    `partition` is the spend partition; everything up to `time_s` is in. `emitted_ms` is when the
    record was made (the shell's clock), for the detection latency.
    """

    partition: int
    partitions: int
    time_s: int
    emitted_ms: int
    signals: tuple[Signal, ...] = ()


def encode(evaluation: Evaluation) -> bytes:
    return msgspec.json.encode(evaluation)


def decode(value: bytes) -> Evaluation:
    return msgspec.json.decode(value, type=Evaluation)

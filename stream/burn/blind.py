"""Signals about what burnline sees, not about what is spent."""

from stream.schema.signals import Signal


def signal(
    scope: str,
    detector: str,
    time_s: int,
    onset_s: int,
    *,
    firing: bool,
    score: float,
    usd_per_hour: float,
    reason: str,
) -> Signal:
    """A ticket, or its end. `usd_per_hour` is what it is about; all other figures of spend are empty."""
    return Signal(
        scope=scope,
        detector=detector,
        severity="ticket" if firing else "none",
        tier="",
        score=score,
        time_s=time_s,
        onset_s=onset_s,
        window_s=0,
        burn_usd_per_hour=usd_per_hour,
        baseline_usd_per_hour=None,
        excess_nusd=0,
        month_to_date_nusd=0,
        projection_usd=None,
        projection_low_usd=None,
        projection_high_usd=None,
        budget_usd=None,
        budget_exhaustion_s=None,
        calibration=1.0,
        baseline_kind="",
        reason=reason,
    )

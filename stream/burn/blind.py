"""Signals about what burnline sees, not about what is spent."""

from collections.abc import Iterable, Iterator

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


def over(scope: str, detector: str, time_s: int) -> Signal:
    """The end of a ticket."""
    return signal(scope, detector, time_s, time_s, firing=False, score=0.0, usd_per_hour=0.0, reason="")


class Due:
    """When each of several things was last told."""

    def __init__(self) -> None:
        self._told_s: dict[str, int] = {}

    def was_told(self, name: str) -> None:
        """Before a restart it may have been told, so its end must be."""
        self._told_s[name] = 0

    def ended(self, present: Iterable[str]) -> Iterator[str]:
        """Those that were told and are not there any more."""
        here = set(present)
        for name in [name for name in self._told_s if name not in here]:
            del self._told_s[name]
            yield name

    def of(self, present: Iterable[str], time_s: int, refresh_s: int) -> Iterator[str]:
        """Those that are to be told now."""
        for name in present:
            if time_s - self._told_s.get(name, -refresh_s) >= refresh_s:
                self._told_s[name] = time_s
                yield name

"""How far invoices and estimates are apart now, per (provider, account, service)."""

from stream.reconcile.calibration import MOST_DAYS, Key
from stream.schema import variances


class Ratios:
    """Invoice over estimate, of the newest days of which both speak: 1 when the factors have it right."""

    def __init__(self) -> None:
        self._days: dict[Key, dict[str, tuple[int, int]]] = {}
        self._ratios: dict[tuple[str, str, str], float] = {}

    def take(self, value: bytes) -> None:
        """One record of `variances`; a later one of the same day takes its place. Raises
        `msgspec.MsgspecError` when it is none."""
        variance = variances.decode(value)
        key = Key(variance.provider, variance.account, variance.service)
        days = self._days.setdefault(key, {})
        days.pop(variance.day, None)
        if variance.matched:
            days[variance.day] = variance.usage_nusd, variance.estimate_nusd
        if len(days) > MOST_DAYS:
            del days[min(days)]
        usage_nusd = sum(usage for usage, _ in days.values())
        estimate_nusd = sum(estimate for _, estimate in days.values())
        if estimate_nusd > 0:
            self._ratios[key] = usage_nusd / estimate_nusd
        else:
            self._ratios.pop(key, None)

    def by_key(self) -> dict[tuple[str, str, str], float]:
        return self._ratios

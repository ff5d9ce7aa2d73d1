"""Estimate beside invoice, and why they differ. Every amount is explained to the nano-dollar."""

from collections.abc import Iterable, Iterator, Mapping

from stream.reconcile.matching import DayKey, Invoiced
from stream.schema import variances
from stream.schema.variances import Basis, State, Variance

_NOTHING = Invoiced()


def compare(
    invoiced: Mapping[DayKey, Invoiced],
    estimates: Mapping[DayKey, int],
    calibrations_nusd: Mapping[DayKey, int],
    basis: Mapping[str, Basis],
    as_of_ms: int,
) -> list[Variance]:
    """One variance for each key and day that the invoice names or covers.

    `estimates` in nano-dollars; `calibrations_nusd` is the part of each that a factor added. An estimate
    is covered when its day lies between the first and the last day of usage that its provider invoiced.
    """
    coverage = Coverage(invoiced)
    keys = set(invoiced) | {key for key, nusd in estimates.items() if nusd and key in coverage}
    return [
        _variance(
            key,
            invoiced.get(key),
            estimates.get(key, 0),
            calibrations_nusd.get(key, 0),
            basis[key.provider],
            as_of_ms,
        )
        for key in sorted(keys)
    ]


class Coverage:
    """From which day to which the usage of each provider is invoiced."""

    def __init__(self, invoiced: Mapping[DayKey, Invoiced]) -> None:
        self._days: dict[str, tuple[str, str]] = {}
        for key, side in invoiced.items():
            if side.usage.rows:
                first, last = self._days.get(key.provider, (key.day, key.day))
                self._days[key.provider] = min(first, key.day), max(last, key.day)

    def __contains__(self, key: DayKey) -> bool:
        first, last = self._days.get(key.provider, ("9", ""))
        return first <= key.day <= last


def _variance(
    key: DayKey, side: Invoiced | None, estimate: int, calibration: int, basis: Basis, as_of_ms: int
) -> Variance:
    invoiced = side or _NOTHING
    matched = bool(invoiced.usage.rows and estimate)
    usage_line = variances.USAGE_MATCHED if matched else variances.UNMATCHED_INVOICE
    lines = {usage_line: invoiced.usage.billed_nusd, **invoiced.other}
    reasons = dict(_reasons(invoiced, estimate, calibration, matched))
    return Variance(
        **key._asdict(),
        state=_state(side),
        basis=basis,
        matched=matched,
        estimate_nusd=estimate,
        calibration_nusd=calibration,
        usage_nusd=invoiced.usage.compared_nusd + invoiced.usage_correction_nusd,
        billed_nusd=invoiced.billed_nusd,
        lines=_without_zeros(lines),
        reasons=_without_zeros(reasons),
        computed_ms=as_of_ms,
    )


def _reasons(invoiced: Invoiced, estimate: int, calibration: int, matched: bool) -> Iterator[tuple[str, int]]:
    """From the estimate to the invoice's usage: what was used at list prices, then the negotiated price,
    then commitments. A factor already in the estimate is taken out first, a correction put in last."""
    usage = invoiced.usage
    yield variances.CORRECTION, invoiced.usage_correction_nusd
    if not matched:
        yield variances.UNMATCHED_INVOICE, usage.compared_nusd
        yield variances.UNMATCHED_ESTIMATE, -estimate
        return
    yield variances.CALIBRATION, -calibration
    yield variances.QUANTITY, usage.list_nusd - (estimate - calibration)
    yield variances.PRICE, usage.contracted_nusd - usage.list_nusd
    yield variances.COMMITMENT, usage.compared_nusd - usage.contracted_nusd


def _state(side: Invoiced | None) -> State:
    if side is None:
        return State.ESTIMATED
    return State.FINAL if side.final else State.PARTLY_RECONCILED


def _without_zeros(amounts: Mapping[str, int]) -> dict[str, int]:
    return {name: nusd for name, nusd in amounts.items() if nusd}


def add_up(amounts: Iterable[Mapping[str, int]], names: Iterable[str]) -> dict[str, int]:
    """The sum of each named amount, in the order of `names`, without zeros."""
    held = list(amounts)
    return _without_zeros({name: sum(each.get(name, 0) for each in held) for name in names})

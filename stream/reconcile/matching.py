"""Invoice lines added up by (provider, account, service, day), each kind of charge apart."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from stream.schema import variances
from stream.schema.invoices import DAY_MS, Category, InvoiceLine, day_name
from stream.schema.variances import Basis

# A free row of a paid service may have no EffectiveCost; an export without the column filled loses most.
UNFILLED_SHARE: Final = Fraction(1, 100)
# Providers freeze a month on the 10th of the next at the latest: 9 days after its end.
FREEZES_AFTER_MS: Final = 9 * DAY_MS

_LINE_OF: Final = {
    Category.PURCHASE: variances.PURCHASE,
    Category.TAX: variances.TAX,
    Category.CREDIT: variances.CREDIT,
    Category.ADJUSTMENT: variances.ADJUSTMENT,
}


class DayKey(NamedTuple):
    """What estimates and invoices have in common. `day` is UTC, `YYYY-MM-DD`."""

    provider: str
    account: str
    service: str
    day: str


@dataclass(slots=True)
class Usage:
    """Used and neither unused nor a correction, seen at four prices: list, contracted, on the basis that
    estimates are compared with, and as billed."""

    rows: int = 0
    list_nusd: int = 0
    contracted_nusd: int = 0
    compared_nusd: int = 0
    billed_nusd: int = 0


@dataclass(slots=True)
class Invoiced:
    """The invoice's side of one key and day. `other` holds what was billed beside usage, by line."""

    usage: Usage = field(default_factory=Usage)
    usage_correction_nusd: int = 0
    other: dict[str, int] = field(default_factory=dict)
    final: bool = True

    @property
    def billed_nusd(self) -> int:
        return self.usage.billed_nusd + sum(self.other.values())


def basis_of(lines: Iterable[InvoiceLine]) -> dict[str, Basis]:
    """By provider: EffectiveCost where the export fills it, else BilledCost.

    It is filled when at most 1 % of the money billed for usage stands in rows where EffectiveCost is
    empty or 0. (A row that a commitment covers has it the other way round, which is no sign of a gap.)
    """
    billed: dict[str, int] = {}
    lost: dict[str, int] = {}
    filled: set[str] = set()
    for line in lines:
        billed.setdefault(line.provider, 0)
        if line.category is not Category.USAGE or line.unused or line.correction:
            continue
        billed[line.provider] += abs(line.billed_nusd)
        if line.effective_nusd:
            filled.add(line.provider)
        else:
            lost[line.provider] = lost.get(line.provider, 0) + abs(line.billed_nusd)
    return {
        provider: Basis.EFFECTIVE
        if provider in filled and lost.get(provider, 0) <= total * UNFILLED_SHARE
        else Basis.BILLED
        for provider, total in billed.items()
    }


def by_day(lines: Iterable[InvoiceLine], basis: Mapping[str, Basis], as_of_ms: int) -> dict[DayKey, Invoiced]:
    """Every nano-dollar of every line, in its day. `as_of_ms` decides what is final."""
    sums: dict[DayKey, Invoiced] = {}
    for line in lines:
        final = line.invoice_id is not None or as_of_ms >= line.billing_period_end_ms + FREEZES_AFTER_MS
        for day, share in _days(line):
            key = DayKey(line.provider, line.account, line.service, day)
            invoiced = sums.setdefault(key, Invoiced())
            invoiced.final &= final
            _add(invoiced, line, share, basis[line.provider])
    return sums


def _add(invoiced: Invoiced, line: InvoiceLine, share: "_Share", basis: Basis) -> None:
    billed = line.billed_nusd
    compared = billed
    if basis is Basis.EFFECTIVE and line.effective_nusd is not None:
        compared = line.effective_nusd
    if line.category is Category.USAGE and not line.correction and not line.unused:
        # A price that the export leaves at 0 for what it bills is not filled in: take the next one.
        contracted = line.contracted_nusd or compared
        usage = invoiced.usage
        usage.rows += 1
        usage.billed_nusd += share.of(billed)
        usage.compared_nusd += share.of(compared)
        usage.contracted_nusd += share.of(contracted)
        usage.list_nusd += share.of(line.list_nusd or contracted)
        return
    if line.correction and line.category is Category.USAGE and not line.unused:
        invoiced.usage_correction_nusd += share.of(compared)
    name = line_of(line)
    invoiced.other[name] = invoiced.other.get(name, 0) + share.of(billed)


def line_of(line: InvoiceLine) -> str:
    """The line on which a charge other than plain usage stands. Correction goes before all else."""
    if line.correction:
        return variances.CORRECTION
    if line.category is Category.USAGE:
        return variances.UNUSED_COMMITMENT
    return _LINE_OF[line.category]


class _Share(NamedTuple):
    """The part of a charge that lies between two moments: differences of a rounded running amount, so
    that the parts of all days add up to the whole."""

    before_ms: int
    after_ms: int
    length_ms: int

    def of(self, nusd: int) -> int:
        if self.after_ms - self.before_ms == self.length_ms:
            return nusd
        after = round(Fraction(nusd * self.after_ms, self.length_ms))
        before = round(Fraction(nusd * self.before_ms, self.length_ms))
        return after - before


def _days(line: InvoiceLine) -> Iterator[tuple[str, _Share]]:
    """The UTC days of a charge. One without a duration belongs to the day of its moment."""
    length_ms = line.end_ms - line.start_ms
    last = max(line.start_ms, line.end_ms - 1) // DAY_MS
    for day in range(line.start_ms // DAY_MS, last + 1):
        before_ms = max(day * DAY_MS - line.start_ms, 0)
        after_ms = min((day + 1) * DAY_MS - line.start_ms, length_ms)
        yield day_name(day), _Share(before_ms, after_ms, length_ms)

"""What reconciliation found, for people (a table) and for programs (JSON)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.collect.reader import Rejected
from stream.reconcile.calibration import Key, Outcome
from stream.reconcile.variance import add_up
from stream.schema.calibrations import Calibration
from stream.schema.invoices import InvoiceLine
from stream.schema.variances import LINES, REASONS, Basis, State, Variance

NANO: Final = 10**9
# Enough for a screen; the JSON has all.
KEYS_SHOWN: Final = 25
_STATES: Final = (State.ESTIMATED, State.PARTLY_RECONCILED, State.FINAL)


@dataclass(frozen=True, slots=True)
class Part:
    """Some days added up: one key's, or all."""

    days: int
    matched_days: int
    state: State
    estimate_nusd: int
    calibration_nusd: int
    usage_nusd: int
    billed_nusd: int
    lines: dict[str, int]
    reasons: dict[str, int]

    @staticmethod
    def of(variances: Sequence[Variance]) -> "Part":
        return Part(
            days=len(variances),
            matched_days=sum(each.matched for each in variances),
            state=min((each.state for each in variances), key=_STATES.index, default=State.ESTIMATED),
            estimate_nusd=sum(each.estimate_nusd for each in variances),
            calibration_nusd=sum(each.calibration_nusd for each in variances),
            usage_nusd=sum(each.usage_nusd for each in variances),
            billed_nusd=sum(each.billed_nusd for each in variances),
            lines=add_up((each.lines for each in variances), LINES),
            reasons=add_up((each.reasons for each in variances), REASONS),
        )

    @property
    def difference_nusd(self) -> int:
        return self.usage_nusd - self.estimate_nusd

    def to_json(self) -> dict[str, Any]:
        return {
            "days": self.days,
            "matched_days": self.matched_days,
            "state": self.state.value,
            "estimate_nusd": self.estimate_nusd,
            "calibration_nusd": self.calibration_nusd,
            "usage_nusd": self.usage_nusd,
            "difference_nusd": self.difference_nusd,
            "billed_nusd": self.billed_nusd,
            "lines_nusd": self.lines,
            "reasons_nusd": self.reasons,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """`outside_nusd` is estimated money that these invoices don't cover: another provider or day."""

    lines: Sequence[InvoiceLine]
    rejected: Sequence[Rejected]
    variances: Sequence[Variance]
    outcomes: Mapping[Key, Outcome]
    basis: Mapping[str, Basis]
    outside_nusd: int

    @property
    def calibrations(self) -> list[Calibration]:
        """The factors that are new. The others stand as they are."""
        return [each.calibration for each in self.outcomes.values() if each.new and each.calibration]

    @property
    def total(self) -> Part:
        return Part.of(self.variances)

    def keys(self) -> dict[Key, Part]:
        """By (provider, account, service), the greatest difference first."""
        days: dict[Key, list[Variance]] = {}
        for each in self.variances:
            days.setdefault(Key(each.provider, each.account, each.service), []).append(each)
        parts = {key: Part.of(each) for key, each in days.items()}
        return dict(sorted(parts.items(), key=lambda pair: (-abs(pair[1].difference_nusd), pair[0])))

    def rejected_by_reason(self) -> dict[str, int]:
        return dict(Counter(row.reason for row in self.rejected))

    def to_json(self) -> dict[str, Any]:
        """Money in nano-dollars, factors as decimal text: no figure passes through a float."""
        return {
            "keys": [key._asdict() | part.to_json() | self._factor(key) for key, part in self.keys().items()],
            "total": self.total.to_json(),
            "basis": {provider: basis.value for provider, basis in self.basis.items()},
            "rows": {
                "read": len(self.lines),
                "rejected": len(self.rejected),
                "rejected_by_reason": self.rejected_by_reason(),
            },
            "estimates_outside_nusd": self.outside_nusd,
        }

    def _factor(self, key: Key) -> dict[str, Any]:
        outcome = self.outcomes.get(key)
        if outcome is None:
            return {"calibration": None, "calibration_why": "no estimate"}
        held = outcome.calibration
        shown = held and {
            "factor": held.factor,
            "measured": held.measured,
            "spread": held.spread,
            "days": held.days,
            "first_day": held.first_day,
            "last_day": held.last_day,
            "new": outcome.new,
        }
        return {"calibration": shown, "calibration_why": outcome.why}

    def table(self) -> RenderableType:
        """For a terminal: the keys, then how it adds up, then what to know."""
        return Group(self._keys_table(), *self._sums(), Text("\n".join(self._remarks())))

    def _keys_table(self) -> Table:
        table = Table(
            title="Estimate beside invoice, US dollars", title_justify="left", box=None, pad_edge=False
        )
        table.add_column("provider / account / service", overflow="fold")
        for name in ("state", "days", "estimate", "usage", "difference", "factor"):
            # Names fold where a terminal is narrow; a number is whole or it is wrong.
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        for key, part in list(self.keys().items())[:KEYS_SHOWN]:
            outcome = self.outcomes.get(key)
            held = outcome.calibration if outcome else None
            factor = f"{held.factor} ± {held.spread}" if held else "–"
            table.add_row(Text(" / ".join(key)), *_cells(part), factor)
        table.add_section()
        table.add_row("total", *_cells(self.total), "")
        return table

    def _sums(self) -> Iterator[Table]:
        """The two identities: usage differs for these reasons, and the invoice is these lines."""
        total = self.total
        yield _sum(
            "From the estimate to the invoice's usage",
            {"estimate": total.estimate_nusd, **total.reasons},
            ("invoice's usage", total.usage_nusd),
        )
        yield _sum("What the invoice is made of", total.lines, ("invoice (BilledCost)", total.billed_nusd))

    def _remarks(self) -> list[str]:
        remarks = [
            f"{provider}: estimates are compared with {basis.value}."
            for provider, basis in self.basis.items()
        ]
        hidden = len(self.keys()) - KEYS_SHOWN
        if hidden > 0:
            remarks.append(f"{hidden} more keys differ by less. --json has all.")
        if self.variances and not self.total.matched_days:
            remarks.append(
                "No day has both sides: estimates need the labels provider, account and cloud_service in the "
                "words of the invoice."
            )
        if self.outside_nusd:
            remarks.append(f"{usd(self.outside_nusd)} USD of estimates lie outside these invoices.")
        remarks += [f"{count} rows not read: {why}." for why, count in self.rejected_by_reason().items()]
        return remarks


def _sum(title: str, parts: Mapping[str, int], whole: tuple[str, int]) -> Table:
    table = Table(title=title, title_justify="left", min_width=len(title))
    table.add_column("line")
    table.add_column("US dollars", justify="right")
    for name, nusd in parts.items():
        table.add_row(name.replace("_", " "), usd(nusd))
    table.add_section()
    table.add_row(whole[0], usd(whole[1]))
    return table


def _cells(part: Part) -> tuple[str, ...]:
    days = f"{part.matched_days} of {part.days}"
    money = (part.estimate_nusd, part.usage_nusd, part.difference_nusd)
    return part.state.value.partition("_")[0], days, *(_brief(nusd) for nusd in money)


def _brief(nusd: int) -> str:
    """In cents, for a table of many."""
    small = 0 < abs(nusd) < NANO // 200
    return f"{'-' if nusd < 0 else ''}<0.01" if small else usd(round(nusd, -7))


def usd(nusd: int) -> str:
    """Dollars and cents; all digits of what is below a cent, so that little does not look like nothing."""
    dollars = Decimal(nusd).scaleb(-9)
    return f"{dollars:,.2f}" if nusd == 0 or abs(nusd) >= NANO // 100 else f"{dollars.normalize():f}"

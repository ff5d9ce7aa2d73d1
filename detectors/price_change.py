"""Kind `price-change`: a SKU's unit price moved. Found by the meter, which sees costs beside quantities."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from detectors.contract import Params

HOURS_A_MONTH: Final = 730
SAME: Final = 0.01
"""within which two unit prices are the same: costs are rounded, quantities sampled"""
UNIFORM: Final = 0.9
"""share of a SKU's money that must have the same unit price for it to have one: spot and tiers mix"""


class PriceChangeParams(Params):
    """What counts as a change, and for how long it is told."""

    least_change: Annotated[
        float, Field(gt=SAME, description="share by which the price must move; less is learnt and not told")
    ] = 0.05
    windows: Annotated[
        int, Field(ge=1, description="windows of 5 minutes in a row that must have the new price: 15 minutes")
    ] = 3
    told_for_s: Annotated[
        int, Field(ge=60, description="how long the ticket stands; then the new price is the known one")
    ] = 86_400


class PriceChange:
    """A SKU's unit price moved.

    Severity: ticket.

    A unit price is cost over quantity of one (provider, region, driver, SKU), as its estimates have it:
    their sender stated the cost, or the price book made it. It is known where 90 % of that money has the same
    price, within 1 %, and has moved when `windows` windows in a row agree on another one. Score: the change
    in dollars an hour at the present use, divided by `floor_usd_per_hour`; 1 is just over. Up and down are
    told: a price that falls by a thousand is a mistake of units as often as not.

    Reference: a control chart with a rule of runs (Western Electric, 1956), on a figure that has no noise.

    Onset: the beginning of the first window that had the new price. The ticket ends after `told_for_s`.

    >>> from detectors.contract import Params
    >>> PriceChange(PriceChangeParams()).score(old_usd=0.096, new_usd=0.12, units_per_hour=500)
    12.0
    """

    name: ClassVar[str] = "price-change"
    params_type: ClassVar[type[Params]] = PriceChangeParams

    def __init__(self, params: Params) -> None:
        assert isinstance(params, PriceChangeParams)
        self.params = params

    def score(self, old_usd: float, new_usd: float, units_per_hour: float) -> float:
        """Prices are of one unit."""
        return round(abs(new_usd - old_usd) * units_per_hour / self.params.floor_usd_per_hour, 9)


def reason(what: str, old_usd: float, new_usd: float, units_per_hour: float) -> str:
    """The first sentence is the headline.

    >>> reason("pod_hours of m5.large at aws in eu-west-2", 0.096, 0.12, 500).split(". ")[0]
    'The price of pod_hours of m5.large at aws in eu-west-2 went from $0.096 to $0.12 a unit (+25 %)'
    >>> reason("egress_bytes", 9e-11, 9e-8, 1e9).split(". ")[2]
    'A factor of 1,000 looks like a mistake of units.'
    """
    a_month_usd = (new_usd - old_usd) * units_per_hour * HOURS_A_MONTH
    factor = max(new_usd / old_usd, old_usd / new_usd)
    moved = (
        f"{new_usd / old_usd - 1:+.0%}".replace("%", " %") if factor < 10 else f"×{new_usd / old_usd:,.4g}"
    )
    said = [f"The price of {what} went from ${old_usd:.4g} to ${new_usd:.4g} a unit ({moved})."]
    more = "more" if a_month_usd >= 0 else "less"
    said.append(f"At the present use that is ${abs(a_month_usd):,.0f} a month {more}.")
    for power in (100, 1000, 1024, 3600, 1_000_000, 1_000_000_000):
        if abs(factor / power - 1) <= SAME:
            said.append(f"A factor of {power:,} looks like a mistake of units.")
    return " ".join(said)

"""Budgets and the month's projection. Months are calendar months in UTC, as invoices have them."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# An excess counts as "the way things are" when it is beyond three standard deviations (0.3 % by chance).
LASTING_SIGMAS: Final = 3.0
# 95 % of a normal distribution lies within 1.96 standard deviations.
TWO_SIDED_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Month:
    """The calendar month around a moment, in epoch seconds, [start, end)."""

    start_s: int
    end_s: int

    @classmethod
    def around(cls, time_s: int) -> "Month":
        now = dt.datetime.fromtimestamp(time_s, dt.UTC)
        start = dt.datetime(now.year, now.month, 1, tzinfo=dt.UTC)
        end = dt.datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=dt.UTC)
        return cls(int(start.timestamp()), int(end.timestamp()))


@dataclass(frozen=True, slots=True)
class Projection:
    """Columns in dollars; NaN where nothing can be said. `rate` is what remains of the month, an hour,
    and `lasting` how much of that is an excess taken to last."""

    usd: Floats
    low_usd: Floats
    high_usd: Floats
    day_usd: Floats
    rate_usd_per_hour: Floats
    lasting_usd_per_hour: Floats


def project(
    month_to_date_usd: Floats,
    remaining_usd: Floats,
    remaining_h: float,
    burn_1h_usd_per_hour: Floats,
    expected_1h_usd_per_hour: Floats,
    spread_usd_per_hour: Floats,
) -> Projection:
    """The month's total if things go on as they are: what is spent, what the baseline expects of the
    rest, and a lasting excess of the last hour until the end (`day_usd`: for 24 hours only). The excess
    is over what was expected of that very hour: just after a nightly batch the baseline is low again.

    Without a baseline the last hour's rate is all there is to go by. The interval treats days as
    independent: sigma of a day is 24 h x the spread, so of D days 24 x spread x sqrt(D).
    """
    unknown = np.isnan(expected_1h_usd_per_hour)
    excess = burn_1h_usd_per_hour - expected_1h_usd_per_hour
    excess = np.where(np.abs(excess) > LASTING_SIGMAS * spread_usd_per_hour, excess, 0.0)
    by_rate = burn_1h_usd_per_hour * remaining_h
    rest = np.where(unknown, by_rate, np.maximum(remaining_usd + excess * remaining_h, 0.0))
    day = np.where(unknown, by_rate, np.maximum(remaining_usd + excess * min(remaining_h, 24.0), 0.0))
    sigma = 24 * spread_usd_per_hour * np.sqrt(remaining_h / 24)
    margin = np.where(unknown, np.nan, TWO_SIDED_95 * sigma)
    usd = month_to_date_usd + rest
    return Projection(
        usd=usd,
        low_usd=np.maximum(usd - margin, month_to_date_usd),
        high_usd=usd + margin,
        day_usd=month_to_date_usd + day,
        rate_usd_per_hour=rest / max(remaining_h, 1e-9),
        lasting_usd_per_hour=np.where(unknown, 0.0, excess),
    )


def exhaustion_s(
    time_s: int, budget_usd: float, month_to_date_usd: float, rate_usd_per_hour: float, end_s: int
) -> int | None:
    """When the budget runs out at the projected rate; None when it lasts the month."""
    left = budget_usd - month_to_date_usd
    if left <= 0:
        return time_s
    if not rate_usd_per_hour > 0:
        return None
    runs_out = time_s + left / rate_usd_per_hour * 3600
    return int(runs_out) if runs_out < end_s else None

"""Detector `unit-cost`: the same work costs more than it did."""

from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.contract import HOURS, TICKET, Drivers, Floats, Ints, Params, Scores, View
from detectors.scoring import by_rows, known, of_rows, usd, worst

HOUR_S: Final = 3600
LEAST_HOURS: Final = 6
MAD_TO_SIGMA: Final = 1.4826  # of a normal distribution (Rousseeuw and Croux, 1993)
THOUSANDS: Final = 0.001  # a unit that costs less is told by the thousand


class UnitCostParams(Params):
    ratio: Annotated[
        float,
        Field(
            gt=1,
            description="times the usual unit cost at least; 1.3 is above what a change of SKU mix does in a"
            " day, and below the 1.5 to 3 of on-demand in place of spot or reserved",
        ),
    ] = 1.3
    sigmas: Annotated[
        float,
        Field(
            gt=0,
            description="standard deviations of the hourly unit cost at least; 6, as a day's mix of SKUs is"
            " not normal noise",
        ),
    ] = 6.0


class UnitCost:
    """Dollars per 1,000 invocations, per pod-hour, per build or any other unit step up.

    Severity: ticket (tier slow).

    The unit cost is dollars over quantity of one driver of one scope. Score: how far that of the last hour is
    over the median of the last 24 whole hours (6 at least must be known), divided by the largest of
    (`ratio` - 1) × median, `sigmas` × its robust deviation (1.4826 × the median absolute deviation), and
    `floor_usd_per_hour` over the quantity an hour. The last 5 minutes must show the same: the lower of both
    counts, so that it ends with its cause. (The deviation is worked out only beyond the other two.) NaN where
    the driver is not used now or not known for 6 hours.

    Half of what it costs more must show in what the scope spends beyond its baseline, where it has one: a
    failover to fewer, larger machines costs the same. The mix counts too: a service that moves to dearer
    machines has a higher unit cost at the same prices.
    After 12 hours the new unit cost is the median, and the ticket resolves: it is the new normal.

    The window told is an hour. Onset: the first of the whole hours without a break that are over by half as
    much; within the last hour, the age that its excess has at the rate of the last 5 minutes.

    Reference: FinOps Foundation, "Unit Economics" (2023); a Shewhart chart with robust limits.

    >>> from detectors.views import START_S, Event, synthetic_views
    >>> dearer = Event(start_s=3600, end_s=86400, price=2, driver="pod_hours")
    >>> detector = UnitCost(UnitCostParams())
    >>> for view in synthetic_views(scopes=1, level_usd_per_hour=(20, 20), duration_s=9000, every_s=60,
    ...                             events=[dearer]):
    ...     scores = detector.observe(view)
    ...     if scores.severity[0] == TICKET:
    ...         break
    >>> view.time_s - START_S, int(scores.onset_s[0]) - START_S      # after 30 % of an hour
    (4740, 3611)
    """

    name: ClassVar[str] = "unit-cost"
    params_type: ClassVar[type[Params]] = UnitCostParams
    every_s: ClassVar[int] = 60

    def __init__(self, params: UnitCostParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        def judge(drivers: Drivers) -> tuple[Floats, Ints]:
            judged = _Judged(self._params, view, drivers)
            return judged.score, judged.onset_s(view.time_s)

        score, onset_s = by_rows(view.drivers, slice(None), judge)
        return of_rows(view, score, HOUR_S, onset_s, TICKET, "slow")

    def reason(self, view: View, scores: Scores, index: int) -> str:
        drivers = view.drivers.of(index)
        judged = _Judged(self._params, view, drivers)
        row = int(worst(len(view.scopes), drivers, judged.score)[1][index])
        now, usual = float(judged.hour_usd[row]), float(judged.usual_usd[row])
        many = usual < THOUSANDS
        per = f"{'1,000 ' if many else ''}{drivers.names[drivers.driver[row]]}"
        more = (now - usual) * float(judged.quantity_per_hour[row])
        return (
            f"{_unit_usd(now, many)} per {per} over the last hour, where {_unit_usd(usual, many)} is usual:"
            f" {usd(more)}/h more for the same work."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""


class _Judged:
    """Columns over the rows of some drivers."""

    def __init__(self, params: UnitCostParams, view: View, drivers: Drivers) -> None:
        # Row by row: the numbers whose median is taken lie side by side.
        self.hours_usd = np.ascontiguousarray(_over(known(drivers.hours_usd), known(drivers.hours)))
        self.usual_usd = _median(self.hours_usd)
        self.quantity_per_hour, self.hour_usd = _recent(drivers, HOUR_S)
        _, self.five_min_usd = _recent(drivers, 300)
        floor_usd = _over(np.full(len(self.usual_usd), params.floor_usd_per_hour), self.quantity_per_hour)
        self.least_usd = np.maximum((params.ratio - 1) * self.usual_usd, floor_usd)
        over = np.minimum(self.hour_usd, self.five_min_usd) - self.usual_usd
        # What is not beyond these two is not told, however little its hours stray.
        far = np.flatnonzero(over >= self.least_usd)
        away = np.abs(self.hours_usd[far] - self.usual_usd[far, None])
        deviation = params.sigmas * MAD_TO_SIGMA * _median(away)
        self.least_usd[far] = np.maximum(self.least_usd[far], deviation)
        self.score = np.maximum(_over(over, self.least_usd), 0.0)
        # Fewer and larger machines are dearer a piece, and cost the same: the money must be spent too.
        more_usd = (self.hour_usd - self.usual_usd) * self.quantity_per_hour
        spent = known(view.burn_usd_per_hour[HOUR_S]) - known(view.expected_usd_per_hour[HOUR_S])
        seen = _over(spent[drivers.scope], more_usd / 2)
        self.score = np.where(seen < 1, np.minimum(self.score, np.maximum(seen, 0.0)), self.score)

    def onset_s(self, time_s: int) -> Ints:
        """Where the score reaches 1; elsewhere nobody asks."""
        if not (self.score >= 1).any():
            return np.full(len(self.score), time_s)
        midway = self.usual_usd + self.least_usd / 2
        hours = self.hours_usd[:, ::-1] > midway[:, None]
        run = np.where(hours.all(axis=1), HOURS, np.argmin(hours, axis=1))
        rising = self.five_min_usd > self.usual_usd
        share = _over(
            self.hour_usd - self.usual_usd, np.where(rising, self.five_min_usd - self.usual_usd, np.nan)
        )
        age_s = np.rint(np.clip(np.nan_to_num(share, nan=1.0), 300 / HOUR_S, 1.0) * HOUR_S).astype(np.int64)
        return np.where(run > 0, time_s // HOUR_S * HOUR_S - run * HOUR_S, time_s - age_s)


def _recent(drivers: Drivers, window_s: int) -> tuple[Floats, Floats]:
    """Quantity an hour, and dollars a unit, over the last minutes."""
    minutes = drivers.minutes[:, -window_s // 60 :].astype(np.float64)
    per_hour = known(minutes.sum(axis=1)) * (HOUR_S / window_s)
    return per_hour, _over(known(drivers.burn_usd_per_hour[window_s]), per_hour)


def _over(amount: Floats, by: Floats) -> Floats:
    """A quotient; NaN where there is nothing to divide by, or where it is too large to be true."""
    quotient = amount / np.where(by > 0, by, np.nan)
    return known(quotient)


def _median(values: Floats) -> Floats:
    """Of each row's known values; NaN where fewer than 6 are known."""
    ordered = np.sort(values, axis=1)  # NaN goes last
    count = np.isfinite(values).sum(axis=1)
    rows, last = np.arange(len(values)), values.shape[1] - 1
    middle = ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, np.minimum(count // 2, last)]
    return np.where(count >= LEAST_HOURS, middle / 2, np.nan)


def _unit_usd(amount: float, many: bool) -> str:
    """Dollars of a unit (of a thousand) with three digits: unit costs may be far below a cent."""
    amount = amount * 1000 if many else amount
    return usd(amount) if abs(amount) >= 1 else f"${amount:.3g}"

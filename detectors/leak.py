"""Detector `leak`: one driver of a scope costs more day by day, and the rest of the scope does not."""

from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.contract import DAY_HOURS, TICKET, Drivers, Floats, Params, Scores, View
from detectors.explained import MOST
from detectors.scoring import known, of_rows, onset, usd, worst

HOUR_S: Final = 3600
DAY_S: Final = 86_400
LEAST_OTHERS: Final = 0.01  # of what a driver costs: what less than that does tells nothing of traffic
THIRD: Final = 3  # of the 7 days before: two of them may be out of the ordinary, or the leak's own


class LeakParams(Params):
    floor_usd_per_hour: Annotated[
        float,
        Field(
            gt=0,
            description="excess below which it stays silent; $0.14/h is 0.14 × 24 × 30 = $100 a month: an"
            " engineer's hour, which is about what a look takes, is paid back in the first month",
        ),
    ] = 0.14
    share: Annotated[
        float,
        Field(
            gt=0,
            description="excess over a usual day at least, as a share of it; 0.5, as for an hour of the week:"
            " what follows customers or builds strays by a quarter from day to day",
        ),
    ] = 0.5


class Leak:
    """One driver grows by half within days while the rest of its scope does not: volumes, egress, logs.

    Severity: ticket (tier slow).

    Made for what is a small share of its scope, so that the scope's own level hardly moves: orphaned volumes,
    logs with a label too many, data that is copied out with patience.

    A day is 23 whole hours (the 24th, a week ago, is held no more), compared with the same hours of the 7
    days before. Usual is the third dearest of these, or the same day a week ago if that was dearer: a weekend
    lowers it as little as two odd days raise it. If the scope's other drivers, taken together, cost more than
    they usually do, so may this one, up to twice: that is traffic. Score: what is beyond, divided by the
    larger of `share` × usual and `floor_usd_per_hour` × 24; or the newest whole hour's excess over that hour
    of those days in halves of `share`, if that is less, so that it ends with its cause.

    NaN where the driver has not been known for 8 days, or is not in use on such days: new use is no leak.
    What stays at its new level becomes usual within a week, most of it after 3 days; what grows by less than
    half in 3 days is not seen.

    It looks once an hour. The window told is a day. Onset: as if the excess had been all the while what it
    was in the newest hour, at most a day back.

    Reference: order statistics, as H. A. David and H. N. Nagaraja, "Order Statistics" (2003).

    >>> from detectors.views import START_S, Event, synthetic_views
    >>> copied_out = Event(start_s=7200, end_s=3 * 86400, factor=1.8, driver="egress_bytes")
    >>> detector = Leak(LeakParams())
    >>> for view in synthetic_views(scopes=1, level_usd_per_hour=(2, 2), duration_s=86400, every_s=3600,
    ...                             history_s=9 * 86400, events=[copied_out]):
    ...     scores = detector.observe(view)
    ...     if scores.severity[0] == TICKET:
    ...         break
    >>> (view.time_s - START_S) // 3600       # of $0.60/h for egress, 0.8 more is $0.48/h, $345 a month
    16
    >>> print(detector.reason(view, scores, 0).split(":")[0])
    egress_bytes alone has grown
    """

    name: ClassVar[str] = "leak"
    params_type: ClassVar[type[Params]] = LeakParams
    every_s: ClassVar[int] = 3600

    def __init__(self, params: LeakParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        judged = _Judged(self._params, view.drivers)
        began_s = onset(view.time_s, HOUR_S, judged.hour_excess_usd, DAY_S, judged.excess_usd / 24)
        return of_rows(view, judged.score, DAY_S, began_s, TICKET, "slow")

    def reason(self, view: View, scores: Scores, index: int) -> str:
        drivers = view.drivers.of(index)
        judged = _Judged(self._params, drivers)
        row = int(worst(len(view.scopes), drivers, judged.score)[1][index])
        day, usual = float(judged.day_usd[row]), float(judged.usual_usd[row])
        more = day - usual
        return (
            f"{drivers.names[drivers.driver[row]]} alone has grown: {usd(day)} in the last 24 h, where"
            f" {usd(usual)} is usual; {usd(more)} more a day, if it stays, is {usd(more * 30)} in 30 days."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""


class _Judged:
    """Columns over the rows of some drivers; of each scope all of them, or none. US dollars a day."""

    def __init__(self, params: LeakParams, drivers: Drivers) -> None:
        days_usd = known(drivers.days_usd) * (24 / DAY_HOURS)
        self.day_usd, self.usual_usd = days_usd[:, -1], _usual(days_usd)
        normal = self.usual_usd * _lifted(drivers, self.day_usd, self.usual_usd)
        self.excess_usd = self.day_usd - normal
        least = np.maximum(params.share * normal, params.floor_usd_per_hour * 24)
        hours_usd = known(drivers.same_hour_usd)
        usual_hour = _usual(hours_usd)
        normal_hour = usual_hour * (normal / self.usual_usd)
        self.hour_excess_usd = hours_usd[:, -1] - normal_hour
        asleep = (hours_usd[:, -1] <= 0) & (
            usual_hour <= 0
        )  # a batch at another hour: nothing to be seen now
        still = self.hour_excess_usd / np.where(usual_hour > 0, params.share / 2 * normal_hour, np.nan)
        still = np.where(asleep, np.inf, np.where(usual_hour > 0, still, 1.0))
        score = np.minimum(self.excess_usd / least, np.where(np.isnan(usual_hour), np.nan, still))
        self.score = known(np.maximum(score, 0.0))


def _usual(days_usd: Floats) -> Floats:
    """Of each row, the third dearest of the 7 days before or the one a week ago; NaN where one is not
    known."""
    before = days_usd[:, :-1]
    third = np.partition(before, -THIRD, axis=1)[:, -THIRD]
    return np.where(np.isfinite(days_usd).all(axis=1), np.maximum(third, before[:, 0]), np.nan)


def _lifted(drivers: Drivers, day_usd: Floats, usual_usd: Floats) -> Floats:
    """By how much what is usual of a driver is to be multiplied, as the others of its scope cost more: 1 to
    2; NaN where nothing is usual."""
    told = np.isfinite(day_usd) & np.isfinite(usual_usd)
    day, usual = (
        np.bincount(drivers.scope, amounts)[drivers.scope] - amounts
        for amounts in (np.where(told, day_usd, 0.0), np.where(told, usual_usd, 0.0))
    )
    ratio = day / np.where(usual > LEAST_OTHERS * usual_usd, usual, np.nan)
    return np.where(usual_usd > 0, np.clip(np.nan_to_num(ratio, nan=1.0), 1.0, MOST), np.nan)

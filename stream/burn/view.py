"""From rings and baseline to the columns that detectors see and people read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import BUCKET_S, RECENT_BUCKETS, WINDOWS_S, View
from stream.burn.baseline import Baseline
from stream.burn.month import Month, Projection, project
from stream.burn.windows import Windows

Floats = NDArray[np.float64]

_FINE, _MINUTE, _HOUR = 0, 1, 2
_FROM_FINE_S: Final = 3600  # windows up to the fine ring's length


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all scopes at one closed bucket."""

    view: View
    projection: Projection
    month: Month


class Lookout:
    """Keeps what changes once a minute between looks: sums over long windows and the month."""

    def __init__(self, windows: Windows, baseline: Baseline, budgets_usd: Mapping[str, float]) -> None:
        self._windows = windows
        self._baseline = baseline
        self._budgets_usd = budgets_usd
        self._minute = -1
        self._long: dict[int, Floats] = {}
        self._month_nusd: NDArray[np.int64] = np.zeros(0, np.int64)
        self._remaining: tuple[int, int, Floats] = (-1, 0, np.zeros(0))

    def month_nusd(self, series: int) -> int:
        """Spent since the month began, as of the last look."""
        return int(self._month_nusd[series])

    def look(self, time_s: int) -> Look:
        """`time_s` ends a closed bucket. Money after it is not looked at."""
        rings = self._windows.scopes
        size = len(rings)
        baseline = self._baseline
        baseline.advance(time_s)
        fine = rings.rings[_FINE]
        bucket = time_s // BUCKET_S
        per_hour = 3600 / BUCKET_S / 1e9
        recent = np.asarray(fine.rows(bucket - RECENT_BUCKETS, bucket)[:, :size].T * per_hour, np.float64)
        burn: dict[int, Floats] = {}
        for window_s in WINDOWS_S:
            if window_s <= _FROM_FINE_S:
                spent = fine.total(bucket - window_s // BUCKET_S, bucket)[:size]
                burn[window_s] = np.asarray(spent * (3600 / window_s / 1e9), np.float64)
        month = Month.around(time_s)
        self._by_minute(time_s, month, size)
        burn |= self._long
        old_enough = rings.first_hour[:size] * 3600
        for window_s in WINDOWS_S:
            burn[window_s] = np.where(old_enough > time_s - min(window_s, 3600), np.nan, burn[window_s])
        expected = {window_s: baseline.mean(time_s - window_s, time_s) for window_s in WINDOWS_S}
        now = baseline.rate(time_s)
        spread = baseline.spread()
        spent_usd = self._month_nusd / 1e9
        remaining_h = (month.end_s - time_s) / 3600
        projection = project(
            spent_usd, self._remaining_usd(time_s, month), remaining_h, burn[3600], now, spread
        )
        names = self._windows.scope_names
        budgets = np.array([self._budgets_usd.get(name, np.nan) for name in names])
        elapsed_s = time_s - month.start_s
        view = View(
            time_s=time_s,
            scopes=tuple(names),
            recent_usd_per_hour=recent,
            burn_usd_per_hour=burn,
            expected_usd_per_hour=expected,
            baseline_usd_per_hour=now,
            spread_usd_per_hour=spread,
            bucket_spread_usd_per_hour=baseline.bucket_spread(),
            baseline_kind=baseline.kinds(),
            budget_usd=budgets,
            month_to_date_usd=spent_usd,
            projection_usd=projection.usd,
            projection_day_usd=projection.day_usd,
            month_s=month.end_s - month.start_s,
            month_elapsed_s=elapsed_s,
        )
        return Look(view, projection, month)

    def _by_minute(self, time_s: int, month: Month, size: int) -> None:
        if time_s // 60 == self._minute and len(self._month_nusd) == size:
            return
        self._minute = time_s // 60
        rings = self._windows.scopes
        minutes, hours = rings.rings[_MINUTE], rings.rings[_HOUR]
        last = -(-time_s // 60)
        for window_s in WINDOWS_S:
            if window_s > _FROM_FINE_S:
                spent = minutes.total(last - window_s // 60, last)[:size]
                self._long[window_s] = np.asarray(spent * (3600 / window_s / 1e9), np.float64)
        self._month_nusd = hours.total(month.start_s // 3600, time_s // 3600 + 1)[:size]

    def _remaining_usd(self, time_s: int, month: Month) -> Floats:
        """What the baseline expects from now to the month's end; the whole hours change once an hour."""
        hour, size = time_s // 3600, len(self._windows.scopes)
        if self._remaining[:2] != (hour, size):
            ahead = self._baseline.expected_hours_usd(hour + 1, month.end_s // 3600)
            self._remaining = (hour, size, ahead)
        return self._remaining[2] + self._baseline.rate(time_s) * (1 - time_s / 3600 % 1)

"""From rings and baseline to the columns that detectors see and people read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import BUCKET_S, HOURS, RECENT_BUCKETS, WINDOWS_S, Drivers, View
from stream.burn.baseline import Baseline
from stream.burn.drivers import DriverColumns
from stream.burn.month import Month, Projection, project
from stream.burn.policies import Policies
from stream.burn.windows import Windows
from stream.schema.spend import IDLE, UNOWNED

Floats = NDArray[np.float64]

HOUR_S: Final = 3600
_FINE: Final = 0
NO_POLICIES: Final = Policies(())


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all scopes at one closed bucket."""

    view: View
    projection: Projection
    month: Month
    month_nusd: NDArray[np.int64]


class Lookout:
    """Keeps between looks what changes seldom: names, budgets, and what is expected of the month."""

    def __init__(
        self,
        windows: Windows,
        baseline: Baseline,
        budgets_usd: Mapping[str, float],
        policies: Policies = NO_POLICIES,
    ) -> None:
        self._windows = windows
        self._baseline = baseline
        self._drivers = DriverColumns(windows)
        self._policies = policies
        self._budgets_usd = budgets_usd
        self._scopes: tuple[str, ...] = ()
        self._budgets: Floats = np.zeros(0)
        self._remaining: tuple[tuple[int, int, int], Floats, Floats] = ((-1, 0, 0), np.zeros(0), np.zeros(0))
        self._past: tuple[tuple[int, ...], NDArray[np.int64]] = ((), np.zeros(0, np.int64))

    def look(self, time_s: int, *, drivers: bool = False, days: bool = False) -> Look:
        """`time_s` ends a closed bucket. Money after it is not looked at. `drivers` fills what
        detectors see of drivers and remarks too: as much work as all the rest. `days` adds what whole days
        cost."""
        rings = self._windows.scopes
        size = len(rings)
        baseline = self._baseline
        baseline.advance(time_s)
        fine = rings.rings[_FINE]
        bucket = time_s // BUCKET_S
        per_hour = 3600 / BUCKET_S / 1e9
        recent = np.asarray(fine.rows(bucket - RECENT_BUCKETS, bucket)[:, :size].T * per_hour, np.float64)
        burn: dict[int, Floats] = {}
        # All windows that reach into the hour before end with the same part of an hour.
        hour_s = time_s // HOUR_S * HOUR_S
        this_hour = rings.between(hour_s, time_s)[:size]
        for window_s in WINDOWS_S:
            start_s = time_s - window_s
            if start_s // BUCKET_S < fine.tail:
                start_s = start_s // 60 * 60  # so long ago only minutes are held
            if start_s < hour_s:
                spent = rings.between(start_s, hour_s)[:size] + this_hour
            else:
                spent = rings.between(start_s, time_s)[:size]
            burn[window_s] = np.asarray(spent * (3600 / (time_s - start_s) / 1e9), np.float64)
        month = Month.around(time_s)
        month_nusd = self._past_nusd(month.start_s, hour_s)[:size] + this_hour
        old_enough = rings.first_hour[:size] * 3600
        for window_s in WINDOWS_S:
            burn[window_s] = np.where(old_enough > time_s - min(window_s, HOUR_S), np.nan, burn[window_s])
        expected = {window_s: baseline.mean(time_s - window_s, time_s) for window_s in WINDOWS_S}
        now = baseline.rate(time_s)
        spread = baseline.spread()
        spent_usd = month_nusd / 1e9
        remaining_h = (month.end_s - time_s) / 3600
        remaining_usd = self._remaining_usd(time_s, month)
        projection = project(spent_usd, remaining_usd, remaining_h, burn[HOUR_S], expected[HOUR_S], spread)
        elapsed_s = time_s - month.start_s
        view = View(
            time_s=time_s,
            scopes=self._names(),
            recent_usd_per_hour=recent,
            burn_usd_per_hour=burn,
            expected_usd_per_hour=expected,
            baseline_usd_per_hour=now,
            spread_usd_per_hour=spread,
            bucket_spread_usd_per_hour=baseline.bucket_spread(),
            peak_usd_per_hour=baseline.peak(),
            week_spread_usd_per_hour=baseline.week_spread(),
            baseline_kind=baseline.kinds(),
            budget_usd=self._budgets,
            month_to_date_usd=spent_usd,
            projection_usd=projection.usd,
            projection_day_usd=projection.day_usd,
            month_s=month.end_s - month.start_s,
            month_elapsed_s=elapsed_s,
            drivers=self._drivers.at(time_s, days=days) if drivers else Drivers.none(),
            unmapped_usd_per_hour=self._noted(UNOWNED, time_s, drivers),
            idle_usd_per_hour=self._noted(IDLE, time_s, drivers),
            forbidden_s=self._policies.forbidden_s(self._scopes, time_s)
            if drivers
            else np.full(len(self._scopes), np.nan),
        )
        return Look(view, projection, month, month_nusd)

    def _noted(self, remark: str, time_s: int, wanted: bool) -> Floats:
        """The mean rate over the last 24 whole hours of what carries a remark."""
        size, hour = len(self._windows.scopes), time_s // HOUR_S
        if not wanted:
            return np.full(size, np.nan)
        rate = np.zeros(size)
        noted = self._windows.notes.get(remark, {})
        if noted:
            total = self._windows.components.rings[-1].total(hour - HOURS, hour)
            rate[list(noted)] = total[list(noted.values())] / (HOURS * 1e9)
        return rate

    def _names(self) -> tuple[str, ...]:
        """All scopes, and their budgets in `_budgets`; both change only when a scope appears."""
        names = self._windows.scope_names
        if len(names) != len(self._scopes):
            self._scopes = tuple(names)
            self._budgets = np.array([self._budgets_usd.get(name, np.nan) for name in names])
        return self._scopes

    def _past_nusd(self, start_s: int, hour_s: int) -> NDArray[np.int64]:
        """Money of the month's whole hours: up to 744 of them, which seldom change."""
        rings = self._windows.scopes
        known_by = (start_s, hour_s, len(rings), rings.revised)
        if self._past[0] != known_by:
            self._past = (known_by, rings.between(start_s, hour_s))
        return self._past[1]

    def _remaining_usd(self, time_s: int, month: Month) -> Floats:
        """What the baseline expects from now to the month's end: the rest of this hour, at its mean, and
        whole hours; both are worked out once an hour."""
        hour = time_s // 3600
        known_by = (hour, len(self._windows.scopes), self._baseline.revised)
        if self._remaining[0] != known_by:
            this_hour = self._baseline.expected_hours_usd(hour, hour + 1)
            ahead = self._baseline.expected_hours_usd(hour + 1, month.end_s // 3600)
            self._remaining = (known_by, this_hour, ahead)
        _, this_hour, ahead = self._remaining
        return ahead + this_hour * (1 - time_s / 3600 % 1)

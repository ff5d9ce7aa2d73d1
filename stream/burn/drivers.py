"""Quantities and cost of every driver of every scope, as the columns that detectors see."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import DAY_HOURS, DAYS, HOURS, MINUTES, Drivers
from stream.burn.windows import Windows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = slice | Ints

HOUR_S: Final = 3600
BURN_WINDOWS_S: Final = (300, HOUR_S)
_ALL: Final = slice(None)


class DriverColumns:
    """Keeps what changes only when a driver appears: which row is whose."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._names: dict[str, int] = {}
        self._scope: Ints = np.zeros(0, np.int64)
        self._driver: Ints = np.zeros(0, np.int64)
        self._component: Ints = np.zeros(0, np.int64)

    def at(self, time_s: int, *, days: bool) -> Drivers:
        """All that is in up to the newest whole minute at `time_s`, to be read before more money comes; what
        days cost only if asked for."""
        self._name_rows()
        now_s, costs = time_s // 60 * 60, self._windows.components
        burn = {
            window_s: np.asarray(
                costs.between(now_s - window_s, now_s)[self._component] / 1e9 * HOUR_S / window_s, np.float64
            )
            for window_s in BURN_WINDOWS_S
        }
        return _Held(self, tuple(self._names), self._scope, self._driver, burn, now_s, days)

    def minutes(self, now_s: int, rows: Rows) -> NDArray[np.float32]:
        span, picked = self._span(rows)
        return np.asarray(self._windows.quantities.minutes(now_s, MINUTES, span).T[picked])

    def hours(self, now_s: int, rows: Rows) -> Floats:
        quantities, hour = self._windows.quantities, now_s // HOUR_S
        span, picked = self._span(rows)
        amounts = quantities.hours(hour, HOURS, span).astype(np.float64)
        hours = np.arange(hour - HOURS, hour)[:, None]
        amounts[hours <= quantities.first_hour[span]] = np.nan
        return np.asarray(amounts.T[picked])

    def hours_usd(self, now_s: int, rows: Rows) -> Floats:
        hour = now_s // HOUR_S
        span, picked = self._span(rows)
        component = self._component[span]
        if not len(component):
            return np.zeros((0, HOURS))
        some = slice(int(component.min()), int(component.max()) + 1)
        nusd = self._windows.components.rings[-1].rows(hour - HOURS, hour, some)
        return np.asarray((nusd.take(component - some.start, axis=1) / 1e9).T[picked])

    def _span(self, rows: Rows) -> tuple[slice, Rows]:
        """The rows from the first to the last of these, and which of them: a run is copied at once."""
        if isinstance(rows, slice):
            return slice(*rows.indices(len(self._scope))), _ALL
        if not len(rows):
            return slice(0, 0), rows
        first = int(rows.min())
        return slice(first, int(rows.max()) + 1), rows - first

    def days_usd(self, now_s: int, rows: Rows, hours: int) -> Floats:
        """Of so many hours before this one, today and on the 7 days before."""
        component, hour = self._component[rows], now_s // HOUR_S
        found = np.full((len(component), DAYS), np.nan)
        ring = self._windows.components.rings[-1]
        first_hour = self._windows.quantities.first_hour[: len(self._scope)][rows]
        for day, end in enumerate(range(hour - 24 * (DAYS - 1), hour + 1, 24)):
            if end - DAY_HOURS >= ring.tail:
                usd = ring.total(end - hours, end)[component] / 1e9
                found[:, day] = np.where(first_hour < end - DAY_HOURS, usd, np.nan)
        return found

    def _name_rows(self) -> None:
        more = self._windows.drivers[len(self._scope) :]
        if more:
            names = [self._windows.components.names[component].component for component in more]
            numbers = [self._names.setdefault(name, len(self._names)) for name in names]
            self._driver = np.concatenate([self._driver, np.array(numbers, np.int64)])
            self._component = np.array(self._windows.drivers)
            self._scope = np.array(self._windows.scope_of)[self._component]


class _Held(Drivers):
    """Rows whose quantities and dollars are copied from the rings when they are asked for. All at once are
    2.6 KB a scope, fresh from the system every minute; a block of them fits into memory used before."""

    _columns: DriverColumns
    _now_s: int
    _days: bool
    _rows: Rows

    def __init__(
        self,
        columns: DriverColumns,
        names: Sequence[str],
        scope: Ints,
        driver: Ints,
        burn_usd_per_hour: Mapping[int, Floats],
        now_s: int,
        days: bool,
        rows: Rows = _ALL,
    ) -> None:
        burn = {window_s: rate[rows] for window_s, rate in burn_usd_per_hour.items()}
        mine = {
            "names": names, "scope": scope[rows], "driver": driver[rows], "burn_usd_per_hour": burn,
            "_columns": columns, "_now_s": now_s, "_days": days, "_rows": rows,
        }  # fmt: skip
        for name, value in mine.items():
            object.__setattr__(self, name, value)  # as a frozen dataclass does it

    @cached_property
    def minutes(self) -> NDArray[np.float32]:
        return self._columns.minutes(self._now_s, self._rows)

    @cached_property
    def hours(self) -> Floats:
        return self._columns.hours(self._now_s, self._rows)

    @cached_property
    def hours_usd(self) -> Floats:
        return self._columns.hours_usd(self._now_s, self._rows)

    @cached_property
    def days_usd(self) -> Floats:
        return self._of_days(DAY_HOURS)

    @cached_property
    def same_hour_usd(self) -> Floats:
        return self._of_days(1)

    def _of_days(self, hours: int) -> Floats:
        if self._days:
            return self._columns.days_usd(self._now_s, self._rows, hours)
        return np.full((len(self.scope), DAYS), np.nan)

    def some(self, rows: NDArray[np.bool_] | Rows) -> Drivers:
        if self._rows is not _ALL:
            return super().some(rows)
        chosen = rows if isinstance(rows, slice) else np.arange(len(self.scope))[rows]
        burn = self.burn_usd_per_hour
        return _Held(
            self._columns, self.names, self.scope, self.driver, burn, self._now_s, self._days, chosen
        )

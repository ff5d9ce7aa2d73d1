"""Quantities and cost of every driver of every scope, as the columns that detectors see."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import HOURS, MINUTES, Drivers
from stream.burn.windows import Windows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOUR_S: Final = 3600
BURN_WINDOWS_S: Final = (300, HOUR_S)


class DriverColumns:
    """Keeps what changes only when a driver appears: which row is whose."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._names: dict[str, int] = {}
        self._scope: Ints = np.zeros(0, np.int64)
        self._driver: Ints = np.zeros(0, np.int64)
        self._component: Ints = np.zeros(0, np.int64)

    def at(self, time_s: int) -> Drivers:
        """All that is in up to the newest whole minute at `time_s`."""
        self._name_rows()
        windows, now_s = self._windows, time_s // 60 * 60
        hour, costs = now_s // HOUR_S, windows.components
        quantities = windows.quantities.hours(hour, HOURS).astype(np.float64)
        hours = np.arange(hour - HOURS, hour)[:, None]
        quantities[hours <= windows.quantities.first_hour[: len(self._scope)]] = np.nan
        usd = costs.rings[-1].rows(hour - HOURS, hour)[:, self._component] / 1e9
        burn = {
            window_s: np.asarray(
                costs.between(now_s - window_s, now_s)[self._component] / 1e9 * HOUR_S / window_s
            )
            for window_s in BURN_WINDOWS_S
        }
        return Drivers(
            names=tuple(self._names),
            scope=self._scope,
            driver=self._driver,
            minutes=windows.quantities.minutes(now_s, MINUTES).T,
            hours=quantities.T,
            hours_usd=usd.T,
            burn_usd_per_hour={window_s: np.asarray(rate, np.float64) for window_s, rate in burn.items()},
        )

    def _name_rows(self) -> None:
        more = self._windows.drivers[len(self._scope) :]
        if more:
            names = [self._windows.components.names[component].component for component in more]
            numbers = [self._names.setdefault(name, len(self._names)) for name in names]
            self._driver = np.concatenate([self._driver, np.array(numbers, np.int64)])
            self._component = np.array(self._windows.drivers)
            self._scope = np.array(self._windows.scope_of)[self._component]

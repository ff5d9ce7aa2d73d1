"""What a unit of each SKU costs, as estimates have it, and whether that has moved for good."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.price_change import SAME, UNIFORM, PriceChange
from stream.meter.series import SeriesTable
from stream.schema.prices import Moved
from stream.stage import StateRow

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Key = tuple[str, str, str, str]  # provider, region, driver, SKU

ROW: Final = b"unit-prices"
MOST_KEYS: Final = 2_000  # 100 bytes each; what is over it is not watched
_UNKNOWN: Final = -1
_NANO: Final = 1e9


class _Known(msgspec.Struct, array_like=True):
    """Dollars a unit; and one that the last `agreed` windows have had instead, since `since_s`."""

    usd: float
    other_usd: float = 0.0
    agreed: int = 0
    since_s: int = 0


class UnitPrices:
    """The prices of one usage partition."""

    def __init__(self, kind: PriceChange, table: SeriesTable) -> None:
        self._kind = kind
        self._table = table
        self._known: dict[Key, _Known] = {}
        self._numbers: dict[Key, int] = {}
        self._of_series: Ints = np.zeros(0, np.int64)
        self._changed = False

    def forget_series(self) -> None:
        self._of_series = np.zeros(0, np.int64)

    def turned(
        self, series: Ints, nusd: Floats, used: Floats, from_ms: int, until_ms: int
    ) -> Iterator[Moved]:
        """What series have cost and used in one window of event time: the prices that have moved."""
        fresh = self._table.series[len(self._of_series) :]
        if fresh:
            numbers = [self._number(one.driver, one.sku, one.attribution.labels) for one in fresh]
            self._of_series = np.concatenate((self._of_series, np.array(numbers, np.int64)))
        key = self._of_series[series]
        good = (key != _UNKNOWN) & (nusd > 0) & (used > 0)
        if until_ms <= from_ms or not good.any():
            return
        key, nusd, used = key[good], nusd[good], used[good]
        cost, units = np.bincount(key, nusd), np.bincount(key, used)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = cost / units
            near = np.abs(nusd / used / mean[key] - 1) <= SAME
            uniform = np.bincount(key, nusd * near) >= UNIFORM * cost
        keys = list(self._numbers)
        for number in np.flatnonzero((cost > 0) & uniform).tolist():
            per_hour = float(units[number]) * 3_600_000 / (until_ms - from_ms)
            moved = self._judge(keys[number], float(mean[number]) / _NANO, per_hour, from_ms // 1000)
            if moved is not None:
                yield moved
        self._changed = True

    def changes(self) -> Iterator[StateRow]:
        if self._changed:
            yield StateRow(ROW, msgspec.msgpack.encode(list(self._known.items())))
        self._changed = False

    def restore(self, value: bytes) -> None:
        self._known = dict(msgspec.msgpack.decode(value, type=list[tuple[Key, _Known]]))

    def _number(self, driver: str, sku: str, labels: dict[str, str]) -> int:
        key = (labels.get("provider", ""), labels.get("region", ""), driver, sku)
        if key not in self._numbers and len(self._numbers) >= MOST_KEYS:
            return _UNKNOWN
        return self._numbers.setdefault(key, len(self._numbers))

    def _judge(self, key: Key, usd: float, per_hour: float, from_s: int) -> Moved | None:
        params = self._kind.params
        known = self._known.get(key)
        if known is None:
            if len(self._known) < MOST_KEYS:
                self._known[key] = _Known(usd)
            return None
        if _same(usd, known.usd):
            known.agreed = 0
            return None
        if known.agreed == 0 or not _same(usd, known.other_usd):
            known.other_usd, known.agreed, known.since_s = usd, 0, from_s
        known.agreed += 1
        if known.agreed < params.windows:
            return None
        old_usd, known.usd, known.agreed = known.usd, usd, 0
        told = abs(usd / old_usd - 1) >= params.least_change and self._kind.score(old_usd, usd, per_hour) >= 1
        if not (told and params.enabled):
            return None
        provider, region, driver, sku = key
        return Moved(
            provider=provider, region=region, driver=driver, sku=sku, old_usd=old_usd, new_usd=usd,
            units_per_hour=per_hour, since_s=known.since_s,
        )  # fmt: skip


def _same(one: float, other: float) -> bool:
    return abs(one / other - 1) <= SAME

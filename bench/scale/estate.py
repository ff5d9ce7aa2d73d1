"""An estate of many scopes, and a burn stage whose rings it has filled."""

import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.burn.rings import RingSet
from stream.burn.stage import Burn
from stream.config import Config
from stream.schema import spend, topics
from stream.schema.spend import CHILD, DRIVER, Name, Rows, Spend
from stream.schema.windows import CHUNK
from stream.stage import Batch

DAY_S: Final = 86_400
HOUR_S: Final = 3600
# Of a scope: three drivers, which add up to it, and a child scope.
DRIVERS: Final = ("pod_hours", "egress_bytes", "log_bytes")
COMPONENTS: Final = len(DRIVERS) + 1
_BUDGETED: Final = 10  # every tenth scope has a budget
_BUDGET_USD: Final = 10**6  # never reached

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def scope(number: int) -> str:
    """As long as a real one: `service=` with a namespace and a name."""
    return f"service=namespace-{number % 100:02d}/service-{number:05d}"


def names(numbers: range | list[int]) -> list[Name]:
    """The names of all rows, those of one scope side by side."""
    return [
        Name(scope(number), component, role)
        for number in numbers
        for component, role in (
            *((driver, DRIVER) for driver in DRIVERS), (f"pod=service-{number:05d}-7f", CHILD)
        )
    ]  # fmt: skip


def settings(scopes: int) -> dict[str, object]:
    """Room for all scopes however they fall on partitions, and budgets."""
    budgets = [{"scope": scope(number), "monthly_usd": _BUDGET_USD} for number in range(0, scopes, _BUDGETED)]
    return {"burn": {"max_scopes": 2 * scopes + 1000}, "budgets": budgets}


def config(scopes: int) -> Config:
    return Config.model_validate(settings(scopes))


class Estate:
    """Spend rows of every component of every scope of one partition, with its daily season and noise, from a
    seed. A component spends $0.7 an hour in the median, one in a hundred more than $7."""

    def __init__(self, scopes: int, partition: int = 0, partitions: int = 1, seed: int = 1) -> None:
        mine = [
            number for number in range(scopes) if zlib.crc32(scope(number).encode()) % partitions == partition
        ]
        self.names = names(mine)
        self._random = np.random.default_rng(seed + partition)
        self.nusd_per_10_s: Floats = self._random.lognormal(14.5, 1.0, len(self.names))

    @property
    def scopes_nusd_per_10_s(self) -> Floats:
        return np.asarray(self.nusd_per_10_s.reshape(-1, COMPONENTS)[:, : len(DRIVERS)].sum(axis=1))

    def spent(self, per_10_s: Floats, width_s: int, bucket: int) -> Ints:
        """What series with these rates spend in one bucket."""
        season = 1 + 0.3 * np.sin(bucket * width_s * (2 * np.pi / DAY_S))
        noise = self._random.uniform(0.9, 1.1, len(per_10_s))
        return np.asarray(np.rint(per_10_s * (season * width_s / 10) * noise), np.int64)

    def record(self, bucket: int, watermark_s: int, share: float = 1.0) -> bytes:
        """A `spend` record of a meter: what every name spent in a bucket of 10 s, or a share of it."""
        count = len(self.names)
        cost = self.spent(self.nusd_per_10_s * share, 10, bucket)
        rows = Rows(
            self.names, np.arange(count), np.full(count, 10), np.full(count, bucket), cost,
            cost / 4096, np.ones(count, np.int64),
        )  # fmt: skip
        return spend.encode(Spend(0, 0, 0, watermark_s * 1000, watermark_s * 1000, rows))


def filled(estate: Estate, burn: Burn, end_s: int, *, written: bool) -> None:
    """Fill every ring up to `end_s`. `written`: the next commit shall hold all of it."""
    take(burn, estate.record(end_s // 10 - 1, end_s))
    windows = burn.windows
    windows.advance(end_s)
    _fill(estate, windows.scopes, estate.scopes_nusd_per_10_s, written)
    _fill(estate, windows.components, estate.nusd_per_10_s, written)
    windows.scopes.first_hour[: len(windows.scopes)] = windows.scopes.rings[-1].tail
    used = windows.quantities
    used.first_hour[: len(used.names)] = windows.scopes.rings[-1].tail
    for ring in used.rings:
        ring[:] = 1.0


def _fill(estate: Estate, rings: RingSet, per_10_s: Floats, written: bool) -> None:
    for level, ring in enumerate(rings.rings):
        closed = np.arange(ring.tail, ring.head)
        for chunk in range(-(-len(per_10_s) // CHUNK)):
            mine = per_10_s[chunk * CHUNK : (chunk + 1) * CHUNK]
            for bucket in closed.tolist():
                ring.cells.put(bucket % ring.spec.slots, chunk, estate.spent(mine, ring.spec.width_s, bucket))
            if written:
                ring.mark(closed, np.full(len(closed), chunk), coarse=level > 0)


def take(burn: Burn, *values: bytes) -> None:
    burn.take(Batch(topics.SPEND, burn.partition, values, range(len(values)), [0] * len(values), len(values)))

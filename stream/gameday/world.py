"""One estate of a game day, what befalls it, and what each service truly costs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from stream.demo.catalogue import Service
from stream.demo.estate import Estate
from stream.demo.season import HOUR_MS, uniform
from stream.demo.series import Series
from stream.gameday import catalogue
from stream.schema.deploys import Deploy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shape = Callable[[Ints], Floats]  # times in ms -> a factor each

MONDAY_MS: Final = 1_790_553_600_000  # 2026-09-28T00:00:00Z, a Monday: games begin on it
HISTORY_DAYS: Final = 35
DAY_MS: Final = 24 * HOUR_MS
# Everyday bursts: each service has one in every fourth half day, 2 to 15 minutes long, up to twice its load.
BURST_EVERY_MS: Final = 12 * HOUR_MS
BURST_CHANCE: Final = 0.25
BURST_MS: Final = (120_000, 900_000)

Expected = Literal["page", "ticket", "digest", "nothing"]


@dataclass(frozen=True, slots=True)
class Effect:
    """The quantities of some series are multiplied by `factor`; their prices, if `on_price`."""

    columns: Ints
    factor: Shape
    on_price: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What a scenario does to an estate, and what burnline should say of it.

    `begin_ms` is when it begins, `until_ms` when what it does ends, `play_ms` when the game does. `services`
    are those at fault (their owners and the total count as well), `driver` the one that grows, and `deploy`
    the one to blame (None: none is). From then on the source `silent` says nothing, and `repeated` all twice.
    """

    expected: Expected
    begin_ms: int
    until_ms: int
    play_ms: int
    effects: tuple[Effect, ...] = ()
    services: tuple[Service, ...] = ()
    driver: str = ""
    deploy: Deploy | None = None
    silent: str = ""
    repeated: str = ""
    config: dict[str, object] = field(default_factory=dict)
    step_s: int = 10


class World:
    """An estate of `count` services up to and after `MONDAY_MS`, the same for the same seed."""

    def __init__(self, seed: int, count: int) -> None:
        self.seed = seed
        self.services = catalogue.services(seed, count)
        self.start_ms = MONDAY_MS - HISTORY_DAYS * DAY_MS
        self._resources = catalogue.resources(seed, self.services)
        self._calm = self._estate()
        self._calm.change = self._bursts
        series = self._calm.series
        self._group = np.array([one.group for one in series], dtype=np.int64)
        self._bursting = np.array([one.driver in _BURSTING for one in series])

    def _estate(self) -> Estate:
        return Estate(self.seed, self.start_ms, services=self.services, resources=self._resources)

    def estate(self, case: Case | None = None) -> Estate:
        """The estate as it is when that happens to it."""
        estate = self._estate()
        effects = case.effects if case else ()

        def change(middle_ms: Ints, quantities: Floats) -> Floats:
            return _apply(effects, middle_ms, self._bursts(middle_ms, quantities), on_price=False)

        def price_factor(middle_ms: int) -> Floats:
            at_ms = np.array([middle_ms], dtype=np.int64)
            return np.asarray(_apply(effects, at_ms, np.ones((1, len(estate.series))), on_price=True)[0])

        estate.change = change
        if any(effect.on_price for effect in effects):
            estate.price_factor = price_factor
        return estate

    def columns(self, *drivers: str, service: Service | None = None, source: str = "") -> Ints:
        """The series of these drivers (none: all), of a service or all, from a source or all."""
        found = [
            number
            for number, one in enumerate(self._calm.series)
            if (not drivers or one.driver in drivers)
            and (service is None or one.labels["service"] == service.name)
            and (not source or one.source == source)
        ]
        return np.array(found, dtype=np.int64)

    def by_spend_on(self, driver: str) -> list[Service]:
        """Services that use a driver, the largest spender on it first."""
        usd = {
            service: float(self.usd_per_hour[columns].sum())
            for service in self.services
            if len(columns := self.columns(driver, service=service))
        }
        return sorted(usd, key=lambda service: -usd[service])

    @property
    def series(self) -> list[Series]:
        return self._calm.series

    @property
    def usd_per_hour(self) -> Floats:
        """What each series costs on average."""
        per_hour = np.array([one.per_hour for one in self._calm.series])
        return np.asarray(per_hour * self._calm.usd_per_unit)

    def usd_by_service(self, case: Case | None, start_ms: int, end_ms: int, step_s: int) -> Floats:
        """(steps, services) dollars of each step, from the generator's own figures."""
        starts = np.arange(start_ms, end_ms, step_s * 1000, dtype=np.int64)
        estate = self.estate(case)
        usd = estate.quantities(starts, step_s) * estate.usd_per_unit
        if case is not None:
            usd = _apply(case.effects, starts + step_s * 500, usd, on_price=True)
        total = np.zeros((len(starts), len(self.services)))
        of_a_service = self._group < len(self.services)
        np.add.at(total.T, self._group[of_a_service], usd.T[of_a_service])
        return total

    def _bursts(self, middle_ms: Ints, quantities: Floats) -> Floats:
        number = np.arange(len(self.services) + 1, dtype=np.int64)[None, :]
        block = middle_ms[:, None] // BURST_EVERY_MS

        def drawn(key: int) -> Floats:
            return uniform(self.seed, 31, key, number, block)

        starts = block * BURST_EVERY_MS + drawn(1) * (BURST_EVERY_MS - BURST_MS[1])
        lasts = BURST_MS[0] + drawn(2) * (BURST_MS[1] - BURST_MS[0])
        since = middle_ms[:, None] - starts
        on = (drawn(3) < BURST_CHANCE) & (since >= 0) & (since < lasts)
        factor = np.where(on, 1.2 + 0.8 * drawn(4), 1.0)
        return np.asarray(np.where(self._bursting, factor[:, self._group] * quantities, quantities))


def scope_of(service: Service) -> str:
    """What burnline calls a service."""
    return f"service={service.namespace}/{service.name}"


_BURSTING: Final = frozenset(
    {"pod_hours", "invocations", "gb_seconds", "log_bytes", "egress_bytes", "nat_bytes", "ci_minutes"}
)


def _apply(effects: tuple[Effect, ...], at_ms: Ints, figures: Floats, *, on_price: bool) -> Floats:
    for effect in effects:
        if effect.on_price == on_price:
            figures = figures.copy()
            figures[:, effect.columns] *= effect.factor(at_ms)[:, None]
    return figures

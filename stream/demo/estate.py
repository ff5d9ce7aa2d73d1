"""The demo's shop as a stream: what its collectors would send, second by second, at public list prices.

Everything but the sequence numbers is a function of the seed and the time, so a fortnight in steps of five
minutes and an hour in steps of ten seconds belong to the same shop.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.demo.catalogue import RESOURCES, SERVICES, Resource, Service
from stream.demo.deploys import Runaway, planned_deploys, service_named, surge
from stream.demo.season import Seasons, uniform
from stream.demo.series import SOURCES, Series, Source, all_series
from stream.meter.price import PriceBook, load
from stream.schema.deploys import Deploy

# Steps worked out at once: 64 x 300 series of 8 bytes are 150 kB a column.
BLOCK: Final = 64
# An autoscaler looks back: pods follow the traffic of two minutes ago.
AUTOSCALER_LAG_MS: Final = 120_000
JITTER_MS: Final = 400
# Hours of pods as in the format's example, 0.0166667; other quantities to a millionth.
DECIMALS_OF_PODS: Final = 7
DECIMALS: Final = 6

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Change = Callable[[Ints, Floats], Floats]  # (steps,) in ms, (steps, series) units an hour -> the same

_encode: Final = msgspec.json.Encoder().encode


class _Estimate(msgspec.Struct, omit_defaults=True, gc=False):
    start: int
    end: int
    driver: str
    quantity: float
    labels: msgspec.Raw
    sku: str = ""
    cost_usd: str = ""


class _Envelope(msgspec.Struct, gc=False):
    source: str
    epoch: int
    seq: int
    labels: msgspec.Raw
    estimates: list[_Estimate]


class Message(NamedTuple):
    """One message for the `usage` topic: when it arrives, its key, its bytes."""

    arrival_ms: int
    source: str
    value: bytes


@dataclass(slots=True)
class _Feed:
    """A collector at work: its series' columns, the message it fills in each step, the price of a unit."""

    source: Source
    number: int
    columns: Ints
    envelope: _Envelope
    usd_per_unit: Floats


class Estate:
    """A shop of about 40 services. `start_ms` is the epoch of its sources: a new start is a new epoch.

    >>> estate = Estate(seed=1, start_ms=1_767_225_600_000)
    >>> first = next(estate.messages(1_767_225_600_000, 1_767_225_660_000, step_s=60))
    >>> first.source, first.arrival_ms >= 1_767_225_660_000
    ('prometheus/us-1', True)
    """

    def __init__(
        self,
        seed: int,
        start_ms: int,
        prices: PriceBook | None = None,
        services: Sequence[Service] = SERVICES,
        resources: Sequence[Resource] = RESOURCES,
    ) -> None:
        """`prices` is what the sources that price themselves charge; None: the public list prices."""
        self._seed = seed
        self._services = services
        self._series = all_series(services, resources)
        self._seasons = Seasons(
            seed,
            [series.season for series in self._series],
            np.array([series.group for series in self._series], dtype=np.int64),
            start_ms,
        )
        self._per_hour = np.array([series.per_hour for series in self._series])
        self._pods = np.flatnonzero([series.pods for series in self._series])
        self._pod_services = np.array([self._series[i].group for i in self._pods], dtype=np.int64)
        self._rounding = np.full(len(self._series), 10.0**DECIMALS)
        self._rounding[self._pods] = 10.0**DECIMALS_OF_PODS
        # Bytes, tokens and calls are counted: no parts of them.
        self._rounding[self._per_hour > 10_000] = 1.0
        self._feeds = self._open(start_ms, prices or load(None))
        self._runaways: list[Runaway] = []
        # What else befalls the estate: quantities of samples by their middle, and the factor on prices.
        self.change: Change = lambda middle_ms, quantities: quantities
        self.price_factor: Callable[[int], Floats | float] = lambda middle_ms: 1.0

    @property
    def series(self) -> list[Series]:
        """The columns of all figures."""
        return self._series

    @property
    def usd_per_unit(self) -> Floats:
        """What a unit of each series costs, in dollars."""
        prices = np.zeros(len(self._series))
        for feed in self._feeds:
            prices[feed.columns] = feed.usd_per_unit
        return prices

    def runaway(
        self,
        at_ms: int,
        ramp_s: float = 133.0,
        pods_from: int = 20,
        pods_to: int = 2000,
        service: str = "checkout",
        until_ms: int | None = None,
    ) -> Runaway:
        """Let an autoscaler run away from `at_ms` on, after a bad deploy 150 s before.

        To be called before the messages of that time are asked for. Raises `ValueError` for an unknown
        service.
        """
        found = Runaway(at_ms, service_named(service), ramp_s, pods_from, pods_to, until_ms)
        self._runaways.append(found)
        return found

    def deploys(self, start_ms: int, end_ms: int) -> list[Deploy]:
        """The deploys of `[start_ms, end_ms)` in order of time, those of runaways among them."""
        found = planned_deploys(self._seed, self._services, start_ms, end_ms)
        for runaway in self._runaways:
            found += [deploy for deploy in runaway.deploys() if start_ms <= deploy.time_s * 1000 < end_ms]
        return sorted(found, key=lambda deploy: deploy.time_s)

    def messages(self, start_ms: int, end_ms: int, step_s: int) -> Iterator[Message]:
        """What the sources send of `[start_ms, end_ms)`, samples of `step_s` seconds, in order of arrival.

        The stretch must be whole steps. A sample arrives up to 5 s after its end.
        """
        if (end_ms - start_ms) % (step_s * 1000):
            raise ValueError(f"{end_ms - start_ms} ms are no whole steps of {step_s} s: move start or end")
        starts = np.arange(start_ms, end_ms, step_s * 1000, dtype=np.int64)
        for first in range(0, len(starts), BLOCK):
            block = starts[first : first + BLOCK]
            quantities = self.quantities(block, step_s)
            ends = block + step_s * 1000
            filled = [(feed, quantities[:, feed.columns], self._arrivals(feed, ends)) for feed in self._feeds]
            for step, start in enumerate(block.tolist()):
                for feed, rows, arrivals in filled:
                    value = self._encoded(feed, start, start + step_s * 1000, rows[step])
                    yield Message(arrivals[step], feed.source.key, value)

    def pods(self, at_ms: Ints) -> Floats:
        """How many pods run at each time (rows) in each pod series (columns)."""
        load_now = self._seasons.load(at_ms - AUTOSCALER_LAG_MS)[:, self._pods]
        wanted = self._per_hour[self._pods] * load_now * surge(self._seed, self._pod_services, at_ms)
        pods = np.maximum(np.rint(wanted), 1.0)
        for runaway in self._runaways:
            columns = [i for i, column in enumerate(self._pods) if self._runs(runaway, self._series[column])]
            share = self._per_hour[self._pods[columns]]
            extra = np.rint(runaway.pods(at_ms)[:, None] * (share / share.sum()))
            pods[:, columns] = np.maximum(pods[:, columns], extra)
        return pods

    def quantities(self, starts: Ints, step_s: int) -> Floats:
        """What each series (columns) uses in the samples of `step_s` that begin at `starts` (rows)."""
        middle = starts + step_s * 500
        quantities = self._per_hour * self._seasons.load(middle) * self._seasons.sample_noise(middle)
        quantities[:, self._pods] = self.pods(middle)
        quantities = self.change(middle, quantities)
        quantities *= step_s / 3600
        return np.asarray(np.rint(quantities * self._rounding) / self._rounding)

    def _arrivals(self, feed: _Feed, ends: Ints) -> list[int]:
        jitter = uniform(self._seed, 21, feed.number, ends) * JITTER_MS
        arrivals: list[int] = (ends + feed.source.delay_ms + jitter.astype(np.int64)).tolist()
        return arrivals

    def _encoded(self, feed: _Feed, start_ms: int, end_ms: int, quantities: Floats) -> bytes:
        envelope = feed.envelope
        envelope.seq += 1
        for estimate, quantity in zip(envelope.estimates, quantities.tolist(), strict=True):
            estimate.start = start_ms
            estimate.end = end_ms
            estimate.quantity = quantity
        if feed.source.priced:
            middle_ms = (start_ms + end_ms) // 2
            factor = np.broadcast_to(self.price_factor(middle_ms), len(self._series))[feed.columns]
            costs = (quantities * feed.usd_per_unit * factor).tolist()
            for estimate, cost in zip(envelope.estimates, costs, strict=True):
                estimate.cost_usd = f"{cost:.9f}"
        return _encode(envelope)

    def _open(self, start_ms: int, prices: PriceBook) -> list[_Feed]:
        feeds = []
        for number, source in enumerate(SOURCES):
            columns = [i for i, series in enumerate(self._series) if series.source == source.key]
            estimates = [_blank(self._series[i]) for i in columns]
            labels = msgspec.Raw(_encode(source.labels))
            envelope = _Envelope(source.key, start_ms // 1000, 0, labels, estimates)
            rates = [_usd_per_unit(prices, self._series[i], source, start_ms) for i in columns]
            feeds.append(_Feed(source, number, np.array(columns, dtype=np.int64), envelope, np.array(rates)))
        return feeds

    @staticmethod
    def _runs(runaway: Runaway, series: Series) -> bool:
        service = (series.labels["namespace"], series.labels["service"])
        return service == (runaway.service.namespace, runaway.service.name)


def _blank(series: Series) -> _Estimate:
    return _Estimate(0, 0, series.driver, 0.0, msgspec.Raw(_encode(series.labels)), series.sku)


def _usd_per_unit(prices: PriceBook, series: Series, source: Source, at_ms: int) -> float:
    found = prices.price(series.driver, series.sku, source.labels, at_ms)
    if found is None:
        raise ValueError(f"the price book has no price for {series.driver} {series.sku} of {source.key}")
    return float(found.usd / found.per)

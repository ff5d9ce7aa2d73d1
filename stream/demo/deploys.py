"""What changes in the demo's shop: a working day's deploys, and on demand one that makes pods multiply."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.demo.catalogue import SERVICES, Service
from stream.demo.season import DAY_MS, HOUR_MS, MONDAY_MS, uniform
from stream.schema.deploys import Deploy

# A service is deployed on every third working day, between 08:00 and 16:00 UTC.
DEPLOYS_A_DAY: Final = 1 / 3
FROM_H, TO_H = 8, 16
# A rolling update runs a quarter more pods for two minutes.
ROLLING_MS: Final = 120_000
ROLLING_SURGE: Final = 0.25
# The bad deploy stands this long before its pods begin to multiply: its metrics have to come in first.
FUSE_MS: Final = 150_000
# Scaled back by hand, the pods are gone within a minute.
DRAIN_MS: Final = 60_000
_WORKING_DAYS: Final = 5

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Runaway:
    """The pods of a service grow by a fixed factor a second from `at_ms` on, until `until_ms` (None: no end).

    20 to 2,000 pods are log2(100) = 6.64 doublings; 133 s make a doubling 20 s.
    """

    at_ms: int
    service: Service
    ramp_s: float
    pods_from: int
    pods_to: int
    until_ms: int | None

    def pods(self, at_ms: Ints) -> Floats:
        """How many pods the autoscaler runs at these times; 0 while it is sane."""
        part = np.clip((at_ms - self.at_ms) / (self.ramp_s * 1000), 0, 1)
        pods = self.pods_from * (self.pods_to / self.pods_from) ** part
        if self.until_ms is not None:
            pods = pods * np.clip(1 - (at_ms - self.until_ms) / DRAIN_MS, 0, 1)
        return np.where(at_ms >= self.at_ms, pods, 0.0)

    def deploys(self) -> list[Deploy]:
        """The bad deploy, and when it ends the roll-back."""
        deployed_ms = self.at_ms - FUSE_MS
        what = f"{_release(self.service, deployed_ms)}-2: autoscaling target 70 % -> 7 %"
        found = [deploy_of(self.service, deployed_ms, what, "deploy")]
        if self.until_ms is not None:
            what = f"{self.service.name}: roll-back"
            found.append(deploy_of(self.service, self.until_ms, what, "rollback"))
        return found


def service_named(name: str) -> Service:
    """Raises `ValueError` naming the services when there is none of that name."""
    for service in SERVICES:
        if service.name == name:
            return service
    raise ValueError(f"no service {name!r}; there are {', '.join(sorted(s.name for s in SERVICES))}")


def planned_ms(seed: int, services: Ints, days: Ints) -> Ints:
    """When each service is deployed on each day (counted from the epoch), in ms; -1: not that day."""
    drawn = uniform(seed, 11, services, days)
    working = (days * DAY_MS - MONDAY_MS) // DAY_MS % 7 < _WORKING_DAYS
    hour = FROM_H + (TO_H - FROM_H) * uniform(seed, 12, services, days)
    at_ms = days * DAY_MS + (hour * HOUR_MS).astype(np.int64)
    return np.where(working & (drawn < DEPLOYS_A_DAY), at_ms, -1)


def surge(seed: int, services: Ints, at_ms: Ints) -> Floats:
    """The factor by which a rolling update raises the pods: times (rows) by services (columns)."""
    times = at_ms[:, None]
    planned = planned_ms(seed, services[None, :], times // DAY_MS)
    rolling = (planned >= 0) & (times >= planned) & (times < planned + ROLLING_MS)
    return np.where(rolling, 1 + ROLLING_SURGE, 1.0)


def planned_deploys(seed: int, services: Sequence[Service], start_ms: int, end_ms: int) -> list[Deploy]:
    """The deploys of `[start_ms, end_ms)` in order of time."""
    numbers = np.arange(len(services), dtype=np.int64)
    days = np.arange(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1, dtype=np.int64)
    planned = planned_ms(seed, numbers[None, :], days[:, None])
    found = []
    for day, number in np.argwhere((planned >= start_ms) & (planned < end_ms) & (planned >= 0)):
        service = services[number]
        at_ms = int(planned[day, number])
        found.append(deploy_of(service, at_ms, _release(service, at_ms), "deploy"))
    return sorted(found, key=lambda deploy: deploy.time_s)


def _release(service: Service, at_ms: int) -> str:
    return f"{service.name} {dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC):%Y.%m.%d}"


def deploy_of(service: Service, at_ms: int, what: str, kind: str) -> Deploy:
    """What the deploy tool would say of a service at that time."""
    labels = {"namespace": service.namespace, "service": service.name}
    url = f"https://git.shop.example/{service.namespace}/{service.name}/deploys/{at_ms // 1000}"
    return Deploy(time_s=at_ms // 1000, kind=kind, what=what, labels=labels, url=url)

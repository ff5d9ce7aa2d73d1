"""What a game day plays: each scenario with the alert that an on-call engineer would want of it.

A page is wanted where money runs away so fast that waiting for the morning costs more than the sleep; a
ticket where somebody should look this week; nothing where all is as planned.
"""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from stream.demo.catalogue import Service
from stream.demo.deploys import deploy_of
from stream.demo.season import BATCH_WIDTH_H, HOUR_MS
from stream.demo.series import PODS_EU, PODS_US
from stream.gameday.world import DAY_MS, MONDAY_MS, Case, Effect, Floats, Ints, Shape, World, scope_of
from stream.schema.deploys import Deploy

MINUTE_MS: Final = 60_000
Scenario = Callable[[World], Case]


def runaway_autoscaler(world: World) -> Case:
    """20 pods become 2,000 within minutes, after a deploy."""
    service = _one(world, "pod_hours", 1)
    begin_ms = _at(world, 1, 14)
    pods = world.columns("pod_hours", service=service)
    now = service.us_pods + service.eu_pods
    return _page(world, begin_ms, Effect(pods, _rise(begin_ms, 133, 2000 / now)), service, "pod_hours",
                 deploy=_deployed(service, begin_ms, "autoscaling target 70 % -> 7 %"))  # fmt: skip


def retry_explosion(world: World) -> Case:
    """A function calls itself again and again: 40 times the invocations within two minutes."""
    service = _one(world, "gb_seconds", 2)
    begin_ms = _at(world, 2, 3)
    calls = world.columns("invocations", "gb_seconds", service=service)
    return _page(world, begin_ms, Effect(calls, _rise(begin_ms, 120, 40)), service, "gb_seconds")


def slow_triple(world: World) -> Case:
    """A service runs at three times its normal rate, all of a sudden, after a deploy."""
    service = _one(world, "pod_hours", 3)
    begin_ms = _at(world, 3, 10)
    everything = world.columns(service=service)
    return _page(world, begin_ms, Effect(everything, _step(begin_ms, 3.3)), service, _largest(world, service),
                 hours=3, deploy=_deployed(service, begin_ms, "cache switched off"))  # fmt: skip


def fast_egress(world: World) -> Case:
    """Somebody copies a database out: 30 times the bytes that leave the cloud."""
    service = _one(world, "egress_bytes", 4)
    begin_ms = _at(world, 5, 2)
    return _page(world, begin_ms, Effect(_internet(world, service), _step(begin_ms, 30)), service,
                 "egress_bytes")  # fmt: skip


def slow_egress(world: World) -> Case:
    """Somebody copies data out with patience: what leaves the cloud is up by 70 % for two days."""
    service = _one(world, "egress_bytes", 5)
    begin_ms = _at(world, 1, 1)
    return _ticket(world, begin_ms, Effect(_internet(world, service), _step(begin_ms, 1.7)), service,
                   "egress_bytes", days=2)  # fmt: skip


def orphaned_volumes(world: World) -> Case:
    """Volumes are made and never deleted: within four days storage is eight times what it was."""
    service = _one(world, "storage_gb_hours", 6)
    begin_ms = _at(world, 1, 8)
    volumes = world.columns("storage_gb_hours", service=service)
    return _ticket(world, begin_ms, Effect(volumes, _ramp(begin_ms, 4 * DAY_MS, 8.0)), service,
                   "storage_gb_hours", days=5)  # fmt: skip


def dearer_deploy(world: World) -> Case:
    """A deploy makes a service 40 % dearer, and it stays so."""
    service = _one(world, "pod_hours", 7)
    begin_ms = _at(world, 2, 9)
    everything = world.columns(service=service)
    return _ticket(world, begin_ms, Effect(everything, _step(begin_ms, 1.4)), service,
                   _largest(world, service), days=2,
                   deploy=_deployed(service, begin_ms, "debug build"))  # fmt: skip


def price_rise(world: World) -> Case:
    """A provider raises the price of machines by 25 %."""
    begin_ms = _at(world, 1, 0)
    columns = world.columns("pod_hours", source=PODS_EU)
    services = tuple(service for service in world.services if service.eu_pods)
    effect = Effect(columns, _step(begin_ms, 1.25), on_price=True)
    return Case("ticket", begin_ms, begin_ms + 2 * DAY_MS, begin_ms + 2 * DAY_MS, (effect,), services,
                "pod_hours", step_s=60)  # fmt: skip


def silent_meter(world: World) -> Case:
    """A cluster's exporter dies. Its money is not saved, it is not seen."""
    begin_ms = _at(world, 2, 11)
    services = tuple(service for service in world.services if service.us_pods)
    end_ms = begin_ms + 2 * HOUR_MS
    return Case("ticket", begin_ms, end_ms, end_ms, services=services, silent=PODS_US)


def doubled_meter(world: World) -> Case:
    """Two exporters report the same cluster, so that all of it counts twice."""
    begin_ms = _at(world, 2, 15)
    services = tuple(service for service in world.services if service.eu_pods)
    end_ms = begin_ms + 2 * HOUR_MS
    return Case("ticket", begin_ms, end_ms, end_ms, services=services, driver="pod_hours", repeated=PODS_EU)


def log_cardinality(world: World) -> Case:
    """A label with user ids: a service's log bill grows eightfold over a day, after a deploy."""
    service = _one(world, "log_bytes", 8)
    begin_ms = _at(world, 1, 9)
    logs = world.columns("log_bytes", service=service)
    return _ticket(world, begin_ms, Effect(logs, _ramp(begin_ms, DAY_MS, 8.0)), service, "log_bytes", days=2,
                   deploy=_deployed(service, begin_ms, "log line with user id"))  # fmt: skip


def ci_storm(world: World) -> Case:
    """Flaky tests are retried without end: ten times the build minutes for an afternoon."""
    service = _one(world, "ci_minutes", 9)
    begin_ms = _at(world, 3, 13)
    builds = world.columns("ci_minutes", service=service)
    return _page(world, begin_ms, Effect(builds, _step(begin_ms, 10)), service, "ci_minutes", hours=3)


def token_loop(world: World) -> Case:
    """An agent talks to itself: 25 times the tokens."""
    service = _one(world, "llm_input_tokens", 10)
    begin_ms = _at(world, 4, 16)
    tokens = world.columns("llm_input_tokens", "llm_output_tokens", service=service)
    return _page(world, begin_ms, Effect(tokens, _rise(begin_ms, 60, 25)), service, "llm_input_tokens")


def forgotten_cluster(world: World) -> Case:
    """A load test is never switched off: the office's service runs at six times its weekend rate."""
    service = _one(world, "pod_hours", 11)
    begin_ms = _at(world, 5, 20)
    pods = world.columns("pod_hours", service=service)
    return _page(world, begin_ms, Effect(pods, _step(begin_ms, 6)), service, "pod_hours")


def wrong_unit(world: World) -> Case:
    """A collector confuses cents and dollars: one service's costs are 1,000 times what they are."""
    service = next(service for service in world.services[12:] if service.eu_pods)
    begin_ms = _at(world, 2, 13)
    columns = world.columns("pod_hours", service=service, source=PODS_EU)
    return _page(world, begin_ms, Effect(columns, _step(begin_ms, 1000.0), on_price=True), service,
                 "pod_hours")  # fmt: skip


def moved_batch(world: World) -> Case:
    """The nightly batch runs at 11:00 instead of 02:00."""
    service = next(service for service in world.services if service.season.batch)
    begin_ms = MONDAY_MS + DAY_MS - 2 * HOUR_MS
    all_of_it = world.columns(service=service)
    batch = np.array([one for one in all_of_it if world.series[one].season.batch], dtype=np.int64)

    def running(at_ms: Ints, hour: float) -> Floats:
        widths = ((at_ms - MONDAY_MS - DAY_MS) / HOUR_MS - hour) / BATCH_WIDTH_H
        return np.where(abs(widths) < 5, 1 + service.season.batch * np.exp(-0.5 * widths**2), 1.0)

    def moved(at_ms: Ints) -> Floats:
        return running(at_ms, 11.0) / running(at_ms, service.season.peak_h)

    return _nothing(world, begin_ms, Effect(batch, moved), (service,), hours=18, step_s=60)


def load_test(world: World) -> Case:
    """A load test of five times the load, announced in a maintenance window, and over with it."""
    service = _one(world, "pod_hours", 14)
    begin_ms = _at(world, 4, 10)
    window = _window(service, begin_ms, 2)
    loaded = _step(begin_ms, 5, begin_ms + 2 * HOUR_MS)
    return _nothing(world, begin_ms, Effect(world.columns(service=service), loaded), (service,),
                    hours=4, step_s=10, config={"maintenance": [window]})  # fmt: skip


def load_test_left_on(world: World) -> Case:
    """An announced load test of five times the load that does not end with its window."""
    service = _one(world, "pod_hours", 15)
    end_ms = _at(world, 4, 12)
    window = _window(service, end_ms - HOUR_MS, 1)
    everything = world.columns(service=service)
    return _page(world, end_ms, Effect(everything, _step(end_ms - HOUR_MS, 5)), service,
                 _largest(world, service), config={"maintenance": [window]})  # fmt: skip


def beyond_the_plan(world: World) -> Case:
    """A migration may cost three times the normal until the evening; it costs twelve times as much."""
    service = _one(world, "pod_hours", 16)
    begin_ms = _at(world, 3, 11)
    normal = world.usd_per_hour[world.columns(service=service)].sum()
    plan = _window(service, begin_ms, 6) | {"ceiling_usd_per_hour": round(3 * float(normal), 2)}
    return _page(world, begin_ms, Effect(world.columns(service=service), _step(begin_ms, 12)), service,
                 _largest(world, service), config={"plans": [plan]})  # fmt: skip


def within_the_plan(world: World) -> Case:
    """A migration may cost six times the normal until the evening; it costs half of that."""
    service = _one(world, "pod_hours", 17)
    begin_ms = _at(world, 3, 11)
    normal = world.usd_per_hour[world.columns(service=service)].sum()
    plan = _window(service, begin_ms, 6) | {"ceiling_usd_per_hour": round(6 * float(normal), 2)}
    migrating = _step(begin_ms, 3, begin_ms + 6 * HOUR_MS)
    return _nothing(world, begin_ms, Effect(world.columns(service=service), migrating), (service,),
                    hours=8, step_s=60, config={"plans": [plan]})  # fmt: skip


def black_friday(world: World) -> Case:
    """Customers come: all that follows them grows 1.8-fold over a morning."""
    services = tuple(service for service in world.services if service.season.peak_h == 15.5)
    begin_ms = _at(world, 4, 6)
    columns = np.concatenate([world.columns(service=service) for service in services])
    return _nothing(world, begin_ms, Effect(columns, _ramp(begin_ms, 5 * HOUR_MS, 1.8)), services, hours=14,
                    step_s=60)  # fmt: skip


def failover(world: World) -> Case:
    """One region is emptied into the other: as many dollars' worth of machines, of the size that it has."""
    services = tuple(service for service in world.services if service.eu_pods)
    begin_ms = _at(world, 3, 9)
    emptied = Effect(world.columns("pod_hours", source=PODS_EU), _step(begin_ms, 0.05))

    def spent(service: Service, source: str) -> float:
        return float(world.usd_per_hour[world.columns("pod_hours", service=service, source=source)].sum())

    filled = tuple(
        Effect(world.columns("pod_hours", service=one, source=PODS_US),
               _step(begin_ms, 1 + 0.95 * spent(one, PODS_EU) / spent(one, PODS_US)))
        for one in services
    )  # fmt: skip
    end_ms = begin_ms + 4 * HOUR_MS
    return Case("nothing", begin_ms, end_ms, end_ms, (emptied, *filled), services)


def refund(world: World) -> Case:
    """A provider gives money back: a service's cost is negative for an hour."""
    service = next(service for service in world.services[15:] if service.eu_pods)
    begin_ms = _at(world, 2, 10)
    columns = world.columns("pod_hours", service=service, source=PODS_EU)

    def refunded(at_ms: Ints) -> Floats:
        return np.where((at_ms >= begin_ms) & (at_ms < begin_ms + HOUR_MS), -20.0, 1.0)

    return _nothing(world, begin_ms, Effect(columns, refunded, on_price=True), (service,), hours=4, step_s=10)


def holiday(world: World) -> Case:
    """A public holiday: the offices stay dark, and the day after is a normal day."""
    services = tuple(service for service in world.services if service.season.weekend < 1)
    begin_ms = _at(world, 2, 0)
    columns = np.concatenate([world.columns(service=service) for service in services])

    def dark(at_ms: Ints) -> Floats:
        return np.where((at_ms >= begin_ms) & (at_ms < begin_ms + DAY_MS), 0.35, 1.0)

    return _nothing(world, begin_ms, Effect(columns, dark), services, hours=36, step_s=60)


SCENARIOS: Final[tuple[Scenario, ...]] = (
    runaway_autoscaler, retry_explosion, slow_triple, fast_egress, ci_storm, token_loop, forgotten_cluster,
    wrong_unit, beyond_the_plan, load_test_left_on, slow_egress, orphaned_volumes, dearer_deploy, price_rise,
    silent_meter, doubled_meter, log_cardinality, moved_batch, load_test, within_the_plan, black_friday,
    failover, refund, holiday,
)  # fmt: skip


def _page(
    world: World, begin_ms: int, effect: Effect, service: Service, driver: str, *,
    hours: float = 1.5, deploy: Deploy | None = None, config: dict[str, object] | None = None,
) -> Case:  # fmt: skip
    end_ms = begin_ms + int(hours * HOUR_MS)
    return Case("page", begin_ms, end_ms, end_ms, (effect,), (service,), driver, deploy, config=config or {})


def _ticket(
    world: World, begin_ms: int, effect: Effect, service: Service, driver: str, *,
    days: int, deploy: Deploy | None = None,
) -> Case:  # fmt: skip
    end_ms = begin_ms + days * DAY_MS
    return Case("ticket", begin_ms, end_ms, end_ms, (effect,), (service,), driver, deploy, step_s=60)


def _nothing(
    world: World, begin_ms: int, effect: Effect, services: Sequence[Service], *,
    hours: int, step_s: int, config: dict[str, object] | None = None,
) -> Case:  # fmt: skip
    end_ms = begin_ms + hours * HOUR_MS
    return Case("nothing", begin_ms, end_ms, end_ms, (effect,), tuple(services), step_s=step_s,
                config=config or {})  # fmt: skip


def _window(service: Service, begin_ms: int, hours: int) -> dict[str, object]:
    """A time that is announced for a service, in `burnline.yaml`."""
    since, until = (
        dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC) for at_ms in (begin_ms, begin_ms + hours * HOUR_MS)
    )
    return {"name": "announced", "scopes": [scope_of(service)], "since": since, "until": until}


def _at(world: World, day: int, hour: int) -> int:
    """That hour of the game's week, give or take some minutes that the seed decides."""
    chance = np.random.default_rng([world.seed, day, hour])
    return MONDAY_MS + day * DAY_MS + hour * HOUR_MS + int(chance.integers(0, 180)) * 10_000


def _one(world: World, driver: str, key: int) -> Service:
    """One of the services that spend most on this driver, and is no batch: drawn by the seed."""
    wanted = [one for one in world.by_spend_on(driver) if not one.season.batch]
    wanted = wanted[: max(1, len(wanted) // 2)]
    return wanted[int(np.random.default_rng([world.seed, 7, key]).integers(len(wanted)))]


def _largest(world: World, service: Service) -> str:
    """The driver on which it spends most."""
    drivers = {one.driver for one in world.series if one.labels["service"] == service.name}
    return max(
        sorted(drivers), key=lambda driver: world.usd_per_hour[world.columns(driver, service=service)].sum()
    )


def _internet(world: World, service: Service) -> Ints:
    columns = world.columns("egress_bytes", service=service)
    return np.array(
        [one for one in columns if world.series[one].sku == "internet"] or columns, dtype=np.int64
    )


def _deployed(service: Service, begin_ms: int, what: str) -> Deploy:
    return deploy_of(service, begin_ms - 2 * MINUTE_MS, f"{service.name}: {what}", "deploy")


def _step(begin_ms: int, factor: float, end_ms: float = math.inf) -> Shape:
    return lambda at_ms: np.where((at_ms >= begin_ms) & (at_ms < end_ms), factor, 1.0)


def _ramp(begin_ms: int, lasts_ms: int, factor: float) -> Shape:
    return lambda at_ms: 1 + (factor - 1) * np.clip((at_ms - begin_ms) / lasts_ms, 0, 1)


def _rise(begin_ms: int, lasts_s: float, factor: float) -> Shape:
    """By the same factor every second."""
    return lambda at_ms: np.asarray(factor ** np.clip((at_ms - begin_ms) / (lasts_s * 1000), 0, 1))

"""How much of everything a rate of estimates needs, worked out from what was measured."""

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.scale.estate import COMPONENTS
from bench.scale.figures import Figure, find, shown
from bench.workload import Variant, generate

# Nothing of this is measured: what a reader should put right for themselves.
BUSY: Final = 0.5  # of a core, so that a process can catch up twice as fast as it falls behind
PARTITIONS_A_PROCESS: Final = 4  # so that load can be moved, and processes added
SOURCES: Final = 8  # usage partitions in which one scope's estimates lie, within a second
BROKER_MB_A_S: Final = 100.0  # that producers write to one broker, before it is copied
BROKER_CORES: Final = 4
BROKER_GIB: Final = 16.0
COPIES: Final = 3
KEPT_H: Final = 24.0  # of `usage`
CORE_USD_AN_HOUR: Final = 0.05
GIB_USD_AN_HOUR: Final = 0.006
DISK_USD_A_GB_MONTH: Final = 0.08
MONTH_H: Final = 730.0
EVERY_S: Final = 10.0  # each thing that costs money is metered
THING_USD_AN_HOUR: Final = 0.02  # half a core

RATES: Final = ((1_000_000, 10_000), (10_000_000, 50_000), (100_000_000, 200_000))
"""Estimates a second, and the scopes that they are of."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What everything is worked out from."""

    meter_per_core_s: float  # estimates
    bytes_an_estimate: float
    burn_s_a_million_rows: float
    burn_us_a_record: float
    look_s: float  # of all detectors over `look_scopes`, each 10 s
    look_scopes: int
    worker_mib: float  # without scopes
    scope_kib: float
    state_mb_a_s: float  # of `look_scopes`, all busy
    meter_mib: float


@dataclass(frozen=True, slots=True)
class Need:
    """Of one rate. Cores are those that are busy; processes have one each, half busy."""

    estimates_per_s: int
    scopes: int
    usage_mb_per_s: float
    meter_cores: float
    meters: int
    usage_partitions: int
    worker_cores: float
    workers: int
    spend_partitions: int
    worker_gib: float
    state_mb_per_s: float
    brokers: int
    usd_per_hour: float
    watched_usd_per_hour: float

    @property
    def share(self) -> float:
        """What burnline costs of what it watches."""
        return self.usd_per_hour / self.watched_usd_per_hour


def measured(figures: Sequence[Figure], per_cpu_s: float, variant: Variant, meter_mib: float) -> Measured:
    """From a run at scale; `per_cpu_s` is what the meter did of that kind of message."""
    peaks = [one for one in figures if one.group == "worker: memory, peak"]
    sizes = [int(one.name.removesuffix(" scopes").replace(",", "")) for one in peaks]
    few, many = (one.value for one in peaks)
    scope_mib = (many - few) / (sizes[1] - sizes[0])
    size = f"{sizes[0]:,} scopes"
    work = generate(variant, 10_000)
    return Measured(
        meter_per_core_s=per_cpu_s,
        bytes_an_estimate=sum(map(len, work.values)) / work.oracle.estimates,
        burn_s_a_million_rows=find(figures, "burn: CPU a million rows of spend", size),
        burn_us_a_record=find(figures, "burn: CPU of a record without rows", size),
        look_s=(
            find(figures, "burn: a look of all detectors", size) * 5 / 6
            + find(figures, "burn: a look at a full minute", size) / 6
        ) / 1000,
        look_scopes=sizes[0],
        worker_mib=few - scope_mib * sizes[0],
        scope_kib=scope_mib * 1024,
        state_mb_a_s=find(figures, "worker: state written a second, all scopes busy", size),
        meter_mib=meter_mib,
    )  # fmt: skip


def need(found: Measured, estimates_per_s: int, scopes: int) -> Need:
    meter_cores = estimates_per_s / found.meter_per_core_s
    meters = math.ceil(meter_cores / BUSY)
    partitions = meters * PARTITIONS_A_PROCESS
    # However many estimates there are: a meter sends each scope's parts once a second.
    rows_per_s = scopes * COMPONENTS * min(SOURCES, partitions)
    looks_s = found.look_s * scopes / found.look_scopes / 10
    worker_cores = rows_per_s / 1e6 * found.burn_s_a_million_rows + looks_s
    spend_partitions = math.ceil(worker_cores / BUSY) * PARTITIONS_A_PROCESS
    # Each partition of `usage` sends a record to each of `spend` once a second, with rows or without.
    worker_cores += partitions * spend_partitions * found.burn_us_a_record / 1e6
    workers = math.ceil(worker_cores / BUSY)
    worker_gib = (workers * found.worker_mib + scopes * found.scope_kib / 1024) / 1024
    usage_mb_per_s = estimates_per_s * found.bytes_an_estimate / 1e6
    state_mb_per_s = found.state_mb_a_s * scopes / found.look_scopes
    brokers = max(COPIES, math.ceil((usage_mb_per_s + state_mb_per_s) / BROKER_MB_A_S))
    cores = meters + workers + brokers * BROKER_CORES
    memory_gib = meters * found.meter_mib / 1024 + worker_gib + brokers * BROKER_GIB
    disk_gb = usage_mb_per_s / 1000 * KEPT_H * 3600 * COPIES
    return Need(
        estimates_per_s, scopes, usage_mb_per_s, meter_cores, meters, partitions, worker_cores, workers,
        spend_partitions, worker_gib, state_mb_per_s, brokers,
        usd_per_hour=cores * CORE_USD_AN_HOUR
        + memory_gib * GIB_USD_AN_HOUR
        + disk_gb * DISK_USD_A_GB_MONTH / MONTH_H,
        watched_usd_per_hour=estimates_per_s * EVERY_S * THING_USD_AN_HOUR,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Skew:
    """The hottest partition over the mean: of `usage` by estimates, and of `spend` by estimates that its
    scopes are behind, and by the rows that really come."""

    partitions: int
    usage: float
    spend_estimates: float
    spend_rows: float


def skew(partitions: int, names: int, estimates_per_s: float, exponent: float = 1.0) -> Skew:
    """Sources and scopes by Zipf's law, the first as often as the second and third together nearly; keyed as
    on Kafka."""
    weights = np.arange(1, names + 1) ** -exponent
    rates = estimates_per_s * weights / weights.sum()
    # A scope has rows in a second if it has any estimate in it.
    rows = 1 - np.exp(-rates)
    return Skew(
        partitions,
        _hottest(rates, "agent/{}", partitions),
        _hottest(rates, "service=shop/{}", partitions),
        _hottest(rows, "service=shop/{}", partitions),
    )


def _hottest(load: np.ndarray[tuple[int], np.dtype[np.float64]], name: str, partitions: int) -> float:
    places = [zlib.crc32(name.format(number).encode()) % partitions for number in range(len(load))]
    sums = np.bincount(places, load, minlength=partitions)
    return float(sums.max() / sums.mean())


def page(found: Measured) -> str:
    """The tables of docs/sizing.md."""
    return "".join(f"{line}\n" for line in [*_measured(found), "", *_needs(found), "", *_skews()])


def _measured(found: Measured) -> Iterator[str]:
    yield "| measured | |"
    yield "|---|---|"
    yield f"| estimates a core-second of the meter | {shown(found.meter_per_core_s)} |"
    yield f"| bytes an estimate | {shown(found.bytes_an_estimate)} |"
    yield f"| burn, CPU a million rows | {shown(found.burn_s_a_million_rows)} s |"
    yield f"| a record without rows | {shown(found.burn_us_a_record)} µs |"
    looks = f"looks of all detectors over {found.look_scopes:,} scopes, each 10 s"
    yield f"| {looks} | {1000 * found.look_s:.0f} ms |"
    yield f"| a worker without scopes | {shown(found.worker_mib)} MiB |"
    yield f"| a scope more | {shown(found.scope_kib)} KiB |"
    yield f"| state written, {found.look_scopes:,} busy scopes | {shown(found.state_mb_a_s)} MB/s |"
    yield f"| a meter | {shown(found.meter_mib)} MiB |"


def _needs(found: Measured) -> Iterable[str]:
    needs = [need(found, rate, scopes) for rate, scopes in RATES]
    rows = (
        ("scopes", [f"{one.scopes:,}" for one in needs]),
        ("`usage`, MB a second", [shown(one.usage_mb_per_s) for one in needs]),
        ("meter, cores busy", [shown(one.meter_cores) for one in needs]),
        ("meters", [f"{one.meters:,}" for one in needs]),
        ("partitions of `usage`", [f"{one.usage_partitions:,}" for one in needs]),
        ("burn, cores busy", [shown(one.worker_cores) for one in needs]),
        ("workers", [f"{one.workers:,}" for one in needs]),
        ("partitions of `spend`", [f"{one.spend_partitions:,}" for one in needs]),
        ("memory of all workers, GiB", [shown(one.worker_gib) for one in needs]),
        ("state written, MB a second", [shown(one.state_mb_per_s) for one in needs]),
        ("brokers", [f"{one.brokers:,}" for one in needs]),
        ("cost of all that, $ an hour", [shown(one.usd_per_hour) for one in needs]),
        ("spend it watches, $ an hour", [shown(one.watched_usd_per_hour) for one in needs]),
        ("share", [f"{one.share:.4%}" for one in needs]),
    )
    return [
        "| estimates a second | " + " | ".join(f"{one.estimates_per_s:,}" for one in needs) + " |",
        "|---|" + "---|" * len(needs),
        *(f"| {name} | {' | '.join(values)} |" for name, values in rows),
    ]


def _skews() -> Iterator[str]:
    yield "| partitions | `usage`, by estimates | `spend`, if every estimate came | `spend`, by rows |"
    yield "|---|---|---|---|"
    for partitions in (4, 16, 64):
        one = skew(partitions, names=10_000, estimates_per_s=1_000_000)
        shares = (one.usage, one.spend_estimates, one.spend_rows)
        yield f"| {partitions} | {' | '.join(f'{share:.2f} ×' for share in shares)} |"

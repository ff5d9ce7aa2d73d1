"""The sizing page is worked out from the runs on record, and the arithmetic is right."""

import zlib
from dataclasses import replace

import pytest

from bench import record
from bench.scale.sizing import Measured, need, skew

ROUND = Measured(
    meter_per_core_s=1_000_000,
    bytes_an_estimate=100,
    burn_s_a_million_rows=1.0,
    burn_us_a_record=0.0,
    look_s=0.0,
    look_scopes=10_000,
    worker_mib=100,
    scope_kib=25,
    state_mb_a_s=0.5,
    meter_mib=200,
)


def test_the_page_is_that_of_the_runs_on_record() -> None:
    page = record.SIZING.read_text("utf-8").partition(record.BEGIN)[2].partition(record.END)[0]
    assert page == record.sizing_tables()
    [share] = [line for line in page.splitlines() if line.startswith("| share |")]
    shares = [float(cell.strip().rstrip("%")) for cell in share.split("|")[2:-1]]
    assert len(shares) == 3
    assert all(0 < each < 0.1 for each in shares)  # per cent


def test_a_million_estimates_a_second_by_hand() -> None:
    found = need(ROUND, 1_000_000, 10_000)
    # One core of meter, half busy: 2 processes, 8 partitions. 100 B each: 100 MB/s.
    assert (found.meters, found.usage_partitions, found.usage_mb_per_s) == (2, 8, 100)
    # 10,000 scopes of 4 parts from 8 partitions: 320,000 rows a second, 0.32 of a core.
    assert found.worker_cores == pytest.approx(0.32)
    assert (found.workers, found.spend_partitions) == (1, 4)
    assert found.worker_gib == pytest.approx((100 + 250_000 / 1024) / 1024)
    assert found.brokers == 3  # never fewer than copies
    # 2 + 1 + 12 cores; 0.39 + 0.34 + 48 GiB; 100 MB/s for a day, three times, at $0.08 a month.
    disk = 0.1 * 86_400 * 3 * 0.08 / 730
    memory = 400 / 1024 + found.worker_gib + 48
    assert found.usd_per_hour == pytest.approx(15 * 0.05 + memory * 0.006 + disk)
    assert found.watched_usd_per_hour == 200_000
    assert found.share == found.usd_per_hour / 200_000


def test_burn_does_not_grow_with_estimates_but_with_scopes_and_partitions() -> None:
    few, many = need(ROUND, 10_000_000, 10_000), need(ROUND, 100_000_000, 10_000)
    assert few.worker_cores == many.worker_cores
    assert many.meter_cores == 10 * few.meter_cores
    assert need(ROUND, 10_000_000, 20_000).worker_cores == pytest.approx(2 * few.worker_cores)
    dearer = replace(ROUND, burn_us_a_record=100.0)
    records = few.usage_partitions * few.spend_partitions
    assert need(dearer, 10_000_000, 10_000).worker_cores == pytest.approx(few.worker_cores + records * 1e-4)


def test_one_busy_source_is_a_hot_partition_and_a_busy_scope_is_not() -> None:
    one = skew(64, names=10_000, estimates_per_s=1_000_000)
    assert one.usage > 6  # a tenth of everything in one of 64
    assert one.spend_estimates > 6
    assert one.spend_rows < 1.2


def test_even_load_is_as_even_as_the_hash() -> None:
    one = skew(4, names=1000, estimates_per_s=1e9, exponent=0.0)
    counts = [0] * 4
    for number in range(1000):
        counts[zlib.crc32(b"agent/%d" % number) % 4] += 1
    assert one.usage == pytest.approx(max(counts) / 250)

"""Real exports and traces: the readers' totals are those of the file, to the last digit.

The expected sums are worked out here from plain CSV and decimals. $BURNLINE_DATA is where the files are.
"""

import csv
import gzip
import os
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tests.collect.files import outcome

DATA = Path(os.environ.get("BURNLINE_DATA", Path(__file__).parents[2].parent / "shared/data"))


def real(name: str) -> Path:
    if not DATA.is_dir():
        pytest.skip(f"real data files are not here: set BURNLINE_DATA (looked in {DATA})")
    return DATA / name


def rows_of(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines(keepends=True)))


def total(texts: Iterable[str]) -> Decimal:
    return sum(map(Decimal, texts), Decimal(0))


def test_focus_sample() -> None:
    path = real("focus/focus_1_0_sample.csv.gz")
    rows = rows_of(path)
    found = outcome(path)
    assert found.reading.format.name == "focus"
    assert (found.reading.rows, found.reading.accepted, len(found.estimates)) == (1000, 1000, 1000)
    assert found.cost_usd == total(row["BilledCost"] for row in rows) == Decimal("20.52022672899")
    assert sorted(e["cost_usd"] for e in found.estimates) == sorted(row["BilledCost"] for row in rows)
    for name, label in (("AWS", "aws"), ("Microsoft", "azure"), ("Oracle", "oracle")):
        of_it = (e["cost_usd"] for e in found.estimates if e["labels"]["provider"] == label)
        assert total(of_it) == total(row["BilledCost"] for row in rows if row["ProviderName"] == name)
    assert outcome(path, cost_column="EffectiveCost").cost_usd == total(row["EffectiveCost"] for row in rows)


def test_every_example_of_the_focus_specification() -> None:
    paths = sorted(real("focus/spec_1_2_examples").glob("*.csv"))
    assert len(paths) == 26
    rejected_rows = 0
    for path in paths:
        rows = rows_of(path)
        found = outcome(path, "focus", currency="USD")
        assert found.reading.rows == len(rows), path.name
        # Two rows end at 30 o'clock: no time, and the specification's own slip.
        good = [row for row in rows if "T30:" not in row["ChargePeriodEnd"]]
        reasons = [rejected.reason for rejected in found.rejected]
        assert reasons == ["'2023-02-01T30:00:00Z' is not a time"] * (len(rows) - len(good)), path.name
        money = (row["BilledCost"].strip().removeprefix("$").replace(",", "") for row in good)
        assert found.cost_usd == total(money), path.name
        rejected_rows += len(rows) - len(good)
    assert rejected_rows == 2


def test_aws_cost_and_usage_report() -> None:
    path = real("billing_exports/aws_cur_2023-11_anonymous.csv.gz")
    rows = rows_of(path)
    found = outcome(path)
    assert (found.reading.format.name, found.reading.accepted, len(found.estimates)) == (
        "aws-cur",
        1281,
        1281,
    )
    assert found.cost_usd == total(row["lineItem/UnblendedCost"] for row in rows) == Decimal("1.68230869740")
    assert sum(e["labels"]["charge_category"] == "Tax" for e in found.estimates) == 12
    assert sum(e["labels"].get("operation") == "None" for e in found.estimates) == 12
    for unit, driver in (("GB", "gb"), ("GB-Mo", "gb_months")):
        used = total(row["lineItem/UsageAmount"] for row in rows if row["pricing/unit"] == unit)
        assert found.quantity(driver) == used


def test_azure_in_canadian_dollars_is_never_taken_for_us_dollars() -> None:
    path = real("billing_exports/azure_ea_2023-09_anonymous.csv.gz")
    expected = total(row["CostInBillingCurrency"] for row in rows_of(path))
    found = outcome(path)
    assert (len(found.rejected), found.messages) == (27, [])
    assert {rejected.reason.split(":")[0] for rejected in found.rejected} == {"currency CAD is not USD"}
    assert found.reading.native == {"CAD": expected} == {"CAD": Decimal("1.26136926505726")}
    assert outcome(path, fx={"CAD": Decimal("0.7371")}).cost_usd == expected * Decimal("0.7371")


def test_oracle_cost_report() -> None:
    path = real("billing_exports/oci_cost_2023-11.csv.gz")
    found = outcome(path)
    assert (found.reading.format.name, len(found.estimates)) == ("oci", 506)
    expected = total(row["cost/myCost"] for row in rows_of(path))
    assert found.cost_usd == expected == Decimal("2.523589325400648027")
    assert {e["end"] - e["start"] for e in found.estimates} == {3_600_000}


def test_github_counts_two_identical_rows_twice() -> None:
    path = real("ci/github_actions_usage_2023-01.csv")
    found = outcome(path)
    assert (found.reading.rows, len(found.estimates)) == (13, 13)
    # 1 + 1 + 34 + 3 + 11 minutes at 0.008; storage of 0.0
    assert found.quantity("ci_minutes") == 50
    assert found.cost_usd == Decimal("0.4")
    unknown = outcome(real("ci/github_actions_usage_bad_product.csv"))
    assert [e["labels"]["service"] for e in unknown.estimates] == ["Wat"]


def test_function_counts_of_a_day() -> None:
    path = real("serverless/azure_functions_2019_200_inv.csv.gz")
    counts = {
        row["HashFunction"]: sum(int(n) for name, n in row.items() if name.startswith("minute_"))
        for row in rows_of(path)
    }
    run = {
        row["HashFunction"]: row["Average"]
        for row in rows_of(real("serverless/azure_functions_2019_200_run.csv.gz"))
    }
    memory = {
        row["HashApp"]: row["AverageAllocatedMb"]
        for row in rows_of(real("serverless/azure_functions_2019_200_mem.csv.gz"))
    }
    found = outcome(path)
    assert (found.reading.rows, found.reading.accepted) == (200, 200)
    assert found.quantity("invocations") == sum(counts.values()) == 1_770_353
    expected = sum(
        Fraction(count) * Fraction(run[name]) / 1000 * Fraction(memory[name]) / 1024
        for name, count in counts.items()  # in this sample a function and its app have one hash
    )
    assert Fraction(found.quantity("gb_seconds")) == expected


def test_single_invocations_keep_their_late_order() -> None:
    path = real("serverless/azure_functions_2021_200.csv.gz")
    rows = rows_of(path)
    ends = [Decimal(row["end_timestamp"]) for row in rows]
    backward = sum(later < earlier for earlier, later in pairwise(ends))
    found = outcome(path)
    assert found.quantity("invocations") == 199
    assert (len(found.estimates), backward) == (199, 83)
    read = [e["end"] for e in found.estimates]
    assert sum(later < earlier for earlier, later in pairwise(read)) == backward


def test_pods_never_scheduled_cost_nothing_and_the_rest_add_up() -> None:
    path = real("kubernetes/alibaba_gpu_2023_pods.csv.gz")
    scheduled = [row for row in rows_of(path) if row["scheduled_time"]]
    found = outcome(path)
    assert found.reading.excluded == {"never scheduled": 897}
    assert found.reading.accepted == len(scheduled) == 8152 - 897
    hours = [Fraction(int(r["deletion_time"]) - int(r["scheduled_time"]), 3600) for r in scheduled]
    expected = {
        "cpu_core_hours": [Fraction(int(r["cpu_milli"]), 1000) for r in scheduled],
        "memory_gib_hours": [Fraction(int(r["memory_mib"]), 1024) for r in scheduled],
        "gpu_hours": [Fraction(int(r["num_gpu"]) * int(r["gpu_milli"]), 1000) for r in scheduled],
    }
    for driver, sizes in expected.items():
        exact = sum(size * span for size, span in zip(sizes, hours, strict=True))
        # Each pod is rounded once, to 1e-12.
        assert abs(Fraction(found.quantity(driver)) - exact) <= len(scheduled) * Fraction(1, 2 * 10**12)


def test_instances_that_began_before_or_outlive_the_trace() -> None:
    path = real("kubernetes/alibaba_dlrm_2025_instances.csv.gz")
    rows = rows_of(path)
    end = max(Fraction(row[c]) for row in rows for c in ("scheduled_time", "deletion_time") if row[c])
    found = outcome(path)
    exact = sum(
        Fraction(row["cpu_request"])
        * (Fraction(row["deletion_time"] or end) - Fraction(row["scheduled_time"] or 0))
        / 3600
        for row in rows
    )
    assert found.reading.accepted + found.reading.excluded["ran for no time"] == len(rows) == 23871
    # Times are rounded to 1 ms, at both ends, for at most 96 cores.
    assert abs(Fraction(found.quantity("cpu_core_hours")) - exact) < len(rows) * Fraction(96, 3_600_000)

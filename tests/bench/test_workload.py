"""The generator's sums are what its messages say, added up by code that knows nothing of the generator."""

import json
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench.workload import (
    BUCKET_MS,
    ENVELOPE,
    IN_COLUMNS,
    LABEL_SETS,
    NODES,
    PER_BUCKET,
    START_MS,
    Variant,
    Workload,
    generate,
)

ESTIMATES = 40_000
NANO = 10**9


def estimates_of(message: Any) -> list[dict[str, Any]]:
    if "columns" in message:
        columns = message["columns"]
        return [
            message["series"][place] | {"cost_usd": Decimal(nusd) / NANO}
            for place, nusd in zip(columns["series"], columns["cost_nusd"], strict=True)
        ]
    if isinstance(message, list):
        return message
    if "estimates" not in message:
        return [message]
    shared = message.get("labels", {})
    return [one | {"labels": shared | one.get("labels", {})} for one in message["estimates"]]


def added_up(work: Workload) -> tuple[int, dict[str, Decimal]]:
    count, sums = 0, defaultdict[str, Decimal](Decimal)
    for value in work.values:
        for one in estimates_of(json.loads(value)):
            labels, cost_usd = one["labels"], Decimal(one["cost_usd"])
            count += 1
            for scope in (
                "total",
                f"team={labels['team']}",
                f"service={labels['namespace']}/{labels['service']}",
            ):
                sums[scope] += cost_usd
    return count, dict(sums)


@pytest.mark.parametrize("variant", Variant)
def test_the_oracle_is_the_sum_of_the_decimals_sent(variant: Variant) -> None:
    work = generate(variant, ESTIMATES)
    count, sums = added_up(work)
    assert count == work.oracle.estimates == ESTIMATES
    assert {scope: cost_usd * NANO for scope, cost_usd in sums.items()} == work.oracle.scopes_nusd


def test_it_is_an_estate_of_2000_services_and_50_teams_that_moves_on_by_10_s_every_30000() -> None:
    work = generate(Variant.SINGLE, 2 * PER_BUCKET)
    kinds = Counter(scope.partition("=")[0] for scope in work.oracle.scopes_nusd)
    assert kinds["team"] == 50
    assert 1_950 < kinds["service"] <= 2_000
    starts = [json.loads(value)["start"] for value in work.values]
    assert {(start - START_MS) // BUCKET_MS for start in starts[:PER_BUCKET]} == {0}
    assert {(start - START_MS) // BUCKET_MS for start in starts[PER_BUCKET:]} == {1}
    assert work.arrived_ms == sorted(work.arrived_ms)


def test_each_node_has_label_sets_of_its_own() -> None:
    owners: dict[str, str] = {}
    for value in generate(Variant.COLUMNS, ESTIMATES).values:
        message = json.loads(value)
        assert len(message["series"]) == LABEL_SETS // NODES
        for one in message["series"]:
            assert owners.setdefault(json.dumps(one), message["source"]) == message["source"]
    assert len(owners) == ESTIMATES // IN_COLUMNS * (LABEL_SETS // NODES)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    one, same, other = (generate(Variant.OWN, ENVELOPE, seed=seed) for seed in (1, 1, 2))
    assert one.values == same.values
    assert one.values != other.values


def test_a_workload_survives_its_file(tmp_path: Path) -> None:
    work = generate(Variant.SHARED, ENVELOPE)
    work.save(tmp_path / "work")
    assert Workload.load(tmp_path / "work") == work

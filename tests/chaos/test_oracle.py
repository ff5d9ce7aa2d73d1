"""The oracle on inputs small enough to work out by hand."""

import json
from typing import Any

import pytest

from tests.chaos.oracle import Expected, Record, expect

T = 1_767_225_600_000  # 2026-01-01 00:00 UTC
TOTAL = ("total", "", 0)


def record(offset: int, seq: int, *estimates: dict[str, Any]) -> Record:
    value = json.dumps({"source": "s", "epoch": 1, "seq": seq, "estimates": estimates}).encode()
    return Record(0, offset, T + 7_200_000, value)


def estimate(cost_usd: str, start_ms: int = T, end_ms: int = T + 10_000, driver: str = "d") -> dict[str, Any]:
    labels = {"namespace": "n", "service": "s", "team": "t"}
    return {"start": start_ms, "end": end_ms, "driver": driver, "cost_usd": cost_usd, "labels": labels}


def total(expected: Expected, width_s: int) -> dict[int, int]:
    return {bucket: nusd for (name, width, bucket), nusd in expected.held().items()
            if name == TOTAL and width == width_s}  # fmt: skip


def test_money_is_spread_over_the_buckets_of_every_ring() -> None:
    expected = expect([record(0, 0, estimate("0.000000012", end_ms=T + 120_000))])
    assert total(expected, 10) == {T // 10_000 + n: 1 for n in range(12)}
    assert total(expected, 60) == {T // 60_000: 6, T // 60_000 + 1: 6}
    assert total(expected, 3600) == {T // 3_600_000: 12}


def test_what_a_ring_holds_no_more_is_in_the_coarser_ones() -> None:
    expected = expect([record(0, 0, estimate("0.000000001")),
                       record(1, 1, estimate("0.000000002", T + 3_600_000, T + 3_610_000))])  # fmt: skip
    assert total(expected, 10) == {T // 10_000 + 360: 2}
    assert total(expected, 60) == {T // 60_000: 1, T // 60_000 + 60: 2}


def test_money_below_a_nano_dollar_waits_for_the_next() -> None:
    expected = expect([record(n, n, estimate("0.0000000004")) for n in range(5)])
    assert total(expected, 10) == {T // 10_000: 2}
    assert expected.counters[0]["accepted_nusd"] == 2


def test_what_comes_again_is_a_duplicate_and_what_is_poison_a_letter() -> None:
    bad = estimate("0.000000005", driver="poison:too_old")
    expected = expect([record(0, 0, estimate("0.000000001"), bad),
                       record(1, 0, estimate("0.000000001")),
                       Record(0, 2, T, b'{"driver": "poison:malformed_json"')])  # fmt: skip
    counters = expected.counters[0]
    assert [counters[f"{name}_events"] for name in ("sent", "accepted", "duplicate", "rejected")] == [
        4,
        1,
        1,
        2,
    ]
    assert [counters[f"{name}_nusd"] for name in ("sent", "accepted", "duplicate", "rejected")] == [
        7,
        1,
        1,
        5,
    ]
    assert sorted(expected.letters) == [(0, 0, "too_old"), (0, 2, "malformed_json")]


def test_an_input_without_one_right_answer_is_refused() -> None:
    with pytest.raises(AssertionError, match="no one right answer"):
        expect([record(0, 0, estimate("0.000000001", end_ms=T + 20_000))])

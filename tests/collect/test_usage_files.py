"""Usage without money: function counts, single invocations, pods; and burnline's own messages."""

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from stream.collect.reader import UsageMessage
from stream.errors import UserError
from tests.collect.files import csv_file, ms, outcome

KEYS = ["HashFunction", "HashApp", "HashOwner"]


def functions(tmp_path: Path, counts: list[list[object]]) -> Path:
    minutes = [f"minute_{number + 1}" for number in range(len(counts[0]))]
    rows = [[f"f{index}", f"a{index}", "o", *row] for index, row in enumerate(counts)]
    return csv_file(tmp_path / "day_inv.csv.gz", KEYS + minutes, rows)


def averages(tmp_path: Path) -> None:
    csv_file(tmp_path / "day_run.csv.gz", [*KEYS, "Average"], [["f0", "a0", "o", "18330"]])
    csv_file(tmp_path / "day_mem.csv.gz", [*KEYS[1:], "AverageAllocatedMb"], [["a0", "o", "1857"]])


def test_counts_run_time_and_memory_make_invocations_and_gb_seconds(tmp_path: Path) -> None:
    averages(tmp_path)
    found = outcome(functions(tmp_path, [[0, 2, 7]]), day=date(2019, 7, 15))
    assert [(e["driver"], e["sku"], e["quantity"]) for e in found.estimates] == [
        ("invocations", "functions.invocations", 2),
        ("gb_seconds", "functions.gb_seconds", 2 * Decimal("18.330") * 1857 / 1024),
        ("invocations", "functions.invocations", 7),
        ("gb_seconds", "functions.gb_seconds", 7 * Decimal("18.330") * 1857 / 1024),
    ]
    assert (found.estimates[0]["start"], found.estimates[0]["end"]) == (
        ms("2019-07-15T00:01:00"),
        ms("2019-07-15T00:02:00"),
    )
    assert found.estimates[0]["labels"] == {"app": "a0", "function": "f0", "owner": "o"}


def test_functions_come_out_minute_by_minute_and_idle_ones_are_counted(tmp_path: Path) -> None:
    found = outcome(functions(tmp_path, [[1, 0, 4], [0, 0, 0], [2, 3, 0]]))
    assert [(e["labels"]["function"], e["quantity"]) for e in found.estimates] == [
        ("f0", 1),
        ("f2", 2),
        ("f2", 3),
        ("f0", 4),
    ]
    assert found.reading.excluded == {"never invoked": 1}
    assert found.reading.notes == {"no run time or memory: invocations only": 3}
    assert (found.reading.rows, found.reading.accepted) == (3, 2)


def test_run_and_memory_files_can_be_named(tmp_path: Path) -> None:
    averages(tmp_path)
    run = (tmp_path / "day_run.csv.gz").rename(tmp_path / "r.gz")
    mem = (tmp_path / "day_mem.csv.gz").rename(tmp_path / "m.gz")
    counts = functions(tmp_path, [[1]])
    assert [e["driver"] for e in outcome(counts).estimates] == ["invocations"]
    assert [e["driver"] for e in outcome(counts, run=run, mem=mem).estimates] == ["invocations", "gb_seconds"]
    with pytest.raises(UserError, match="no column average"):
        outcome(counts, run=mem)


@pytest.mark.parametrize("count", ["-1", "1.5", "many", "", "9" * 30])
def test_a_count_that_is_none_rejects_its_function(tmp_path: Path, count: str) -> None:
    found = outcome(functions(tmp_path, [[1, count], [1, 1]]))
    assert [rejected.row for rejected in found.rejected] == [1]
    assert found.quantity("invocations") == 2


def test_invocations_are_passed_on_in_file_order_late_ones_late(tmp_path: Path) -> None:
    rows = [
        ["a", "f", "10.0", "1.0"],
        ["a", "g", "4.0004", "3.5"],
        ["a", "f", "10.5", "0"],
        ["a", "f", "x", "1"],
    ]
    path = csv_file(tmp_path / "calls.csv", ["app", "func", "end_timestamp", "duration"], rows)
    found = outcome(path, epoch_start=datetime(2021, 1, 31, tzinfo=UTC))
    zero = ms("2021-01-31T00:00:00")
    assert [(e["start"] - zero, e["end"] - zero, e["labels"]["function"]) for e in found.estimates] == [
        (9000, 10000, "f"),
        (500, 4000, "g"),
        (10500, 10500, "f"),
    ]
    # The second was late: it comes in a message of its own, which arrives after the first.
    assert [(m.timestamp_ms - zero, m.row) for m in found.messages] == [(10000, 1), (10500, 3)]
    assert found.rejected[0].row == 4


PODS = [
    "name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos", "pod_phase",
    "creation_time", "deletion_time", "scheduled_time",
]  # fmt: skip


def test_a_pod_costs_from_scheduled_to_deleted(tmp_path: Path) -> None:
    rows = [
        ["p0", "12000", "16384", "2", "500", "", "LS", "Running", "0", "5400", "1800"],
        ["p1", "4000", "1024", "0", "0", "", "BE", "Pending", "5", "9000", ""],
        ["p2", "0", "0", "0", "0", "", "BE", "Running", "0", "100", "50"],
        ["p3", "1", "1", "0", "0", "", "BE", "Running", "0", "60", "70"],
    ]
    found = outcome(csv_file(tmp_path / "pods.csv", PODS, rows))
    assert {e["driver"]: (e["quantity"], e["sku"]) for e in found.estimates} == {
        "cpu_core_hours": (12, "pods.cpu_core_hours"),
        "memory_gib_hours": (16, "pods.memory_gib_hours"),
        "gpu_hours": (1, "pods.gpu_hours"),
    }
    assert found.estimates[0]["start"] == ms("2024-01-01T00:30:00")
    assert found.estimates[0]["labels"] == {"pod": "p0", "qos": "LS", "phase": "Running"}
    assert found.reading.excluded == {"never scheduled": 1, "requests nothing": 1}
    assert [(r.row, r.reason) for r in found.rejected] == [(4, "it ends before it starts")]


def test_a_long_pod_is_cut_into_days_that_add_up(tmp_path: Path) -> None:
    ten_weeks_s = 70 * 86400 + 1
    pods = [["p", "1", "1", "0", "0", "", "", "Running", "0", str(ten_weeks_s), "0"]]
    found = outcome(csv_file(tmp_path / "pods.csv", PODS, pods))
    assert all(e["end"] - e["start"] <= 86_400_000 for e in found.estimates)
    cpu = [e for e in found.estimates if e["driver"] == "cpu_core_hours"]
    assert len(cpu) == 71
    assert all(a["end"] == b["start"] for a, b in pairwise(cpu))
    assert found.quantity("cpu_core_hours") == Decimal("1.680000277778")  # 0.001 × 6048001 / 3600


def test_instances_without_start_or_end_run_from_and_to_the_ends_of_the_trace(tmp_path: Path) -> None:
    header = [
        "instance_sn", "role", "app_name", "cpu_request", "gpu_request", "memory_request", "creation_time",
        "scheduled_time", "deletion_time",
    ]  # fmt: skip
    rows = [
        ["i0", "HN", "app_0", "12", "1", "120.0", "", "", "3600.0"],
        ["i1", "CN", "app_0", "64", "0", "320.0", "1800", "1800.0", ""],
        ["i2", "CN", "app_1", "1", "0", "1.0", "", "", "7200.0000000000002"],
        ["i3", "CN", "app_1", "1", "0", "1.0", "100", "", ""],
        ["i4", "CN", "app_1", "1", "0", "1.0", "100", "200", "9999999999"],
        ["i5", "CN", "app_1", "1", "0", "1.0", "100", "soon", "99999"],
    ]
    found = outcome(csv_file(tmp_path / "instances.csv", header, rows))
    cpu = {e["labels"]["pod"]: e["quantity"] for e in found.estimates if e["driver"] == "cpu_core_hours"}
    assert cpu == {"i0": 12, "i1": 96, "i2": 2}
    assert found.estimates[0]["labels"] == {"pod": "i0", "app": "app_0", "role": "HN"}
    assert found.reading.excluded == {"never scheduled": 1}
    assert found.reading.notes.total() == 3
    # A wild time costs its own row only; it does not move the end of the trace for the others.
    assert [rejected.row for rejected in found.rejected] == [5, 6]


def test_pieces_can_be_asked_for(tmp_path: Path) -> None:
    pods = [["p", "1000", "0", "0", "0", "", "", "Running", "0", "3600", "0"]]
    found = outcome(csv_file(tmp_path / "pods.csv", PODS, pods), piece_s=60)
    assert len(found.estimates) == 60
    assert found.quantity("cpu_core_hours") == 1


LINES = [
    b'{"start":1767225600000,"end":1767225660000,"driver":"pod_hours","quantity":1}',
    b"not json",
    b'[{"start":1767225600000,"end":1767225630000,"driver":"x"},{"end":"1767225720000"}, 7]',
    b'{"source":"s","seq":1,"labels":{},"estimates":[{"end":1767225780000},{"end":99999999999999}]}',
    b'{"estimates": 3}',
    b"\xff\xfe\x00",
    b'{"driver":"\xff"}',
    b'{"series":[],"origin":1767225600000,"columns":{"series":[0,0],"start":0,"end":["240000",300000]}}',
    b'{"series":[],"columns":{"series":[0],"start":0,"end":1767225960000}}',
    b'{"series":[],"origin":"x","columns":{"series":[0],"start":0,"end":1767226600000}}',
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_native_lines_are_passed_on_as_they_are(tmp_path: Path, packed: bool, end: bytes) -> None:
    path = tmp_path / "usage.jsonl"
    data = end.join([LINES[0], b"", *LINES[1:]])
    path.write_bytes(gzip.compress(data) if packed else data)
    found = outcome(path)
    assert [message.value for message in found.messages] == LINES
    assert [message.row for message in found.messages] == list(range(1, len(LINES) + 1))
    minutes = [(message.timestamp_ms - 1767225600000) // 60_000 for message in found.messages]
    assert minutes == [1, 1, 2, 3, 3, 3, 3, 5, 6, 6]


def test_lines_before_the_first_readable_one_have_its_time(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_bytes(b"\xef\xbb\xbf{broken\n" + LINES[0])
    found = outcome(path)
    assert found.messages[0] == UsageMessage(b"{broken", 1767225660000, 1)


def test_a_first_line_of_any_length_is_told_for_json(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_bytes(b'\n[{"sku":"' + b"x" * 17_000_000 + b'"}]\n' + LINES[0])
    found = outcome(path)
    assert "over 16,777,216 bytes" in found.rejected[0].reason
    assert [message.value for message in found.messages] == [LINES[0]]


def test_a_line_no_broker_takes_is_rejected_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    big = msgspec.json.encode({"estimates": [], "labels": {"x": "y" * 17_000_000}})
    path.write_bytes(LINES[0] + b"\n" + big + b"\n" + LINES[0])
    found = outcome(path)
    assert ([message.row for message in found.messages], found.rejected[0].row) == ([1, 3], 2)
    assert (found.reading.rows, found.reading.accepted) == (3, 2)

"""`python -m bench`: right answers pass, wrong ones are found and named, ratios are compared."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench import record, report
from bench.contest import Contender, Results, Row, Spread, fault
from bench.embedded import RATIOS
from bench.process import Failed, Measured, Task, run
from bench.report import Machine, Report
from bench.workload import Oracle

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench", "--only", "embedded", "--quick", *arguments],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_quick_run_is_right_and_prints_well_formed_json() -> None:
    done = bench("--json")
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout, type=Report)
    assert set(found.results.ratios) == {ratio.name for ratio in RATIOS}
    assert all(row.estimates == 10_000 and not row.wrong for row in found.results.rows)
    assert found.machine.cores > 0


def test_a_planted_loss_is_found_in_every_contender() -> None:
    done = bench("--json", "--plant-loss")
    assert done.returncode == 1
    found = msgspec.json.decode(done.stdout, type=Report)
    assert all("instead of 10,000" in row.wrong for row in found.results.rows), done.stderr


SUMS = Contender("one", "", ("total", "team"))
ORACLE = Oracle(3, {"total": 30, "team=a": 30, "service=a/b": 30})


def test_the_count_may_be_right_and_a_sum_wrong() -> None:
    measured = Measured(3, 1.0, 1.0, 0, {"total": 30, "team=a": 29})
    wrong = "1 of 2 sums are wrong (nano-dollars): team=a 29 instead of 30"
    assert fault(SUMS, measured, ORACLE) == wrong


def test_a_sum_that_is_missing_is_wrong_and_one_not_asked_for_does_not_matter() -> None:
    assert "team=a 0 instead of 30" in fault(SUMS, Measured(3, 1.0, 1.0, 0, {"total": 30}), ORACLE)
    assert fault(SUMS, Measured(3, 1.0, 1.0, 0, {"total": 30, "team=a": 30}), ORACLE) == ""


def test_a_contender_that_crashes_says_why() -> None:
    with pytest.raises(Failed, match=r"ended with status 1:(.|\n)*No such file"):
        run("bench.embedded.decode", Task("/nowhere", ""))


def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratio: Spread) -> Report:
    one = Report(Machine("x", 2, 1, "y", "3"), {"estimates": 10}, Results([], {"a / b": ratio}, {}))
    monkeypatch.setattr(report, "RECORDED", tmp_path / "recorded.json")
    (tmp_path / "recorded.json").write_bytes(report.encode(one))
    return one


def test_a_ratio_is_worse_only_beyond_the_recorded_spread_and_a_fifth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = recorded(tmp_path, monkeypatch, Spread(10.0, 8.0, 12.0))
    found.results.ratios = {"a / b": Spread(6.5, 5.0, 9.0)}
    assert report.regressions(found) == []
    found.results.ratios = {"a / b": Spread(6.3, 5.0, 9.0)}
    assert report.regressions(found) == ["a / b: 6.3 × now, recorded 10 × (8 – 12)"]


def test_another_size_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = recorded(tmp_path, monkeypatch, Spread(10.0, 8.0, 12.0))
    found.settings = {"estimates": 20}
    assert report.regressions(found) is None


def test_the_documented_tables_are_those_of_the_run_on_record() -> None:
    found = msgspec.json.decode(report.RECORDED.read_bytes(), type=Report)
    shown = record.PAGE.read_text("utf-8").partition(record.BEGIN)[2].partition(record.END)[0]
    assert shown == record.tables(found)


def test_a_recorded_run_changes_nothing_of_the_page_but_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RECORDED", tmp_path / "recorded.json")
    monkeypatch.setattr(record, "PAGE", tmp_path / "page.md")
    record.PAGE.write_text(f"before\n{record.BEGIN}old\n{record.END}after\n", "utf-8")
    some = Spread(1_234_567.0, 1_000.0, 2_000_000.0)
    monkeypatch.setattr(record, "SIZING", tmp_path / "sizing.md")
    record.SIZING.write_text(f"{record.BEGIN}old\n{record.END}", "utf-8")
    row = Row("meter shared", "", 3, 10, some, some, None, 2**20)
    found = Report(Machine("x", 2, 1, "y", "3"), {}, Results([row], {"a / b": Spread(0.5, 0.25, 244)}, {}))
    record.record(found)
    page = record.PAGE.read_text("utf-8")
    assert page == f"before\n{record.BEGIN}{record.tables(found)}{record.END}after\n"
    assert "| meter shared | 10 | 1,235 (1 – 2,000) |  | 1,235 (1 – 2,000) | 1 |" in page
    assert "| a / b | 0.5 (0.25 – 244) |  |" in page
    assert msgspec.json.decode(report.RECORDED.read_bytes(), type=Report) == found
    assert record.SIZING.read_text("utf-8") == f"{record.BEGIN}{record.sizing_tables()}{record.END}"


def test_a_part_of_the_contests_alone_is_not_recorded() -> None:
    done = bench("--record")
    assert done.returncode == 1
    assert done.stderr.startswith("bench: --record keeps embedded and kafka together: ")

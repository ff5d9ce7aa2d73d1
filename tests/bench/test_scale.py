"""The measurements at scale run, find something, and are shown and kept."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench import record
from bench.report import Report
from bench.scale.figures import Figure, find, quantile

ROOT = Path(__file__).parents[2]


def test_a_quick_run_measures_everything_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "scale", "--quick", "--json"],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout, type=Report).scale
    names = {(one.group, one.name) for one in found}
    assert len(names) == len(found)
    assert {
        ("burn: CPU a million rows of spend", "100 scopes"),
        ("burn: a look at a full hour", "100 scopes"),
        ("meter: CPU a million estimates", "1 partition"),
        ("meter: CPU a million estimates", "2 partitions"),
        ("visible in API and console, after a message", "p99"),
        ("visible in metrics of the worker, after a message", "p50"),
        ("worker: memory, peak", "200 scopes"),
        ("worker: start and restore", "100 scopes"),
        ("worker: state written a second, all scopes busy", "200 scopes"),
        ("worker: memory of one scope more", "100 to 200 scopes"),
    } <= names
    assert all(one.value > 0 for one in found if one.name != "100 to 200 scopes"), found


def test_the_documented_figures_are_those_on_record() -> None:
    page = record.PAGE.read_text("utf-8").partition(record.BEGIN_SCALE)[2].partition(record.END)[0]
    assert page == record.scale_table(msgspec.json.decode(record.SCALE.read_bytes(), type=list[Figure]))


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 0.0)) == (3.0, 5.0, 1.0)


def test_a_figure_that_was_not_measured_is_named() -> None:
    figures = [Figure("a", "b", 1.0, "s")]
    assert find(figures, "a", "b") == 1.0
    with pytest.raises(KeyError, match="a: c"):
        find(figures, "a", "c")


def test_what_was_asked_and_missed_is_seen() -> None:
    figures = [Figure("start", "10 scopes", 12.34, "s", 10.0), Figure("start", "9 scopes", 9.0, "s", 10.0)]
    assert [one.within for one in figures] == [False, True]
    assert "| start | 10 scopes | 12.3 s | ≤ 10 s |" in record.scale_table(figures)


def test_a_part_is_recorded_without_touching_the_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"a\n{record.BEGIN}old\n{record.END}b\n{record.BEGIN_SCALE}old\n{record.END}c\n")
    record.put(page, record.BEGIN_SCALE, "new\n")
    assert page.read_text() == (
        f"a\n{record.BEGIN}old\n{record.END}b\n{record.BEGIN_SCALE}new\n{record.END}c\n"
    )

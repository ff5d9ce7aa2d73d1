"""`python -m detectors.evaluation` and `make nab`, run as people run them."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detectors.evaluation.corpus import read
from detectors.evaluation.judge import judge, run_all, total_line
from detectors.evaluation.windowed_gaussian import WindowedGaussian
from tests.detectors.evaluation.labelled import spikes, time_of, write

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("BURNLINE_DATA", ROOT.parent / "shared/data")) / "nab"
SPIKES = "made/spikes.csv"
CALM = "made/calm.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {SPIKES: spikes(at=(500,)), CALM: spikes(at=(), seed=2)}
    return write(tmp_path / "data", files, {SPIKES: [(500, 520)], CALM: []})


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detectors.evaluation", "--scorer", "windowed-gaussian"]
    return subprocess.run(
        [*command, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_it_prints_a_table_the_thresholds_and_the_total(folder: Path) -> None:
    done = evaluate(folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:5] == ["series", "rows", "windows", "found", "false"]
    assert lines[1].split() == [CALM, "1000", "0", "0", "0", "-", "-", "-"]
    assert lines[2].split() == [SPIKES, "1000", "1", "1", "0", "100.0", "100.0", "100.0"]
    assert lines[3].startswith("all of made ")
    assert lines[-1] == "standard 100.0 · low-FP 100.0 · low-FN 100.0"
    assert done.stderr.splitlines() == [f"1/2 {CALM}", f"2/2 {SPIKES}"]


def test_a_given_threshold_is_taken(folder: Path) -> None:
    done = evaluate(folder, "--threshold", 2)
    assert done.stdout.splitlines()[-2:] == [
        "thresholds: standard 2.0 · low-FP 2.0 · low-FN 2.0",
        "standard 0.0 · low-FP 0.0 · low-FN 0.0",
    ]


def test_every_rows_score_can_be_had_as_csv(folder: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    assert evaluate(folder, "--scores", scores).returncode == 0
    with scores.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2000
    spike = rows[1000 + 500]
    assert (spike["series"], spike["timestamp"], spike["value"]) == (SPIKES, time_of(500), "100.0")
    assert (spike["window"], rows[1000 + 521]["window"]) == ("1", "0")
    assert float(spike["score"]) == max(float(row["score"]) for row in rows[1000 + 150 :])


def test_the_report_can_be_had_as_json(folder: Path) -> None:
    report = json.loads(evaluate(folder, "--json").stdout)
    assert report["points"] == {"standard": 100, "low-FP": 100, "low-FN": 100}
    assert report["groups"]["standard"] == {"made": 100}
    calm, spiky = report["series"]
    assert (calm["name"], spiky["name"], spiky["standard"]["found"]) == (CALM, SPIKES, 1)


def test_what_is_left_out_is_said(folder: Path) -> None:
    (folder / SPIKES).rename(folder / "made/other.csv")
    done = evaluate(folder)
    assert done.returncode == 0
    assert f"left out: {SPIKES} is named in combined_windows.json but is no file" in done.stderr


@pytest.mark.parametrize("arguments", [["nowhere"], ["{folder}", "--scores", "nowhere/scores.csv"]])
def test_a_mistake_is_one_sentence(folder: Path, arguments: list[str]) -> None:
    done = evaluate(*(one.format(folder=folder) for one in arguments))
    assert done.returncode == 1
    assert re.fullmatch(r"evaluation: .*nowhere.* cannot be .*: give .*", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr


def test_make_nab_asks_for_the_data_and_passes_all_on(folder: Path, tmp_path: Path) -> None:
    def make(*settings: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--no-print-directory", "--old-file=.venv/.installed", "nab", *settings]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    asked = make()
    assert asked.returncode != 0
    assert "nab: say where the series are: make nab DATA=FOLDER" in asked.stderr
    scores = tmp_path / "scores.csv"
    done = make(f"DATA={folder}", "THRESHOLD=2", f"SCORES={scores}", "ARGS=--scorer windowed-gaussian")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "standard 0.0 · low-FP 0.0 · low-FN 0.0"
    assert scores.exists()


def test_published_scores_of_the_windowed_gaussian_come_out() -> None:
    """38.5 / 18.8 / 46.3 on these 33 series; its threshold was chosen on all 58, so it is looked for here."""
    if not DATA.is_dir():
        pytest.skip(f"the public series are not here: set BURNLINE_DATA (looked in {DATA})")
    corpus, left_out = read(DATA)
    assert (len(corpus), left_out) == (33, [])
    scores = list(run_all(WindowedGaussian, corpus))
    tried = np.unique(np.concatenate(scores))
    near = tried[(tried > 1 - 6e-13) & (tried < 1 - 4e-13)]
    lines = {total_line(judge(corpus, scores, float(at))) for at in near}
    assert "standard 38.5 · low-FP 18.8 · low-FN 46.3" in lines

"""`burnline backtest`: what people see, what machines read, and mistakes in one sentence."""

import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from stream.cli.main import main
from tests.backtest.history import MONDAY_S, usage
from tests.cli.test_replay import BILL, bill, line, real

Json = dict[str, Any]


class Command:
    """Runs `burnline backtest` in this process, as the entry point does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["burnline", "backtest", *map(str, arguments)])
        self._capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        out, err = self._capsys.readouterr()
        return code, out, err

    def told(self, folder: Path, *arguments: object) -> tuple[str, Json]:
        code, out, err = self(*arguments, "--json", folder / "report.json")
        assert code == 0, err
        return out, msgspec.json.decode((folder / "report.json").read_bytes(), type=dict[str, Any])


@pytest.fixture
def backtest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def runaway(service: str, hour: float) -> float:
    return 8.0 if service == "checkout" and 26 <= hour < 28 else 1.0


def test_a_runaway_is_told_with_its_cost_and_what_each_threshold_would_change(
    backtest: Command, tmp_path: Path
) -> None:
    path = usage(tmp_path, 40, 3600, runaway)
    picture, page = tmp_path / "picture.svg", tmp_path / "page.html"
    out, found = backtest.told(tmp_path, path, "--svg", picture, "--html", page)
    [problem] = [one for one in found["problems"] if one["severity"] == "page"]
    assert problem["scope"] == "service=shop/checkout"
    assert MONDAY_S + 26 * 3600 <= problem["paged_s"] <= MONDAY_S + 27 * 3600
    # Two hours at seven times $12 an hour beyond normal, give or take season and noise.
    assert 120 <= problem["in_all_nusd"] / 1e9 <= 220
    assert 0 < problem["until_page_nusd"] < problem["in_all_nusd"]
    assert "1 page" in out and "service=shop/checkout" in out and "P" in out
    [ratio] = [one for one in found["thresholds"] if (one["detector"], one["setting"]) == ("step", "ratio")]
    assert [value["value"] for value in ratio["values"]] == [1.25, 1.875, 2.5, 3.75, 5.0, 7.5]
    assert [value["scale"] for value in ratio["values"]] == [0.5, 0.75, 1.0, 1.5, 2.0, 3.0]
    gone = [value["gone_nusd"] for value in ratio["values"]]
    assert gone == sorted(gone)  # what is calmer tells later
    assert all(len(each) <= 80 for each in out.splitlines())
    root = ElementTree.parse(picture).getroot()
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any("service=shop/checkout burns" in title for title in titles)
    assert picture.read_text() in page.read_text() and "1 page" in page.read_text()


def test_another_policy_is_held_against_the_present_one(backtest: Command, tmp_path: Path) -> None:
    path = usage(tmp_path, 40, 3600, runaway)
    policy = tmp_path / "calm.yaml"
    policy.write_text("{detectors: {step: {enabled: false}, burn-vs-baseline: {page_ratio: 30}}}")
    out, found = backtest.told(tmp_path, path, "--policy", policy, "--no-sweep")
    difference = found["difference"]
    assert (difference["pages_now"], difference["pages_tried"]) == (1, 0)
    assert [one["scope"] for one in difference["go"]] == ["service=shop/checkout"]
    assert difference["appear"] == [] and "pages that go" in out
    policy.write_text("budgets: [{scope: total, monthly_usd: 1000}]")
    found = backtest.told(tmp_path, path, "--policy", policy, "--no-sweep")[1]
    assert found["difference"]["pages_tried"] > 1


def test_known_incidents_give_recall_and_precision(backtest: Command, tmp_path: Path) -> None:
    path = usage(tmp_path, 40, 3600, runaway)
    known = tmp_path / "incidents.csv"
    known.write_text(
        "start,end,scope\n2026-09-29T02:00Z,2026-09-29T04:00Z,service=shop/checkout\n"
        "2026-09-29T10:00Z,2026-09-29T11:00Z,service=lake/etl\n"
    )
    out, found = backtest.told(tmp_path, path, "--incidents", known)
    judged = found["judged"]
    assert (judged["incidents"], judged["paged"], judged["right_pages"], judged["pages"]) == (2, 1, 1, 1)
    assert "recall 50%" in out and "precision 100%" in out
    assert all(value["judged"]["incidents"] == 2 for each in found["thresholds"] for value in each["values"])
    known.write_text('[{"start": "2026-09-29T02:00", "end": 1790668800, "name": "autoscaler"}]')
    assert backtest.told(tmp_path, path, "--incidents", known, "--no-sweep")[1]["judged"]["paged"] == 1


def test_files_are_merged_by_time_in_whatever_order_they_come(backtest: Command, tmp_path: Path) -> None:
    rows = [line(hour, 900 if 60 <= hour < 66 else 10) for hour in range(1, 90)]
    early, late = bill(tmp_path, rows[:40], "early.csv"), bill(tmp_path, rows[40:], "late.csv")
    whole = bill(tmp_path, rows, "whole.csv")
    one = backtest.told(tmp_path, whole, "--no-sweep")[1]
    two = backtest.told(tmp_path, late, early, "--no-sweep")[1]
    assert one["problems"] == two["problems"] and one["problems"]
    assert one["total_nusd"] == two["total_nusd"]


def test_rows_of_a_day_are_told_for_what_they_are(backtest: Command, tmp_path: Path) -> None:
    rows = [
        [24, "USD", f"2024-09-{day:02}T00:00:00Z", f"2024-09-{day + 1:02}T00:00:00Z", "web", "a1"]
        for day in range(1, 9)
    ]
    out, found = backtest.told(tmp_path, bill(tmp_path, rows), "--no-sweep")
    assert found["rows_by_length"] == {"day": 1.0}
    assert found["end_s"] - found["start_s"] == 8 * 86_400
    assert "100% of the dollars come in rows of a day" in out
    assert "a runaway of ten minutes or two hours cannot be seen" in " ".join(out.split())


@pytest.mark.parametrize(
    ("name", "usd", "length"),
    [
        ("billing_exports/aws_cur_2023-11_anonymous.csv.gz", "1.68230869740", "hour"),
        ("billing_exports/oci_cost_2023-11.csv.gz", "2.523589325400648027", "hour"),
        ("ci/github_actions_usage_2023-01.csv", "0.4", "day"),
    ],
)
def test_real_bills(backtest: Command, tmp_path: Path, name: str, usd: str, length: str) -> None:
    out, found = backtest.told(tmp_path, real(name), "--no-sweep")
    assert found["balanced"] and found["total_nusd"] == round(float(usd) * 1e9)
    assert max(found["rows_by_length"], key=lambda each: found["rows_by_length"][each]) == length
    assert name.rpartition("/")[2] in out


@pytest.mark.parametrize(
    ("files", "options", "says"),
    [
        ({"bill.csv": ""}, ["bill.csv"], "is empty"),
        ({"bill.csv": "a,b\n1,2\n"}, ["bill.csv"], "in no format that burnline knows"),
        (
            {"bill.csv": f"{','.join(BILL)}\nmany,USD,x,y,web,a1\n"},
            ["bill.csv"],
            "to judge: bill.csv, row 1: ",
        ),
        ({"p.yaml": "kafka: {}"}, ["usage.jsonl", "--policy", "p.yaml"], "kafka is no policy"),
        ({"p.yaml": ""}, ["usage.jsonl", "--policy", "p.yaml"], "changes nothing"),
        ({"p.yaml": "detectors: {stp: {}}"}, ["usage.jsonl", "--policy", "p.yaml"], "did you mean 'step'?"),
        ({"i.csv": "when\n1\n"}, ["usage.jsonl", "--incidents", "i.csv"], "needs a start and an end"),
        ({"i.csv": "start,end\nnoon,1\n"}, ["usage.jsonl", "--incidents", "i.csv"], "'noon' is no time"),
        ({"i.csv": "start,end\n"}, ["usage.jsonl", "--incidents", "i.csv"], "names no incident"),
        ({"i.json": "[{"}, ["usage.jsonl", "--incidents", "i.json"], "is no valid JSON"),
        ({}, ["usage.jsonl", "--no-sweep", "--json", "absent/x.json"], "cannot be written"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(
    backtest: Command, tmp_path: Path, files: dict[str, str], options: list[str], says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    usage(tmp_path, 1, 3600, runaway)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    code, _, err = backtest(*options)
    assert code == 2
    first = next(filter(None, err.splitlines()))
    assert first.startswith("burnline: ") and says in first
    assert "Traceback" not in err

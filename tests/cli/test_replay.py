"""`burnline replay`: real bills to the last nano-dollar, small files, and mistakes in one sentence.

The expected sums of real files are worked out here from plain CSV and decimals. $BURNLINE_DATA is where
the files are.
"""

import csv
import gzip
import os
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.cli.main import main
from stream.meter import price
from tests.collect.files import csv_file

DATA = Path(os.environ.get("BURNLINE_DATA", Path(__file__).parents[2].parent / "shared/data"))
BILL = [
    "BilledCost",
    "BillingCurrency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ServiceName",
    "SubAccountId",
]
Json = dict[str, Any]


def real(name: str) -> Path:
    if not DATA.is_dir():
        pytest.skip(f"real data files are not here: set BURNLINE_DATA (looked in {DATA})")
    return DATA / name


def rows_of(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines(keepends=True)))


class Command:
    """Runs `burnline replay` in this process, as the entry point does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.alerts: list[Json] = []

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["burnline", "replay", *map(str, arguments)])
        self._capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        out, err = self._capsys.readouterr()
        return code, out, err

    def total(self, *arguments: object) -> Json:
        """The last line of --json; every line before it is an alert's transition, kept in `alerts`."""
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        *self.alerts, found = [msgspec.json.decode(line, type=dict[str, Any]) for line in out.splitlines()]
        for each in self.alerts:
            assert each["event"] in ("firing", "escalated", "resolved")
            assert (each["alert"]["state"], each["alert"]["time_s"]) == (each["event"], each["time_s"])
        assert found["event"] == "total"
        identity = found["identity"]
        assert identity["balanced"]
        for unit in ("", "_nusd"):
            parts = sum(identity[f"{part}{unit}"] for part in ("accepted", "duplicate", "rejected"))
            assert identity[f"sent{unit}"] == parts
        assert found["scopes_nusd"].get("total", 0) == identity["accepted_nusd"]
        return found


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def nusd(usd: str | int | Decimal) -> int:
    return round(Decimal(usd) * 10**9)


@pytest.mark.parametrize(
    ("name", "column", "usd", "count"),
    [
        ("focus/focus_1_0_sample.csv.gz", "BilledCost", "20.52022672899", 1000),
        ("billing_exports/aws_cur_2023-11_anonymous.csv.gz", "lineItem/UnblendedCost", "1.68230869740", 1281),
        ("billing_exports/oci_cost_2023-11.csv.gz", "cost/myCost", "2.523589325400648027", 506),
    ],
)
def test_a_real_bill_adds_up_to_the_nano_dollar(
    replay: Command, name: str, column: str, usd: str, count: int
) -> None:
    path = real(name)
    costs = [Decimal(row[column]) for row in rows_of(path)]
    found = replay.total(path)
    assert sum(costs) == Decimal(usd)
    assert found["scopes_nusd"]["total"] == nusd(usd)
    assert (found["identity"]["accepted"], found["identity"]["rejected"]) == (count, 0)
    assert found["files"][0]["native"] == {"USD": usd}
    # Each line of a bill has one billing key and one owner, or none.
    billing = [cost for scope, cost in found["scopes_nusd"].items() if scope.startswith("billing=")]
    assert sum(billing) == found["scopes_nusd"]["unmapped"] == nusd(usd)


def test_azure_in_canadian_dollars_is_rejected_and_counts_with_a_rate(replay: Command) -> None:
    path = real("billing_exports/azure_ea_2023-09_anonymous.csv.gz")
    cad = sum(Decimal(row["CostInBillingCurrency"]) for row in rows_of(path))
    found = replay.total(path)
    assert (found["identity"]["rejected_by_reason"], found["scopes_nusd"]) == ({"unreadable_row": 27}, {})
    assert found["files"][0]["native"] == {"CAD": str(cad)}
    assert replay.total(path, "--fx", "CAD=0.7371")["scopes_nusd"]["total"] == nusd(cad * Decimal("0.7371"))


def test_github_minutes(replay: Command) -> None:
    found = replay.total(real("ci/github_actions_usage_2023-01.csv"))
    assert (found["scopes_nusd"]["total"], found["identity"]["accepted"]) == (nusd("0.4"), 13)


def test_function_invocations(replay: Command, tmp_path: Path) -> None:
    """With a book that knows nothing but invocations, at a dollar a thousand, the total counts them."""
    path = real("serverless/azure_functions_2019_200_inv.csv.gz")
    names = [f"minute_{n}" for n in range(1, 1441)]
    count = sum(int(value) for row in rows_of(path) for name, value in row.items() if name in names)
    assert count == 1_770_353
    header = list(price.COLUMNS)
    book = csv_file(
        tmp_path / "book.csv", header, [("", "invocations", "", "", "call", 1000, 1, "", "this test")]
    )
    config = tmp_path / "burnline.yaml"
    config.write_text(f"prices:\n  book: {book}\n")
    found = replay.total(path, "--config", config)
    assert found["scopes_nusd"]["total"] == nusd(Decimal(count) / 1000)
    assert found["files"][0]["rows"] == 200
    assert found["identity"]["unpriced"] > 0  # memory, without a price here


def test_pods_that_never_ran_are_left_out(replay: Command, tmp_path: Path) -> None:
    """All of them, and the first few that ran: the whole file is months of pods."""
    path = real("kubernetes/alibaba_gpu_2023_pods.csv.gz")
    rows = rows_of(path)
    never = [row for row in rows if not row["scheduled_time"]]
    ran = [row for row in rows if row["scheduled_time"]][:40]
    assert len(never) == 897
    cut = csv_file(tmp_path / "pods.csv", list(rows[0]), [list(row.values()) for row in (*ran, *never)])
    [file] = replay.total(cut)["files"]
    assert (file["accepted"], file["excluded"], file["rejected"]) == (40, {"never scheduled": 897}, 0)


def line(hour: int, usd: object, service: str = "web", account: str = "a1") -> list[object]:
    day, of_day = divmod(hour, 24)
    ends = f"2024-09-{day + 1:02}T{of_day:02}:00:00Z"
    day, of_day = divmod(hour - 1, 24)
    return [usd, "USD", f"2024-09-{day + 1:02}T{of_day:02}:00:00Z", ends, service, account]


def bill(folder: Path, rows: list[list[object]], name: str = "bill.csv") -> Path:
    return csv_file(folder / name, BILL, rows)


def test_a_runaway_in_a_bill_is_paged_once_and_resolved(replay: Command, tmp_path: Path) -> None:
    rows = [line(hour, 900 if 60 <= hour < 66 else 10) for hour in range(1, 100)]
    path = bill(tmp_path, rows)
    found = replay.total(path)
    assert found["scopes_nusd"]["total"] == nusd(sum(int(str(row[0])) for row in rows))
    assert found["pages"] >= 1
    assert found["still_firing"] == []
    states = Counter(each["event"] for each in replay.alerts)
    assert states["firing"] == states["resolved"]
    first = replay.alerts[0]
    assert (first["alert"]["severity"], first["event"]) == ("page", "firing")
    # The hour that ends 60 × 3600 s after 1 September is the first dear one.
    assert 0 <= first["time_s"] - (1_725_148_800 + 59 * 3600) <= 3600


def test_people_read_the_same_figures(replay: Command, tmp_path: Path) -> None:
    path = bill(tmp_path, [line(hour, "0.123456789") for hour in range(1, 9)])
    code, out, err = replay(path)
    assert code == 0, err
    assert "0.987654312" in out
    assert "8 estimates sent = 8 accepted + 0 duplicate + 0 rejected" in out
    assert "0 pages, 0 tickets, 0 still firing at the end" in out.replace("\n", " ")


def test_brackets_in_names_are_no_markup(replay: Command, tmp_path: Path) -> None:
    code, out, err = replay(bill(tmp_path, [line(1, 3, "a[red]b[/x]")], "bill[old].csv"))
    assert code == 0, err
    assert "bill[old].csv: focus, 1 rows" in out
    assert "service=a[red]b[/x]" in out


def test_a_rejected_row_does_not_stop_the_rest(replay: Command, tmp_path: Path) -> None:
    broken = [*line(2, "many"), *line(3, 5)[6:]]
    found = replay.total(bill(tmp_path, [line(1, 1), broken, line(3, 2)]))
    assert (found["identity"]["accepted"], found["identity"]["rejected"]) == (2, 1)
    assert found["scopes_nusd"]["total"] == nusd("3")


def test_envelopes_in_columns_are_replayed_with_a_row_that_is_wrong(replay: Command, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(
        '{"source":"agent","seq":0,"series":[{"driver":"pod_hours","labels":{"service":"web"}},{"driver":"gb"}],'
        '"origin":1767225600000,'
        '"columns":{"series":[0,1,0],"start":[0,0,0],"end":[60000,-1,70000],"cost_nusd":[5,6,7]}}\n'
    )
    found = replay.total(tmp_path / "usage.jsonl")
    assert (found["identity"]["accepted_nusd"], found["identity"]["rejected_nusd"]) == (12, 6)
    assert found["identity"]["rejected_by_reason"] == {"end_before_start": 1}
    assert found["scopes_nusd"]["service=web"] == 12


def test_why_the_first_row_was_rejected_is_told(replay: Command, tmp_path: Path) -> None:
    code, out, err = replay(bill(tmp_path, [line(1, 1), line(2, "ma[b]ny"), line(3, "much")]))
    assert code == 0, err
    [told] = [each for each in out.splitlines() if "the first, row" in each]
    assert told.startswith("  the first, row 2: ")
    assert "ma[b]ny" in told


def test_a_file_played_twice_into_one_database_counts_once(replay: Command, tmp_path: Path) -> None:
    path = bill(tmp_path, [line(hour, 1) for hour in range(1, 30)])
    database = tmp_path / "kept.db"
    first = replay.total(path, "--database", database)
    again = replay.total(path, "--database", database)
    assert again["scopes_nusd"] == first["scopes_nusd"]
    assert (again["identity"]["duplicate"], again["identity"]["accepted"]) == (29, 29)


def test_two_files_add_up(replay: Command, tmp_path: Path) -> None:
    one = bill(tmp_path, [line(hour, 1) for hour in range(1, 10)], "one.csv")
    two = bill(tmp_path, [line(hour, 2, "db") for hour in range(1, 10)], "two.csv")
    scopes = replay.total(one, two)["scopes_nusd"]
    assert (scopes["total"], scopes["service=web"], scopes["service=db"]) == (
        nusd("27"),
        nusd("9"),
        nusd("18"),
    )


BINARY = bytes(range(256)) * 20


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (None, [], "cannot be read"),
        ("folder", [], "cannot be read"),
        (b"", [], "is empty"),
        (b"\n\n", [], "is empty"),
        (BINARY, [], "in no format that burnline knows"),
        (b"PAR1" + BINARY, [], "is a Parquet file: export it as CSV"),
        (b"\x1f\x8b\x08\x00" + BINARY, [], "damaged"),
        (b"a,b\n1,2\n", [], "in no format that burnline knows"),
        (b"a,b\n1,2\n", ["--format", "focus"], "has no column billedcost"),
        (b"a,b\n1,2\n", ["--format", "fokus"], "There is no format 'fokus'. Choose one of: focus"),
        (",".join(BILL).encode() + b"\n", ["--fx", "CAD"], "is not CODE=RATE, such as CAD=0.73"),
        (",".join(BILL).encode() + b"\n", ["--fx", "CAD=NaN"], "is not CODE=RATE, such as CAD=0.73"),
        (",".join(BILL).encode() + b"\n", ["--fx", "CAD=-0.73"], "is not CODE=RATE, such as CAD=0.73"),
        (",".join(BILL).encode() + b"\n", ["--config", "absent.yaml"], "name an existing file with --config"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_status_2(
    replay: Command, tmp_path: Path, content: bytes | str | None, options: list[str], says: str
) -> None:
    path = tmp_path / "bill.csv"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    code, out, err = replay(path, *options)
    assert (code, out) == (2, "")
    [sentence] = filter(None, err.splitlines())  # a progress bar that was begun leaves an empty line
    assert sentence.startswith("burnline: ") and says in sentence
    assert "Traceback" not in err


def test_two_files_of_one_name_would_be_repeats(replay: Command, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, two = bill(tmp_path, [line(1, 1)]), bill(tmp_path / "other", [line(1, 1)])
    code, _, err = replay(one, two)
    assert code == 2 and "two of the files have the same name" in err

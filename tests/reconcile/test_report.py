"""The report of a reconciliation: for people, for programs, and as records."""

import json
from pathlib import Path

from rich.console import Console

from stream.reconcile.report import Report, usd
from stream.reconcile.stage import reconcile, records
from stream.schema import calibrations, invoices, topics, variances
from tests.reconcile.rows import EC2, MID_MARCH_MS, export, on

USD = 10**9
DAYS = [f"2026-03-0{n}" for n in range(2, 7)]


def example(tmp_path: Path) -> Report:
    """Five days of $10 that were estimated at $12.50, a credit, a tax, and a row in euros."""
    rows = [
        *(on(day) for day in DAYS),
        {"ChargeCategory": "Credit", "BilledCost": "-3"},
        {"ChargeCategory": "Tax", "BilledCost": "2.004", "ServiceName": "Tax"},
        {"BillingCurrency": "EUR"},
    ]
    return reconcile(export(tmp_path, *rows), {(*EC2, day): 12_500_000_000 for day in DAYS}, MID_MARCH_MS)


def test_json_holds_each_key_and_the_total_in_integers(tmp_path: Path) -> None:
    found = json.loads(json.dumps(example(tmp_path).to_json()), parse_float=lambda text: 1 / 0)
    compute, tax = found["keys"]
    assert (compute["provider"], compute["account"], compute["service"]) == EC2
    assert (compute["days"], compute["matched_days"], compute["state"]) == (5, 5, "partly_reconciled")
    assert (compute["estimate_nusd"], compute["usage_nusd"]) == (62_500_000_000, 50 * USD)
    assert compute["difference_nusd"] == sum(compute["reasons_nusd"].values()) == -12_500_000_000
    assert compute["calibration"]["factor"] == "0.8000"
    assert compute["calibration"]["new"] is True
    assert (tax["service"], tax["calibration"], tax["calibration_why"]) == ("Tax", None, "no estimate")
    assert found["total"]["billed_nusd"] == 49_004_000_000
    assert found["total"]["lines_nusd"] == {
        "usage_matched": 50 * USD,
        "credit": -3 * USD,
        "tax": 2_004_000_000,
    }
    assert found["basis"] == {"aws": "EffectiveCost"}
    assert found["rows"]["rejected_by_reason"] == {"BillingCurrency is EUR: only USD can be reconciled": 1}


def test_the_table_says_what_a_person_needs(tmp_path: Path) -> None:
    console = Console(width=160, record=True, file=(tmp_path / "screen").open("w"))
    console.print(example(tmp_path).table())
    text = console.export_text()
    for words in ("Amazon EC2", "5 of 5", "62.50", "-12.50", "0.8000 ± 0.0000", "usage matched", "credit",
                  "invoice (BilledCost)", "49.00", "aws: estimates are compared with EffectiveCost.",
                  "1 rows not read: BillingCurrency is EUR"):  # fmt: skip
        assert words in text, words


def test_names_are_text_and_no_markup(tmp_path: Path) -> None:
    found = reconcile(export(tmp_path, {"ServiceName": "[red]EC2[/nonsense]"}), {}, MID_MARCH_MS)
    console = Console(width=160, record=True, file=(tmp_path / "screen").open("w"))
    console.print(found.table())
    assert "[red]EC2[/nonsense]" in console.export_text()


def test_records_for_the_log(tmp_path: Path) -> None:
    found = example(tmp_path)
    written = records(found)
    assert list(written) == [topics.INVOICES, topics.VARIANCES, topics.CALIBRATIONS]  # factors last
    assert [invoices.decode(each) for each in written[topics.INVOICES]] == found.lines
    assert [variances.decode(each) for each in written[topics.VARIANCES]] == found.variances
    [factor] = written[topics.CALIBRATIONS]
    assert calibrations.decode(factor).factor == "0.8000"
    assert calibrations.key(calibrations.decode(factor)) == b'["aws","111","Amazon EC2"]'
    assert [(row.row, row.reason) for row in found.rejected] == [
        (8, "BillingCurrency is EUR: only USD can be reconciled")
    ]


def test_little_money_does_not_look_like_none() -> None:
    assert [usd(nusd) for nusd in (0, 1, -250_000, 10_000_000, 1_234_567_890_123)] == [
        "0.00", "0.000000001", "-0.00025", "0.01", "1,234.57",
    ]  # fmt: skip

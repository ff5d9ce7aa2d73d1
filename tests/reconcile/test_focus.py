"""FOCUS files as invoice lines: what is read, how exactly, and what is refused with which words."""

import gzip
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.errors import UserError
from stream.reconcile.focus import NO_SERVICE, read
from stream.schema import invoices
from stream.schema.invoices import Category
from tests.collect.files import csv_file, ms
from tests.reconcile.rows import USAGE, export, lines

DATA = Path(os.environ.get("BURNLINE_DATA", Path(__file__).parents[2].parent / "shared/data"))


def test_a_row_in_our_words(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, {"InvoiceId": "INV-1", "CommitmentDiscountStatus": "Used"})
    assert (line.provider, line.account, line.service, line.day) == ("aws", "111", "Amazon EC2", "2026-03-05")
    assert (line.start_ms, line.end_ms) == (ms("2026-03-05T10:00:00"), ms("2026-03-05T11:00:00"))
    assert line.snapshot == ("aws", "payer", ms("2026-03-01T00:00:00"))
    assert (line.category, line.correction, line.unused) == (Category.USAGE, False, False)
    money = (line.billed_nusd, line.effective_nusd, line.list_nusd, line.contracted_nusd)
    assert money == (10 * 10**9, 10 * 10**9, 12 * 10**9, 11 * 10**9)
    assert (line.invoice_id, line.currency, line.commitment_status, line.row) == ("INV-1", "USD", "used", 1)
    assert invoices.decode(invoices.encode(line)) == line


def test_provider_and_account_have_a_second_choice(tmp_path: Path) -> None:
    """FOCUS 1.3 renamed ProviderName; a charge of the whole billing account has no sub account."""
    (line,) = lines(tmp_path, {"ServiceProviderName": "Google Cloud", "SubAccountId": "NULL"})
    assert (line.provider, line.account) == ("gcp", "payer")
    (line,) = lines(tmp_path, {"ProviderName": "-", "ServiceProviderName": "ACME", "ServiceName": "null"})
    assert (line.provider, line.service) == ("ACME", NO_SERVICE)


@pytest.mark.parametrize(
    ("text", "nusd"),
    [
        ("0", 0),
        ("-3.5", -3_500_000_000),
        ("35.2E-7", 3_520),
        ("1e-9", 1),
        ("123456789.123456789", 123_456_789_123_456_789),
        ("0.0000000005", 0),  # half to even
        ("0.0000000015", 2),
        ("$10,100.00 ", 10_100_000_000_000),
    ],
)
def test_costs_are_exact_decimals(tmp_path: Path, text: str, nusd: int) -> None:
    (line,) = lines(tmp_path, {"BilledCost": text})
    assert line.billed_nusd == nusd


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.decimals(-1000, 1000, places=14), min_size=1, max_size=40))
def test_a_snapshot_adds_up_to_its_exact_total_rounded_once(tmp_path: Path, costs: list[Decimal]) -> None:
    found = lines(tmp_path, *({"BilledCost": f"{cost:f}"} for cost in costs))
    assert sum(line.billed_nusd for line in found) == round(sum(costs) * 10**9)
    for line, cost in zip(found, costs, strict=True):
        assert abs(line.billed_nusd - cost * 10**9) < 1


@pytest.mark.parametrize("text", ["2026-03-05T10:00:00Z", "2026-03-05 10:00:00", "2026-03-05T12:00:00+02:00"])
def test_times_with_and_without_a_zone_are_utc(tmp_path: Path, text: str) -> None:
    (line,) = lines(tmp_path, {"ChargePeriodStart": text})
    assert line.start_ms == ms("2026-03-05T10:00:00")


@pytest.mark.parametrize("name", ["focus.csv", "focus.csv.gz", "focus"])
def test_gzip_byte_order_mark_and_crlf(tmp_path: Path, name: str) -> None:
    text = "\ufeff" + ",".join(USAGE) + "\r\n" + ",".join(USAGE.values()) + "\r\n\r\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    (line,) = read([path]).lines
    assert line.billed_nusd == 10 * 10**9


def test_nulls_are_no_costs(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, {"EffectiveCost": "NULL", "ListCost": "", "ContractedCost": "null"})
    assert (line.effective_nusd, line.list_nusd, line.contracted_nusd) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"BillingCurrency": "EUR"}, "BillingCurrency is EUR: only USD can be reconciled"),
        ({"BillingCurrency": ""}, "billingcurrency is empty"),
        ({"BilledCost": "NULL"}, "BilledCost is empty"),
        ({"BilledCost": "NaN"}, "BilledCost is 'NaN', not a number"),
        ({"BilledCost": "1e12"}, "over the limit"),
        ({"ListCost": "twelve"}, "ListCost is 'twelve', not a number"),
        ({"ChargeCategory": "Refund"}, "ChargeCategory is 'Refund', not one of Usage, Purchase, Tax"),
        ({"ChargeClass": "Fix"}, "chargeclass is 'Fix', not correction"),
        ({"CommitmentDiscountStatus": "Maybe"}, "not used or unused"),
        ({"ChargePeriodEnd": "2026-03-05T09:00:00Z"}, "it ends before it starts"),
        ({"ChargePeriodEnd": "2026-03-05T30:00:00Z"}, "is not a time"),
        ({"ChargeClass": "Correction", "ChargePeriodStart": "2001-01-01"}, "longer than 5 years"),
        ({"ProviderName": ""}, "serviceprovidername is empty"),
    ],
)
def test_a_row_that_cannot_be_booked_is_rejected_and_leaves_no_money(
    tmp_path: Path, change: dict[str, str], why: str
) -> None:
    third = {"BilledCost": "0.3333333333"}
    found = export(tmp_path, third, change, third)
    (rejected,) = found.rejected
    assert rejected.row == 2
    assert why in rejected.reason
    assert sum(line.billed_nusd for line in found.lines) == 666_666_667


def test_files_that_cannot_be_read_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no invoice line that can be read: BillingCurrency is CAD"):
        export(tmp_path, {"BillingCurrency": "CAD"})
    with pytest.raises(UserError, match=r"no column billedcost, .* which reconciliation with FOCUS needs"):
        read([csv_file(tmp_path / "other.csv", ["a", "b"], [[1, 2]])])
    with pytest.raises(UserError, match=r"cannot be read"):
        read([tmp_path / "missing.csv"])
    with pytest.raises(UserError, match=r"it has no rows"):
        read([csv_file(tmp_path / "empty.csv", list(USAGE), [])])


def test_a_year_paid_at_once_is_booked_to_its_billing_period(tmp_path: Path) -> None:
    year = {"ChargePeriodStart": "2026-03-10T00:00:00Z", "ChargePeriodEnd": "2027-03-10T00:00:00Z"}
    bought, mended = lines(
        tmp_path, {**year, "ChargeCategory": "Purchase"}, {**year, "ChargeClass": "Correction"}
    )
    assert (bought.start_ms, bought.end_ms) == (ms("2026-03-10T00:00:00"), ms("2026-04-01T00:00:00"))
    assert (mended.start_ms, mended.end_ms) == (ms("2026-03-10T00:00:00"), ms("2027-03-10T00:00:00"))


def test_the_same_rows_are_the_same_delivery(tmp_path: Path) -> None:
    one, other = export(tmp_path, {}, {}), export(tmp_path, {}, {}, name="renamed.csv.gz")
    assert one.lines == other.lines
    assert one.lines[0].row_hash == one.lines[1].row_hash
    assert export(tmp_path, {}).lines[0].delivery != one.lines[0].delivery


def test_files_of_one_delivery_are_read_together(tmp_path: Path) -> None:
    paths = [csv_file(tmp_path / f"{n}.csv", list(USAGE), [list(USAGE.values())]) for n in (1, 2)]
    assert [line.row for line in read(paths).lines] == [1, 2]
    assert read(paths) == read(reversed(paths))


def real(name: str) -> Path:
    if not DATA.is_dir():
        pytest.skip(f"real data files are not here: set BURNLINE_DATA (looked in {DATA})")
    return DATA / name


def test_the_sample_of_the_specification_adds_up() -> None:
    """20.52022672899003 is how the file's sum prints as a float; as decimals it is 20.52022672899."""
    found = read([real("focus/focus_1_0_sample.csv.gz")])
    assert len(found.lines) == 1000
    assert not found.rejected
    assert abs(sum(line.billed_nusd for line in found.lines) - Decimal("20.52022672899") * 10**9) < 2
    by_provider = {
        name: sum(line.billed_nusd for line in found.lines if line.provider == name)
        for name in ("aws", "azure", "oracle")
    }
    assert by_provider == {"aws": 18_006_638_618, "azure": 1_976_514_186, "oracle": 537_073_925}


def test_every_example_of_the_specification_is_read_or_says_what_it_lacks() -> None:
    paths = sorted(real("focus/spec_1_2_examples").glob("*.csv"))
    assert len(paths) == 26
    lacking = 0
    for path in paths:
        try:
            assert not read([path]).rejected, path.name
        except UserError as error:
            lacking += 1
            assert "has no column billingaccountid, billingcurrency, servicename" in str(error)
    assert lacking == 11  # the commitment examples show 13 to 23 columns only

"""Estimate beside invoice: each kind of charge on its own line, and two sums that hold to the nano-dollar.

(1) lines add up to BilledCost; (2) estimate + reasons = the invoice's usage.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.reconcile.focus import Export
from stream.reconcile.ledger import Ledger
from stream.reconcile.matching import DayKey, basis_of
from stream.reconcile.report import Report
from stream.reconcile.stage import reconcile
from stream.schema import variances
from stream.schema.invoices import DAY_MS, Category, InvoiceLine, day_name
from stream.schema.variances import Basis, State, Variance
from tests.collect.files import ms
from tests.reconcile.rows import DAY, EC2, MID_MARCH_MS, export, lines, on

USD = 10**9
KEY = (*EC2, DAY)


def report(
    tmp_path: Path,
    *changes: Mapping[str, str],
    estimates: Mapping[tuple[str, str, str, str], int] | None = None,
    calibrated: Mapping[tuple[str, str, str, str], int] | None = None,
    as_of_ms: int = MID_MARCH_MS,
) -> Report:
    found = export(tmp_path, *changes)
    return reconcile(found, estimates or {}, as_of_ms, calibrated_nusd=calibrated)


def only(found: Report) -> Variance:
    (variance,) = found.variances
    return variance


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, variances.USAGE_MATCHED),
        ({"ChargeCategory": "Credit", "BilledCost": "-4"}, variances.CREDIT),
        ({"ChargeCategory": "Tax"}, variances.TAX),
        ({"ChargeCategory": "Purchase"}, variances.PURCHASE),
        ({"ChargeCategory": "Adjustment"}, variances.ADJUSTMENT),
        ({"CommitmentDiscountStatus": "Unused"}, variances.UNUSED_COMMITMENT),
        ({"CapacityReservationStatus": "Unused"}, variances.UNUSED_COMMITMENT),
        ({"CommitmentDiscountStatus": "Used"}, variances.USAGE_MATCHED),
        ({"ChargeClass": "Correction"}, variances.CORRECTION),
        ({"ChargeClass": "Correction", "ChargeCategory": "Tax"}, variances.CORRECTION),
    ],
)
def test_each_kind_of_charge_has_its_line(tmp_path: Path, change: dict[str, str], line: str) -> None:
    variance = only(report(tmp_path, change, estimates={KEY: USD}))
    assert variance.lines == {line: -4 * USD if line == variances.CREDIT else 10 * USD}
    assert variance.billed_nusd == sum(variance.lines.values())


def test_usage_without_an_estimate_and_an_estimate_without_usage(tmp_path: Path) -> None:
    unseen = ("aws", "111", "Amazon S3", DAY)
    found = report(tmp_path, {}, estimates={unseen: 3 * USD})
    invoice, estimate = found.variances
    assert invoice.lines == {variances.UNMATCHED_INVOICE: 10 * USD}
    assert invoice.reasons == {variances.UNMATCHED_INVOICE: 10 * USD}
    assert (estimate.service, estimate.lines) == ("Amazon S3", {})
    assert estimate.reasons == {variances.UNMATCHED_ESTIMATE: -3 * USD}
    assert (invoice.state, estimate.state) == (State.PARTLY_RECONCILED, State.ESTIMATED)
    assert not invoice.matched
    assert not estimate.matched


def test_estimates_that_the_invoice_does_not_cover_are_no_variance(tmp_path: Path) -> None:
    estimates = {KEY: USD, (*EC2, "2026-03-06"): 2 * USD, ("gcp", "p", "Compute", DAY): 4 * USD}
    found = report(tmp_path, {}, estimates=estimates)
    assert only(found).day == DAY
    assert found.outside_nusd == 6 * USD


def test_the_difference_is_explained_by_quantity_price_and_commitment(tmp_path: Path) -> None:
    """$9.50 estimated at list; list 12, negotiated 11, 10 after commitments."""
    variance = only(report(tmp_path, {}, estimates={KEY: 9_500_000_000}))
    assert variance.reasons == {
        variances.QUANTITY: 2_500_000_000,
        variances.PRICE: -1 * USD,
        variances.COMMITMENT: -1 * USD,
    }
    assert variance.difference_nusd == 500_000_000


def test_what_a_factor_added_is_a_reason_of_its_own(tmp_path: Path) -> None:
    variance = only(report(tmp_path, {}, estimates={KEY: 9 * USD}, calibrated={KEY: -3 * USD}))
    assert variance.reasons[variances.CALIBRATION] == 3 * USD
    assert variances.QUANTITY not in variance.reasons  # 12 at list, estimated 12 before the factor
    assert variance.estimate_nusd + sum(variance.reasons.values()) == variance.usage_nusd


def test_a_correction_is_booked_to_the_day_it_mends(tmp_path: Path) -> None:
    """April's invoice mends the 5th of March: what that day cost changes, March's invoice does not."""
    april = {"BillingPeriodStart": "2026-04-01T00:00:00Z", "BillingPeriodEnd": "2026-05-01T00:00:00Z"}
    mend = {**april, "ChargeClass": "Correction", "BilledCost": "-2", "EffectiveCost": "-2"}
    variance = only(report(tmp_path, {}, mend, estimates={KEY: 10 * USD}))
    assert variance.lines == {variances.USAGE_MATCHED: 10 * USD, variances.CORRECTION: -2 * USD}
    assert variance.usage_nusd == 8 * USD
    assert variance.reasons[variances.CORRECTION] == -2 * USD
    assert variance.estimate_nusd + sum(variance.reasons.values()) == variance.usage_nusd


def test_a_charge_of_several_days_is_spread_and_loses_nothing(tmp_path: Path) -> None:
    """From the 5th 12:00 to the 8th 00:00: 2.5 days, so a fifth, two fifths and two fifths."""
    span = {"ChargePeriodStart": "2026-03-05T12:00:00Z", "ChargePeriodEnd": "2026-03-08T00:00:00Z"}
    found = report(tmp_path, {**span, "BilledCost": "0.000000011", "ChargeCategory": "Tax"})
    assert [(each.day, each.billed_nusd) for each in found.variances] == [
        ("2026-03-05", 2),
        ("2026-03-06", 5),
        ("2026-03-07", 4),
    ]


def test_a_charge_without_a_duration_belongs_to_its_day(tmp_path: Path) -> None:
    moment = {"ChargePeriodStart": "2026-03-06T00:00:00Z", "ChargePeriodEnd": "2026-03-06T00:00:00Z"}
    variance = only(report(tmp_path, {**moment, "ChargeCategory": "Tax"}))
    assert (variance.day, variance.billed_nusd) == ("2026-03-06", 10 * USD)


def test_effective_cost_is_the_basis_where_the_export_fills_it(tmp_path: Path) -> None:
    """A covered hour is billed 0 and costs its share of the commitment, which was billed as a purchase."""
    covered = {"BilledCost": "0", "EffectiveCost": "6", "CommitmentDiscountStatus": "Used"}
    bought = {"BilledCost": "100", "EffectiveCost": "0", "ChargeCategory": "Purchase"}
    variance = only(report(tmp_path, covered, bought, estimates={KEY: 11 * USD}))
    assert variance.basis == Basis.EFFECTIVE
    assert variance.usage_nusd == 6 * USD
    assert variance.reasons == {
        variances.QUANTITY: 1 * USD,
        variances.PRICE: -1 * USD,
        variances.COMMITMENT: -5 * USD,
    }
    assert variance.lines == {variances.PURCHASE: 100 * USD}
    assert variance.matched


def test_billed_cost_is_the_basis_where_effective_cost_is_left_at_0(tmp_path: Path) -> None:
    empty = {"EffectiveCost": "0", "ContractedCost": "0"}
    variance = only(report(tmp_path, *[empty] * 9, {}, estimates={KEY: 120 * USD}))
    assert variance.basis == Basis.BILLED
    assert variance.usage_nusd == 100 * USD
    # A negotiated cost of 0 for what is billed is not filled in either: nothing is said of the price.
    assert variance.reasons == {variances.PRICE: -19 * USD, variances.COMMITMENT: -1 * USD}


@pytest.mark.parametrize(("unfilled", "basis"), [("0.10", Basis.EFFECTIVE), ("0.11", Basis.BILLED)])
def test_the_basis_bears_a_hundredth_of_unfilled_money(tmp_path: Path, unfilled: str, basis: Basis) -> None:
    found = lines(tmp_path, {"BilledCost": "9.90"}, {"BilledCost": unfilled, "EffectiveCost": "0"})
    assert basis_of(found) == {"aws": basis}


@pytest.mark.parametrize(
    ("change", "as_of", "state"),
    [
        ({}, "2026-04-09T23:59:59", State.PARTLY_RECONCILED),
        ({}, "2026-04-10T00:00:00", State.FINAL),
        ({"InvoiceId": "INV-1"}, "2026-03-07T00:00:00", State.FINAL),
    ],
)
def test_a_day_is_final_with_its_invoice_or_on_the_10th(
    tmp_path: Path, change: dict[str, str], as_of: str, state: State
) -> None:
    assert only(report(tmp_path, change, as_of_ms=ms(as_of))).state == state


def test_one_open_row_keeps_its_day_open(tmp_path: Path) -> None:
    invoiced = {"InvoiceId": "INV-1"}
    assert only(report(tmp_path, {}, invoiced)).state == State.PARTLY_RECONCILED
    assert only(report(tmp_path, invoiced, {})).state == State.PARTLY_RECONCILED


def test_a_newer_delivery_takes_the_place_of_its_billing_period(tmp_path: Path) -> None:
    april = {"BillingPeriodStart": "2026-04-01T00:00:00Z", "BillingPeriodEnd": "2026-05-01T00:00:00Z"}
    ledger = Ledger()

    def billed(*changes: Mapping[str, str], append: bool = False) -> int:
        found = export(tmp_path, *changes, append=append)
        return reconcile(found, {}, MID_MARCH_MS, ledger=ledger).total.billed_nusd // USD

    assert billed({}, {}) == 20  # two equal rows are two charges
    assert billed({}, {}) == 20  # the same file again
    assert billed({"BilledCost": "7"}) == 7  # a row has vanished, one is restated
    assert billed(on("2026-04-02", **april)) == 17  # another period leaves March as it is
    assert billed({"BilledCost": "1"}, append=True) == 18
    assert billed({"BilledCost": "1"}, append=True) == 18
    assert billed({"BilledCost": "1", "BillingAccountId": "other"}) == 19


def test_a_variance_comes_back_as_it_went(tmp_path: Path) -> None:
    variance = only(report(tmp_path, {}, estimates={KEY: USD}))
    assert variances.decode(variances.encode(variance)) == variance
    assert variances.key(variance) == b'["aws","111","Amazon EC2","2026-03-05"]'


def test_the_worked_example_of_the_documentation(tmp_path: Path) -> None:
    none = {"ListCost": "", "ContractedCost": ""}
    found = report(
        tmp_path,
        {"BilledCost": "11", "EffectiveCost": "11"},
        {"BilledCost": "0", "EffectiveCost": "3", "ListCost": "6", "ContractedCost": "5.5"},
        {"BilledCost": "0", "EffectiveCost": "1", "CommitmentDiscountStatus": "Unused", **none},
        {"BilledCost": "4", "EffectiveCost": "0", "ChargeCategory": "Purchase", **none},
        {"BilledCost": "-2", "EffectiveCost": "-2", "ChargeCategory": "Credit", **none},
        {"BilledCost": "-0.5", "EffectiveCost": "-0.5", "ChargeClass": "Correction", **none},
        estimates={KEY: 9_500_000_000},
    )
    variance = only(found)
    assert (variance.usage_nusd, variance.billed_nusd) == (13_500_000_000, 12_500_000_000)
    assert variance.lines == {
        variances.USAGE_MATCHED: 11 * USD,
        variances.PURCHASE: 4 * USD,
        variances.CREDIT: -2 * USD,
        variances.CORRECTION: -500_000_000,
    }
    assert variance.reasons == {
        variances.QUANTITY: 8_500_000_000,
        variances.PRICE: -1_500_000_000,
        variances.COMMITMENT: -2_500_000_000,
        variances.CORRECTION: -500_000_000,
    }


MARCH_MS = ms("2026-03-01T00:00:00")
APRIL_MS = ms("2026-04-01T00:00:00")
MONEY = st.integers(-(10**12), 10**13)


@st.composite
def invoice_line(draw: st.DrawFn) -> InvoiceLine:
    start_ms = MARCH_MS + draw(st.integers(-5 * DAY_MS, 30 * DAY_MS))
    account = draw(st.sampled_from(["111", "222"]))
    provider = draw(st.sampled_from(["aws", "gcp"]))
    return InvoiceLine(
        provider=provider,
        account=account,
        service=draw(st.sampled_from(["EC2", "S3"])),
        start_ms=start_ms,
        end_ms=start_ms + draw(st.one_of(st.just(0), st.integers(1, 9 * DAY_MS))),
        billing_account=draw(st.sampled_from(["payer", "other"])),
        billing_period_start_ms=MARCH_MS,
        billing_period_end_ms=APRIL_MS,
        category=draw(st.sampled_from(Category)),
        correction=draw(st.booleans()),
        unused=draw(st.booleans()),
        commitment_status=None,
        billed_nusd=draw(MONEY),
        effective_nusd=draw(st.none() | MONEY),
        list_nusd=draw(st.none() | MONEY),
        contracted_nusd=draw(st.none() | MONEY),
        invoice_id=draw(st.none() | st.just("INV")),
        currency="USD",
        delivery="d",
        row=draw(st.integers(1, 10**9)),
        row_hash="",
    )


DAYS = [day_name((MARCH_MS // DAY_MS) + day) for day in range(-5, 40)]
DAY_KEYS = st.builds(
    DayKey,
    st.sampled_from(["aws", "gcp", "azure"]),
    st.sampled_from(["111", "333"]),
    st.sampled_from(["EC2", "S3"]),
    st.sampled_from(DAYS),
)


@given(
    st.lists(invoice_line(), max_size=25, unique_by=lambda line: line.row),
    st.dictionaries(DAY_KEYS, MONEY, max_size=40),
    st.dictionaries(DAY_KEYS, MONEY, max_size=10),
)
def test_both_sums_hold_for_any_lines_and_estimates(
    found: list[InvoiceLine], estimates: dict[tuple[str, str, str, str], int], added: dict[DayKey, int]
) -> None:
    calibrated: dict[tuple[str, str, str, str], int] = {
        key: nusd for key, nusd in added.items() if key in estimates
    }
    done = reconcile(Export(found), estimates, MID_MARCH_MS, calibrated_nusd=calibrated)
    total = done.total
    assert sum(total.lines.values()) == total.billed_nusd == sum(line.billed_nusd for line in found)
    assert total.estimate_nusd + sum(total.reasons.values()) == total.usage_nusd
    assert total.estimate_nusd + done.outside_nusd == sum(estimates.values())
    for each in done.variances:
        assert sum(each.lines.values()) == each.billed_nusd
        assert sum(each.reasons.values()) == each.difference_nusd
    again = Ledger()
    for _ in range(2):
        restated = reconcile(Export(found), estimates, MID_MARCH_MS, calibrated_nusd=calibrated, ledger=again)
        assert restated.variances == done.variances

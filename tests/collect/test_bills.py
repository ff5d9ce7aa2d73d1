"""Bills: FOCUS, AWS, Azure, Oracle and GitHub exports, each with the quirks of real ones."""

from decimal import Decimal
from pathlib import Path

import pytest

from stream.errors import UserError
from tests.collect.files import csv_file, ms, outcome

FOCUS = [
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingAccountId", "SubAccountId", "ProviderName",
    "ServiceName", "RegionId", "ResourceId", "ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd",
    "BillingPeriodStart", "BillingPeriodEnd", "ConsumedQuantity", "ConsumedUnit", "PricingQuantity",
    "PricingUnit", "SkuId", "Tags",
]  # fmt: skip
ROW = {
    "BilledCost": "0.00000080000", "EffectiveCost": "0", "BillingCurrency": "USD", "BillingAccountId": "1",
    "SubAccountId": "51", "ProviderName": "AWS", "ServiceName": "Amazon SQS", "RegionId": "us-west-2",
    "ResourceId": "arn:q", "ChargeCategory": "Usage", "ChargePeriodStart": "2024-09-18 22:00:00",
    "ChargePeriodEnd": "2024-09-18 23:00:00", "BillingPeriodStart": "2024-09-01 00:00:00",
    "BillingPeriodEnd": "2024-10-01 00:00:00", "ConsumedQuantity": "2.000", "ConsumedUnit": "Requests",
    "PricingQuantity": "2", "PricingUnit": "Requests", "SkuId": "G95", "Tags": '{"team": "shop", "ok": true}',
}  # fmt: skip


def focus(tmp_path: Path, *changes: dict[str, str], end: str = "\n") -> Path:
    rows = [[(ROW | change)[name] for name in FOCUS] for change in changes]
    return csv_file(tmp_path / "bill.csv", FOCUS, rows, end)


def test_a_focus_row_is_an_estimate_with_its_decimals_as_they_stand(tmp_path: Path) -> None:
    found = outcome(focus(tmp_path, {}))
    assert found.reading.format.name == "focus"
    assert found.estimates == [
        {
            "start": ms("2024-09-18T22:00:00"),
            "end": ms("2024-09-18T23:00:00"),
            "driver": "requests",
            "quantity": Decimal("2.000"),
            "cost_usd": "0.00000080000",
            "sku": "G95",
            "labels": {
                "provider": "aws",
                "account": "51",
                "service": "Amazon SQS",
                "region": "us-west-2",
                "resource": "arn:q",
                "charge_category": "Usage",
                "tag_ok": "true",
                "tag_team": "shop",
            },
        }
    ]
    assert b'"quantity":2.000,' in found.messages[0].value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1E-7", "1E-7"),
        ("2.323760000E-9", "2.323760000E-9"),
        ("$10,000.00 ", "10000.00"),
        ("-$5.10", "-5.10"),
        ("-2.61370000000", "-2.61370000000"),
        ("+3", "3"),
        ("9007199254.740993", "9007199254.740993"),  # 2^53 + 1 micro-dollars: a float would lose it
    ],
)
def test_costs_are_exact_however_they_are_written(tmp_path: Path, written: str, read: str) -> None:
    found = outcome(focus(tmp_path, {"BilledCost": written}))
    assert [estimate["cost_usd"] for estimate in found.estimates] == [read]


@pytest.mark.parametrize(
    "text", ["", "NULL", "null", "abc", "NaN", "Infinity", "1_000", "1,0", "--1", "1e999", "9" * 200]
)
def test_a_cost_that_is_no_number_rejects_its_row_and_no_other(tmp_path: Path, text: str) -> None:
    found = outcome(focus(tmp_path, {"BilledCost": text}, {"BilledCost": "7"}))
    assert found.cost_usd == 7
    [rejected] = found.rejected
    assert rejected.row == 1
    assert rejected.reason.lower().startswith("billedcost")
    assert rejected.raw.count(b"2024-09-18") == 2


@pytest.mark.parametrize(
    "text",
    ["2024-09-18T22:00:00Z", "2024-09-18 22:00:00", "2024-09-18T22:00Z", "2024-09-19T00:00:00+02:00"],
)
def test_times_with_and_without_zone_are_utc(tmp_path: Path, text: str) -> None:
    found = outcome(focus(tmp_path, {"ChargePeriodStart": text}))
    assert found.estimates[0]["start"] == ms("2024-09-18T22:00:00")


@pytest.mark.parametrize("text", ["18/9/2024", "yesterday", "0024-09-18", "2024-02-30", "NULL", "2024-09-19"])
def test_a_time_that_is_none_or_after_the_end_rejects_its_row(tmp_path: Path, text: str) -> None:
    found = outcome(focus(tmp_path, {"ChargePeriodStart": text}))
    assert (len(found.rejected), found.estimates) == (1, [])


def test_nulls_fall_back_and_leave_no_labels(tmp_path: Path) -> None:
    changes = {"SubAccountId": "NULL", "ResourceId": "", "Tags": "NULL", "ConsumedUnit": "null"}
    [estimate] = outcome(
        focus(tmp_path, changes | {"PricingUnit": "GB-Mo", "PricingQuantity": "3"})
    ).estimates
    assert estimate["labels"].keys() == {"provider", "account", "service", "region", "charge_category"}
    assert (estimate["labels"]["account"], estimate["driver"], estimate["quantity"]) == ("1", "gb_months", 3)


def test_a_negative_quantity_is_left_out_and_its_cost_kept(tmp_path: Path) -> None:
    found = outcome(focus(tmp_path, {"BilledCost": "-0.5", "ConsumedQuantity": "-2"}))
    assert "quantity" not in found.estimates[0]
    assert found.cost_usd == Decimal("-0.5")
    assert found.reading.notes.total() == 1


def test_a_charge_without_a_unit_is_named_by_its_category(tmp_path: Path) -> None:
    no_unit = {"ConsumedUnit": "", "PricingUnit": "", "ChargeCategory": "Credit"}
    [estimate] = outcome(focus(tmp_path, no_unit)).estimates
    assert (estimate["driver"], "quantity" in estimate) == ("credit", False)


def test_another_currency_is_rejected_by_name_and_its_sum_still_told(tmp_path: Path) -> None:
    bill = focus(tmp_path, {"BillingCurrency": "EUR", "BilledCost": "1.10"}, {"BilledCost": "2"})
    found = outcome(bill)
    assert found.rejected[0].reason.startswith("currency EUR is not USD")
    assert found.reading.native == {"EUR": Decimal("1.10"), "USD": Decimal(2)}
    assert found.cost_usd == 2
    assert outcome(bill, fx={"EUR": Decimal("1.17")}).cost_usd == Decimal("3.2870")


def test_a_file_that_names_no_currency_needs_one(tmp_path: Path) -> None:
    header = ["BilledCost", "ChargePeriodStart", "ChargePeriodEnd"]
    bill = csv_file(tmp_path / "x.csv", header, [["5", "2024-09-18T22:00:00Z", "2024-09-18T23:00:00Z"]])
    with pytest.raises(UserError, match="no column BillingCurrency"):
        outcome(bill)
    assert outcome(bill, currency="USD").cost_usd == 5


def test_the_cost_column_can_be_chosen(tmp_path: Path) -> None:
    bill = focus(tmp_path, {"EffectiveCost": "0.25"})
    assert outcome(bill, cost_column="EffectiveCost").cost_usd == Decimal("0.25")
    with pytest.raises(UserError, match="no column netcost"):
        outcome(bill, cost_column="NetCost")


def test_a_year_paid_at_once_belongs_to_the_month_of_its_invoice(tmp_path: Path) -> None:
    year = {"ChargePeriodStart": "4/1/25", "ChargePeriodEnd": "4/1/26", "BilledCost": "$1,200.00"}
    month = {"BillingPeriodStart": "4/1/25", "BillingPeriodEnd": "5/1/25"}
    [estimate] = outcome(focus(tmp_path, year | month)).estimates
    assert (estimate["start"], estimate["end"]) == (ms("2025-04-01T00:00:00"), ms("2025-05-01T00:00:00"))
    assert estimate["cost_usd"] == "1200.00"


def test_a_year_outside_its_billing_period_is_cut_and_adds_up(tmp_path: Path) -> None:
    year = {"ChargePeriodStart": "2025-04-01", "ChargePeriodEnd": "2026-04-01", "BilledCost": "100.01"}
    found = outcome(focus(tmp_path, year | {"ConsumedQuantity": "7"}))
    assert len(found.estimates) == 13  # 365 days, cut at multiples of 31 days since 1970
    assert (found.cost_usd, found.quantity("requests")) == (Decimal("100.01"), Decimal(7))


def test_identical_rows_are_two_charges(tmp_path: Path) -> None:
    assert outcome(focus(tmp_path, {"BilledCost": "1"}, {"BilledCost": "1"})).cost_usd == 2


def test_rows_come_out_in_order_of_end(tmp_path: Path) -> None:
    found = outcome(
        focus(
            tmp_path,
            {"ChargePeriodEnd": "2024-09-20T00:00:00Z", "SkuId": "later"},
            {"ChargePeriodEnd": "2024-09-19T00:00:00Z", "SkuId": "first"},
        )
    )
    assert [estimate["sku"] for estimate in found.estimates] == ["first", "later"]
    assert [message.row for message in found.messages] == [2, 1]


@pytest.mark.parametrize("text", ["{", "[1]", "3", "[" * 5000, '{"a":' * 5000])
def test_tags_that_are_no_object_cost_the_row_its_tags_only(tmp_path: Path, text: str) -> None:
    found = outcome(focus(tmp_path, {"Tags": text, "BilledCost": "1"}))
    assert found.cost_usd == 1
    assert found.reading.notes == {"tags could not be read, the row counts without them": 1}


def test_labels_beyond_the_meters_limits_are_cut_not_their_cost(tmp_path: Path) -> None:
    tags = "{" + ",".join(f'"k{n}": "v"' for n in range(100)) + "}"
    found = outcome(focus(tmp_path, {"Tags": tags, "ResourceId": "r" * 5000, "BilledCost": "1"}))
    [estimate] = found.estimates
    assert (len(estimate["labels"]), len(estimate["labels"]["resource"])) == (64, 1024)
    assert found.reading.notes == {"labels too long or too many, cut": 1}


CUR = [
    "identity/LineItemId", "bill/PayerAccountId", "lineItem/UsageAccountId", "lineItem/LineItemType",
    "lineItem/UsageStartDate", "lineItem/UsageEndDate", "lineItem/ProductCode", "lineItem/Operation",
    "lineItem/UsageAmount", "lineItem/CurrencyCode", "lineItem/UnblendedCost", "product/ProductName",
    "product/region", "product/sku", "pricing/unit", "resourceTags/user:Team",
]  # fmt: skip
CUR_USAGE = [
    "same", "1", "2", "Usage", "2023-11-05T00:00:00.000Z", "2023-11-05T01:00:00.000Z", "AmazonS3", "None",
    "1.3019E-6", "USD", "4.0E-7", "Amazon S3", "ca-central-1", "2JE", "GB-Mo", "shop",
]  # fmt: skip
CUR_TAX = [
    "same", "1", "2", "Tax", "2023-11-01T00:00:00.000Z", "2023-12-01T00:00:00.000Z", "AWSCloudTrail", "",
    "1.0", "USD", "0.13", "", "", "", "", "",
]  # fmt: skip


def test_a_cost_and_usage_report(tmp_path: Path) -> None:
    found = outcome(csv_file(tmp_path / "cur.csv.gz", CUR, [CUR_TAX, CUR_USAGE, CUR_USAGE]))
    usage, again, tax = found.estimates
    assert usage == again  # two rows with one id are two charges
    assert (usage["driver"], usage["quantity"], usage["cost_usd"]) == (
        "gb_months",
        Decimal("0.0000013019"),
        "4.0E-7",
    )
    assert usage["labels"] == {
        "provider": "aws",
        "account": "2",
        "service": "Amazon S3",
        "region": "ca-central-1",
        "charge_category": "Usage",
        "operation": "None",
        "tag_Team": "shop",
    }
    assert tax["driver"] == "tax"
    assert tax["end"] - tax["start"] == 30 * 86_400_000
    assert tax["labels"]["service"] == "AWSCloudTrail"
    assert found.cost_usd == Decimal("0.1300008")


AZURE = [
    "SubscriptionId", "ResourceGroup", "ResourceLocation", "Date", "MeterCategory", "MeterId",
    "UnitOfMeasure", "Quantity", "CostInBillingCurrency", "ResourceId", "Tags", "ChargeType",
    "BillingCurrencyCode",
]  # fmt: skip


def azure(tmp_path: Path, currency: str) -> Path:
    row = [
        "sub", "rg", "CentralUS", "9/2/2023", "Storage", "m1", "10K", "0.0129", "5.64902E-05", "/r",
        '"tagA": "valueA","tagB": "valueB"', "Usage", currency,
    ]  # fmt: skip
    return csv_file(tmp_path / "ea.csv", AZURE, [row], "\r\n")


def test_an_azure_row_is_a_us_day_with_tags_without_braces(tmp_path: Path) -> None:
    [estimate] = outcome(azure(tmp_path, "USD")).estimates
    assert (estimate["start"], estimate["end"]) == (ms("2023-09-02T00:00:00"), ms("2023-09-03T00:00:00"))
    assert (estimate["driver"], estimate["quantity"]) == ("units", 129)
    assert (estimate["labels"]["tag_tagA"], estimate["labels"]["account"]) == ("valueA", "sub")


def test_azure_in_another_currency_needs_a_rate_and_is_exact(tmp_path: Path) -> None:
    assert outcome(azure(tmp_path, "CAD")).rejected[0].reason.startswith("currency CAD")
    converted = outcome(azure(tmp_path, "CAD"), fx={"CAD": Decimal("0.7412")})
    assert converted.cost_usd == Decimal("5.64902E-05") * Decimal("0.7412")
    assert converted.reading.native == {"CAD": Decimal("5.64902E-05")}
    assert converted.reading.notes == {"CAD taken as 0.7412 USD": 1}


def test_an_oracle_report(tmp_path: Path) -> None:
    header = [
        "lineItem/tenantId", "lineItem/intervalUsageStart", "lineItem/intervalUsageEnd", "product/service",
        "product/region", "product/resourceId", "usage/billedQuantity", "cost/productSku", "cost/myCost",
        "cost/currencyCode", "cost/skuUnitDescription", "lineItem/isCorrection", "tags/Dev\\x.Release",
    ]  # fmt: skip
    row = [
        "ten", "2023-11-13T05:00Z", "2023-11-13T06:00:00Z", "TELEMETRY", "us-sanjose-1", "r",
        "0.000002000000000000", "B90926", "2.323760000E-9", "USD", "Million Datapoints", "true", "boots",
    ]  # fmt: skip
    [estimate] = outcome(csv_file(tmp_path / "oci.csv", header, [row], "\r\n")).estimates
    assert (estimate["start"], estimate["end"]) == (ms("2023-11-13T05:00:00"), ms("2023-11-13T06:00:00"))
    assert (estimate["driver"], estimate["quantity"]) == ("datapoints", 2)
    assert (estimate["cost_usd"], estimate["sku"]) == ("2.323760000E-9", "B90926")
    assert estimate["labels"]["tag_Dev_x.Release"] == "boots"
    assert estimate["labels"]["charge_class"] == "Correction"


GITHUB = [
    "Date", "Product", "SKU", "Quantity", "Unit Type", "Price Per Unit ($)", "Multiplier", "Owner",
    "Repository Slug", "Username", "Actions Workflow", "Notes",
]  # fmt: skip


def test_a_github_report_multiplies_exactly_and_keeps_unknown_products(tmp_path: Path) -> None:
    minutes = [
        "2023-01-20", "Actions", "Compute - MACOS", "3", "minute", "0.008", "10.0", "me", "repo", "u",
        "ci", "",
    ]  # fmt: skip
    unknown = ["2023-01-20", "Wat", "Wat", "2", "gb-day", "0.1", "1", "me", "", "", "", ""]
    found = outcome(csv_file(tmp_path / "gh.csv", GITHUB, [minutes, minutes, unknown]))
    assert [(e["driver"], e["quantity"], e["labels"]["service"]) for e in found.estimates] == [
        ("ci_minutes", 3, "Actions"),
        ("ci_minutes", 3, "Actions"),
        ("gb_days", 2, "Wat"),
    ]
    assert found.cost_usd == Decimal("0.68")  # 2 × 3 × 0.008 × 10 + 2 × 0.1
    assert found.estimates[0]["end"] == ms("2023-01-21T00:00:00")

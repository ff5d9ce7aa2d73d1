"""The price book: which row fits, which version is in force, and exact money."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import UserError
from stream.meter.price import COLUMNS, Price, PriceBook, load, parse

HEADER = ",".join(COLUMNS)
NEW_YEAR_2026_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


def book(*rows: str) -> PriceBook:
    return parse("\n".join([HEADER, *rows]) + "\n", "book.csv")


def usd(found: Price | None) -> str | None:
    return None if found is None else str(found.usd)


def mistakes(*rows: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        book(*rows)
    return str(caught.value).split("\n")


class TestWhichRowFits:
    RULES = book(
        "aws,pod_hours,m5.large,,h,1,0.096,,",
        "aws,pod_hours,m5.large,eu-west-2,h,1,0.111,,",
        ",egress_bytes,,,GB,1000000000,0.09,,",
        "azure,egress_bytes,,,GB,1000000000,0.087,,",
        ",egress_bytes,,ap-south-1,GB,1000000000,0.1093,,",
        "aws,egress_bytes,inter-zone,,GB,1000000000,0.01,,",
        "aws,llm_input_tokens,llama,,1M,1000000,0.72,,",
        "groq,llm_input_tokens,llama,,1M,1000000,0.59,,",
    )

    @pytest.mark.parametrize(
        ("driver", "sku", "labels", "expected"),
        [
            ("pod_hours", "m5.large", {"region": "eu-west-2"}, "0.111"),
            ("pod_hours", "m5.large", {"region": "us-east-1"}, "0.096"),
            ("pod_hours", "m5.large", {}, "0.096"),
            ("pod_hours", "m5.large", {"provider": "aws", "region": "eu-west-2"}, "0.111"),
            ("pod_hours", "m5.large", {"provider": "gcp"}, None),
            ("pod_hours", "c99.metal", {}, None),
            ("pod_hours", "", {}, None),
            ("egress_bytes", "", {}, "0.09"),
            ("egress_bytes", "unheard-of", {}, "0.09"),
            ("egress_bytes", "", {"provider": "azure"}, "0.087"),
            ("egress_bytes", "", {"provider": "aws"}, "0.09"),
            ("egress_bytes", "inter-zone", {"region": "ap-south-1"}, "0.01"),
            ("egress_bytes", "", {"region": "ap-south-1", "provider": "azure"}, "0.1093"),
            ("llm_input_tokens", "llama", {"provider": "groq"}, "0.59"),
            ("llm_input_tokens", "llama", {}, None),
            ("log_bytes", "", {}, None),
        ],
        ids=[
            "sku and region",
            "a region without a row of its own",
            "no region",
            "provider, sku and region",
            "another provider's sku",
            "an unknown sku of a driver without a default",
            "no sku, no default",
            "the driver's default",
            "an unknown sku falls to the driver's default",
            "the provider's default",
            "a provider without a row of its own",
            "sku goes before region",
            "region goes before provider",
            "two providers, one named",
            "two providers, none named: no guess",
            "an unknown driver",
        ],
    )
    def test_the_most_specific(
        self, driver: str, sku: str, labels: dict[str, str], expected: str | None
    ) -> None:
        assert usd(self.RULES.price(driver, sku, labels, 0)) == expected


class TestEffectiveDates:
    DATED = book(
        "github,ci_minutes,linux,,minute,1,0.006,2026-01-01,new",
        "github,ci_minutes,linux,,minute,1,0.008,,old",
    )

    def test_a_price_holds_from_the_first_millisecond_of_its_day(self) -> None:
        assert usd(self.DATED.price("ci_minutes", "linux", {}, NEW_YEAR_2026_MS - 1)) == "0.008"
        assert usd(self.DATED.price("ci_minutes", "linux", {}, NEW_YEAR_2026_MS)) == "0.006"

    def test_a_price_carries_its_date_and_source(self) -> None:
        found = self.DATED.price("ci_minutes", "linux", {}, NEW_YEAR_2026_MS)
        assert found is not None
        assert (found.effective_date, found.source) == (dt.date(2026, 1, 1), "new")

    def test_a_row_not_yet_in_force_gives_way_to_the_less_specific_one(self) -> None:
        rules = book(",log_bytes,,,GB,1,0.5,,", ",log_bytes,,eu,GB,1,0.6,2026-01-01,")
        assert usd(rules.price("log_bytes", "", {"region": "eu"}, NEW_YEAR_2026_MS - 1)) == "0.5"
        assert usd(rules.price("log_bytes", "", {"region": "eu"}, NEW_YEAR_2026_MS)) == "0.6"

    def test_before_the_first_date_there_is_no_price(self) -> None:
        rules = book(",log_bytes,,,GB,1,0.5,2026-01-01,")
        assert rules.price("log_bytes", "", {}, NEW_YEAR_2026_MS - 1) is None

    def test_absurd_times_are_only_early_or_late(self) -> None:
        assert usd(self.DATED.price("ci_minutes", "linux", {}, 2**63 - 1)) == "0.006"
        assert usd(self.DATED.price("ci_minutes", "linux", {}, -(2**63))) == "0.008"


class TestMoney:
    def test_a_pod_minute(self) -> None:
        # 0.096 USD/h for 60 s: 0.096e9 / 60 = 1,600,000 nano-dollars.
        assert price("0.096", "1").nusd(Fraction(1, 60)) == 1_600_000

    def test_bytes_at_a_price_for_a_gigabyte(self) -> None:
        # 123,456,789 bytes at 0.09 USD for 1e9: 11,111,111.01 nano-dollars.
        assert price("0.09", "1000000000").nusd(Decimal(123_456_789)) == 11_111_111

    def test_a_gigabyte_month_is_730_hours(self) -> None:
        # 1000 GB for 1 h at 0.023 USD a month: 23 / 730 = 0.031506849315… USD.
        assert price("0.023", "730").nusd(Decimal(1000)) == 31_506_849

    @pytest.mark.parametrize(("quantity", "expected"), [("0.5", 0), ("1.5", 2), ("2.5", 2), ("-0.5", 0)])
    def test_ties_go_to_the_even_side(self, quantity: str, expected: int) -> None:
        assert price("0.000000001", "1").nusd(Decimal(quantity)) == expected

    @given(
        usd=st.decimals(0, 10**6, places=10),
        per=st.decimals("0.001", 10**9, places=3),
        quantities=st.lists(st.fractions(0, 10**9, max_denominator=10**6), max_size=5),
    )
    def test_added_up_then_priced_is_exact_to_half_a_nano_dollar(
        self, usd: Decimal, per: Decimal, quantities: list[Fraction]
    ) -> None:
        priced = Price(usd, per, "", None, "", 2)
        exact = sum(quantities, Fraction(0)) * Fraction(usd) / Fraction(per) * 1_000_000_000
        assert abs(priced.nusd(sum(quantities, Fraction(0))) - exact) <= Fraction(1, 2)
        assert priced.nusd_per_unit * sum(quantities, Fraction(0)) == exact


class TestMistakes:
    def test_all_are_named_at_once_with_their_lines(self) -> None:
        assert mistakes(
            "aws,pod_hours,m5.large,,h,1,0.096,,",
            "aws,Pod Hours,m5.large,,h,1,0.096,,",
            "aws,pod_hours,c5,,h,1,$0.09,,",
            "aws,pod_hours,c6,,h,0,0.09,,",
            "aws,pod_hours,c7,,h,1,0.09,1.1.2026,",
            "aws,pod_hours,c8,,h,1,0.09,2026-02-30,",
            "aws,pod_hours,c9",
            "aws,pod_hours, c9,,h,1,0.09,,",
            "aws,pod_hours,c9,,h,1,-1,,",
            "aws,pod_hours,c9,,h,0.001,1001,,",
            "aws,pod_hours,m5.large,,h,1,0.1,,",
        ) == [
            "book.csv line 3: driver is 'Pod Hours'; write lower-case words such as pod_hours",
            "book.csv line 4: price_usd is '$0.09'; write a plain number of 0 or more, such as 0.0416",
            "book.csv line 5: per is 0; write how many units the price is for, such as 1",
            "book.csv line 6: effective_date is '1.1.2026'; "
            "write a date such as 2026-01-01, or leave it empty",
            "book.csv line 7: effective_date is '2026-02-30'; "
            "write a date such as 2026-01-01, or leave it empty",
            "book.csv line 8: 3 cells where the header has 9",
            "book.csv line 9: sku has blanks around 'c9': remove them",
            "book.csv line 10: price_usd is '-1'; write a plain number of 0 or more, such as 0.0416",
            "book.csv line 11: price_usd over per is more than 1000000 USD a unit: check both",
            "book.csv line 12: same provider, driver, sku and region as line 2, both with no date: "
            "remove one, or give each its effective_date",
        ]

    def test_only_the_first_twenty_are_shown(self) -> None:
        shown = mistakes(*["x"] * 25)
        assert len(shown) == 21
        assert shown[-1] == "and 5 more"

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", f"book.csv line 1: the header must be {HEADER}"),
            (HEADER.replace("region", "regoin"), "unknown column 'regoin'; did you mean 'region'?"),
            ("provider,driver,price_usd", f"the header must be {HEADER}"),
            (HEADER + "\n", "book.csv has no prices"),
            (HEADER + '\naws,"pod_hours\n', "not CSV"),
        ],
    )
    def test_of_the_whole_file(self, text: str, sentence: str) -> None:
        with pytest.raises(UserError) as caught:
            parse(text, "book.csv")
        assert sentence in str(caught.value)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"cannot read .*none\.csv: No such file or directory"):
            load(tmp_path / "none.csv")

    def test_a_file_that_is_not_text(self, tmp_path: Path) -> None:
        path = tmp_path / "book.csv"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(UserError, match="is not UTF-8 text: save it as CSV UTF-8"):
            load(path)

    @given(st.text(alphabet='a,."\n\r\x00 0-é', max_size=60))
    def test_whatever_stands_below_the_header_a_sentence_comes_out(self, text: str) -> None:
        try:
            parse(HEADER + "\n" + text, "book.csv")
        except UserError as error:
            assert str(error).startswith("book.csv")


class TestOwnBook:
    def test_replaces_the_built_in_one(self, tmp_path: Path) -> None:
        path = tmp_path / "book.csv"
        path.write_text(f"\ufeff{HEADER}\r\n,build_hours,,,h,1,2,,contract\r\n", encoding="utf-8")
        own = load(path)
        assert usd(own.price("build_hours", "", {}, 0)) == "2"
        assert own.price("pod_hours", "m5.large", {}, 0) is None


class TestBuiltInBook:
    def test_every_row_names_its_public_source(self) -> None:
        builtin = load(None)
        assert all(found.source and found.unit for found in builtin)

    @pytest.mark.parametrize(
        ("driver", "sku", "quantity", "expected_nusd"),
        [
            ("pod_hours", "m5.xlarge", 2000, 384_000_000_000),  # 2000 x 0.192 USD
            ("pod_hours", "m5.large/4", 4, 96_000_000),  # four pods fill the node
            ("node_hours", "m5.large", 1, 96_000_000),
            ("cpu_core_hours", "pods.cpu_core_hours", 1, 31_611_000),
            ("memory_gib_hours", "", 1, 4_237_000),
            ("gpu_hours", "", 1, 950_000_000),
            ("invocations", "functions.invocations", 5_000_000, 1_000_000_000),
            ("gb_seconds", "functions.gb_seconds", 1_000_000, 16_666_700_000),
            ("egress_bytes", "", 10**12, 90_000_000_000),
            ("nat_bytes", "", 10**9, 45_000_000),
            ("log_bytes", "", 10**9, 500_000_000),
            ("storage_gb_hours", "s3.standard", 730_000, 23_000_000_000),
            ("storage_gb_hours", "gp3", 730, 80_000_000),
            ("requests", "s3.put", 1000, 5_000_000),
            ("load_balancer_hours", "alb", 1, 22_500_000),
            ("ci_minutes", "linux", 1000, 6_000_000_000),
            ("llm_input_tokens", "nova-lite", 10**6, 60_000_000),
            ("llm_output_tokens", "", 10**6, 600_000_000),
        ],
    )
    def test_what_people_meter_has_a_price(
        self, driver: str, sku: str, quantity: int, expected_nusd: int
    ) -> None:
        found = load(None).price(driver, sku, {}, NEW_YEAR_2026_MS)
        assert found is not None
        assert found.nusd(Decimal(quantity)) == expected_nusd


def price(usd: str, per: str) -> Price:
    return Price(Decimal(usd), Decimal(per), "unit", None, "source", 2)

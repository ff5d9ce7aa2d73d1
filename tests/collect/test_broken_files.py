"""A file that is broken gives one sentence, a row that is broken gives a rejection; never a traceback."""

import gzip
import random
from decimal import Decimal
from pathlib import Path

import pytest

from stream.collect.formats import FORMATS, open_reading, recognise
from stream.collect.reader import Rejected, UsageMessage
from stream.errors import UserError
from tests.collect.files import csv_file, outcome

HEADER = ["BilledCost", "BillingCurrency", "ChargePeriodStart", "ChargePeriodEnd", "ServiceName"]
GOOD = "1,USD,2024-09-18T22:00:00Z,2024-09-18T23:00:00Z,s\n"


def bill(tmp_path: Path, rows: str | bytes, head: str = ",".join(HEADER) + "\n") -> Path:
    path = tmp_path / "bill.csv"
    path.write_bytes(head.encode() + (rows.encode() if isinstance(rows, str) else rows))
    return path


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a,b\n1,2\n", "in no format that burnline knows"),
        (b"\x00\x01\x02\xff" * 100, "in no format that burnline knows"),
        (b"PAR1\x00\x00", "a Parquet file"),
        (b"PK\x03\x04zip", "unpack it"),
        ("Date,Product\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(random.Random(1).randbytes(100_000))[:-5000], r"in no format|ends in the middle"),
        (b"\x1f\x8b\x08\x00 no gzip", r"is damaged|ends in the middle"),
        (b"x" * 5_000_000, "has a line over 4,000,000"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        recognise(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            recognise(path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 50, b"a,b\n1,2\n", b"a,a\n", b'"', b"\x00,\x00\n", b"\n \n"]
)
def test_a_wrong_file_under_a_named_format(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(content)
    if name == "jsonl" and content.strip():
        assert all(isinstance(item, UsageMessage) for item in open_reading(path, name))
        return
    with pytest.raises(UserError, match=r"bill\.csv"):
        list(open_reading(path, name))


def test_an_unknown_format_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no format 'cur'.*aws-cur"):
        open_reading(bill(tmp_path, GOOD), "cur")


def test_a_header_without_rows_is_nothing_to_replay(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no rows"):
        outcome(bill(tmp_path, ""))


def test_a_gzip_cut_off_gives_no_half_bill(tmp_path: Path) -> None:
    rows = "".join(GOOD.replace(",s", f",{random.Random(n).random()}") for n in range(5000))
    path = tmp_path / "bill.csv.gz"
    path.write_bytes(gzip.compress((",".join(HEADER) + "\n" + rows).encode())[:-2000])
    items = []
    with pytest.raises(UserError, match="ends in the middle"):
        for item in open_reading(path):
            items.append(item)
    assert items == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,USD\n", "2 fields where the header has 5"),
        ("1,USD,2024-09-18T22:00:00Z,2024-09-18T23:00:00Z,s,extra\n", "6 fields"),
        ("1,USD,2024-09-18T22:00:00Z,2024-09-18T23:00:00Z,\0\n", "NUL"),
        (b"1,USD,2024-09-18T22:00:00Z,2024-09-18T23:00:00Z,\xff\xfe\n", "UTF-8"),
        (f"1,USD,2024-09-18T22:00:00Z,2024-09-18T23:00:00Z,{'x' * 200_000}\n", "field larger"),
    ],
)
def test_a_broken_row_is_rejected_with_its_bytes_and_the_rest_read(
    tmp_path: Path, row: str | bytes, reason: str
) -> None:
    raw = row if isinstance(row, bytes) else row.encode()
    found = outcome(bill(tmp_path, GOOD.encode() + raw + GOOD.encode()))
    [rejected] = found.rejected
    assert (rejected.row, rejected.raw) == (2, raw)
    assert reason in rejected.reason
    assert found.cost_usd == 2
    assert (found.reading.rows, found.reading.accepted) == (3, 2)


def test_a_quote_that_is_not_closed_is_told_with_its_lines(tmp_path: Path) -> None:
    found = outcome(bill(tmp_path, GOOD + '1,USD,"2024\n' + GOOD + GOOD))
    [rejected] = found.rejected
    assert "lines 3 to 5: is a quote not closed?" in rejected.reason
    assert rejected.raw.count(b"\n") == 3
    assert found.cost_usd == 1


def test_byte_order_mark_crlf_blank_lines_and_odd_case_are_read(tmp_path: Path) -> None:
    head = "\ufeff" + ",".join(HEADER).lower() + "\r\n"
    rows = (
        GOOD.replace("\n", "\r\n")
        + "\r\n"
        + '"1","USD",2024-09-18T22:00:00Z,2024-09-18T23:00:00Z,"a\r\nb"\r\n'
    )
    found = outcome(bill(tmp_path, rows, head))
    assert (found.cost_usd, found.reading.rows) == (Decimal(2), 2)


def test_any_garbage_in_a_row_is_a_row_that_is_accounted_for(tmp_path: Path) -> None:
    dice = random.Random(7)
    alphabet = ['"', ",", "\n", "\r", "\0", "1", "é", "\x1f", "-", "e", "USD", "2024-09-18", "{", "\\", " "]
    for _ in range(200):
        rows = "".join(dice.choices(alphabet, k=dice.randrange(1, 120)))
        reading = open_reading(bill(tmp_path, GOOD + rows), "focus")
        rejected = [item for item in reading if isinstance(item, Rejected)]
        assert reading.rows == 1 + len(rejected)
        assert all(each.raw for each in rejected)


def test_every_format_tells_what_it_is() -> None:
    for name, each in FORMATS.items():
        assert name == each.name
        assert each.about and each.recognised_by
        assert "\n" not in each.about + each.recognised_by


def test_the_same_file_gives_the_same_messages(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "b.csv", HEADER, [GOOD.strip().split(",")] * 250)
    first, second = outcome(path).messages, outcome(path).messages
    assert first == second
    assert [message.row for message in first] == [100, 200, 250]

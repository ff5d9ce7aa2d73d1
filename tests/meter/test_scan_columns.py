"""The compiled reader of columns comes to just what the Python one comes to, and reads what agents send."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.workload import Variant, generate
from stream.meter.compiled import ColumnScanner
from tests.meter.rig import START
from tests.meter.test_columnar import BAD_ROWS, UNCLEAR, Sent, message, messages
from tests.meter.test_scan import GOOD, PACKED, assert_same

PLAIN: Final[dict[str, bytes]] = {
    "all of it": message(),
    "one value for all": message({"end": 5, "cost_nusd": 7}),
    "without labels": message(labels=None),
    "without a source": message(source=None, seq=None),
    "from the epoch": message({"start": START, "end": START + 1}, origin=None),
    "costs only": message({"quantity": None}),
    "quantities only": message({"cost_nusd": None, "quantity": [1, 0.016666666666666666, 5e-07]}),
    "spaces": message().replace(b":", b" : ").replace(b",", b" ,\n").replace(b"[", b"[ "),
    "brackets in text": message(series=[{"driver": "a]}", "labels": {'{"[': "}\\"}}, {"driver": "b"}]),
    "a source of any letters": message(source="größer/日本"),
}  # fmt: skip
NOT_PLAIN: Final[dict[str, bytes]] = {
    "an empty column": message({"series": [], "end": [], "cost_nusd": []}),
    "a source with an escape": message(source='a"b'),
    "wrong UTF-8 in the source": message(source="@@").replace(b"@@", b"\xff\xfe"),
    "wrong UTF-8 in a label": message(series=[{"driver": "@@"}, {"driver": "b"}]).replace(b"@@", b"\xff\xfe"),
    "labels that are no JSON": message().replace(b'{"team":"pay"}', b'{"team":tru}'),
    "brackets that do not match": message().replace(b'{"team":"pay"}', b'{"team":["pay"}}'),
    "leading zeros": message().replace(b'"start":0', b'"start":00'),
    "a fraction": message({"start": 0.5}),
    "minus zero": message({"quantity": -0.0}),
    "19 digits": message({"start": 10**18}),
    "a column twice": message().replace(b'"start":0', b'"start":0,"start":1'),
    "a field twice": message().replace(b'"seq":1', b'"seq":1,"seq":2'),
    "a comma too many": message().replace(b'"start":0', b'"start":0,'),
    "something behind": message() + b"{}",
    "a byte-order mark": b"\xef\xbb\xbf" + message(),
    "cut off": message()[:-1],
    "costs in dollars": message({"cost_nusd": None, "cost_usd": ["0.5", 1, 2.5]}),
    "numbers as text": message({"start": "0"}),
    "nulls": message({"cost_nusd": [1, None, 2]}),
}  # fmt: skip


def read(value: bytes) -> Any:
    return ColumnScanner().read(value)


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
def test_plain_envelopes_are_not_left_to_python(value: bytes) -> None:
    assert read(value) is not None
    assert_same([value])


def test_what_the_benchmark_sends_is_plain() -> None:
    values = generate(Variant.COLUMNS, 3_000).values
    assert all(read(value) is not None for value in values)
    assert_same(values)


@pytest.mark.parametrize("value", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_left_to_python(value: bytes) -> None:
    assert_same([message(seq=5), value, GOOD])


@pytest.mark.parametrize(
    "value", [*(value for value, _ in UNCLEAR.values()), *(message(case[0]) for case in BAD_ROWS.values())]
)
def test_mistakes_are_found_all_the_same(value: bytes) -> None:
    assert_same([message(seq=5), value, PACKED])


@given(st.lists(messages(), min_size=1, max_size=3))
def test_any_envelopes(sent: list[Sent]) -> None:
    assert_same([one.in_columns for one in sent])


TOKENS: Final = [
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"-", b"-1", b"1e400", b"1e2", b"0.1", b"9" * 25,
    b"\\", b"\\u0000", b"\xff", b" ", b"\n", b'"series"', b'"columns"', b'"labels"', b'"seq":1,', b'"end":5,',
    b"00", b"\x00",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A plain envelope with pieces cut out, repeated or put in."""
    value = draw(st.sampled_from(list(PLAIN.values())))
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(value)))
        last = draw(st.integers(first, min(len(value), first + 30)))
        piece = draw(
            st.one_of(st.sampled_from(TOKENS), st.binary(max_size=3), st.just(value[first:last] * 2))
        )
        value = value[:first] + piece + value[last:]
    return value


@given(st.lists(mutated(), min_size=1, max_size=3))
def test_mutated_envelopes(values: list[bytes]) -> None:
    assert_same([*values, message(seq=9)])

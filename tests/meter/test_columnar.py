"""An envelope of columns comes to what the same estimates come to in an ordinary one, mistakes included."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.config import Config, Meter
from stream.meter import columnar
from tests.meter.rig import START, Rig, envelope, estimate, original, run

MANY: Final = json.dumps({f"l{n}": "" for n in range(40)}).encode()
OTHERS: Final = json.dumps({f"m{n}": "" for n in range(40)}).encode()
LABELS: Final = [
    b"{}", b'{"team":"pay"}', b'{"team":"pay","namespace":"shop","service":"web"}', b' {"cluster": "eu"} ',
    MANY, OTHERS, b"null", b"[]", b"5", b'{"team":5}', b'{"team":null}', b'{"team":"\xff"}',
]  # fmt: skip
DRIVERS: Final = [
    b'"egress_bytes"', b'"x"', b'""', b"5", b"null", b'"' + b"d" * 129 + b'"', b'"\xff"', b'"\\u0000"',
]  # fmt: skip
SKUS: Final = [b'"m5.large"', b'""', b"null", b"7", b'"' + b"s" * 257 + b'"']
TIMES: Final = [
    b"-1", b"0", b"1", b"10000", b"60000", b'"60000"', b"6e4", b"1000000000000", b"-4000000000",
    b"9007199254740993", b"1" + b"0" * 30, b"-1" + b"0" * 30, b"null", b"true", b"0.5", b'"soon"', b"[0]",
    b"9" * 5000,
]  # fmt: skip
NUSD: Final = [
    b"0", b"1", b"-1", b"999999999", b"1000000000", b"-2500000000", b'"7"', b"2.0", b"2097152000000001",
    b"9007199254740993", b"10000000000000000", b"10000000000000001", b"1" + b"0" * 40, b"true", b"0.5",
    b'"x"', b"{}",
]  # fmt: skip
USD: Final = [
    b'"0.00067"', b"0.00067", b"-1", b'"1.5"', b'"0.1234567890123456"', b'"9999999.999999999"', b"10000001",
    b"1e400", b'"nan"', b'"snan"', b"true", b'""', b"[1]", b'"1e-99999999999999999999"', b"null",
]  # fmt: skip
QUANTITIES: Final = [
    b"0", b"1", b"0.5", b'"0.25"', b"52428800", b"-1", b"1e400", b'"nan"', b"2e18", b"true", b"{}", b"null",
]  # fmt: skip


@dataclass
class Sent:
    """The same estimates as columns, and as ordinary estimates with the labels of their series."""

    head: dict[str, bytes]
    series: list[dict[str, bytes]]
    origin: int
    place: list[int]
    values: dict[str, list[bytes]]
    scalars: set[str]

    @property
    def in_columns(self) -> bytes:
        given = {name: array(column) for name, column in self.values.items()}
        for name in self.scalars:
            given[name] = self.values[name][0]
        places = array([b"%d" % place for place in self.place])
        fields = {"series": array([joined(one) for one in self.series])}
        if self.origin:
            fields["origin"] = b"%d" % self.origin
        return joined(self.head | fields | {"columns": joined({"series": places} | given)})

    @property
    def estimates(self) -> list[dict[str, bytes]]:
        return [
            {name: value for name, value in self.series[place].items() if name != "labels"}
            | dict(self._field(name, column[row]) for name, column in self.values.items())
            | {"labels": self.series[place].get("labels", b"{}")}
            for row, place in enumerate(self.place)
        ]

    def _field(self, name: str, value: bytes) -> tuple[str, bytes]:
        number = whole(value) if name in ("start", "end", "cost_nusd") else None
        if self.origin and name in ("start", "end") and number is not None:
            return name, b"%d" % (self.origin + number)
        if name == "cost_nusd":
            return "cost_usd", b"{}" if number is None else dollars(number)
        return name, value

    @property
    def ordinary(self) -> bytes:
        return joined(self.head | {"estimates": array([joined(one) for one in self.estimates])})


def dollars(nusd: int) -> bytes:
    text = f"{abs(nusd):010d}"
    return b'"%s%s.%s"' % (b"-" * (nusd < 0), text[:-9].encode(), text[-9:].encode())


def whole(value: bytes) -> int | None:
    """The integer that a piece of JSON is, also as text; None where it is none that anything holds."""
    try:
        number = Decimal(value.strip(b'"').decode())
    except InvalidOperation:
        return None
    return int(number) if number == number.to_integral_value() and number.adjusted() < 100 else None


def array(pieces: list[bytes]) -> bytes:
    return b"[" + b",".join(pieces) + b"]"


def joined(fields: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items()) + b"}"


def mostly(good: bytes, others: Any) -> st.SearchStrategy[bytes]:
    return st.one_of(st.just(good), st.just(good), st.just(good), st.sampled_from(list(others)))


@st.composite
def messages(draw: st.DrawFn) -> Sent:
    head = {"source": b'"agent"', "seq": b"%d" % draw(st.integers(0, 3))}
    if draw(st.booleans()):
        head["labels"] = draw(mostly(b'{"team":"a","cluster":"eu"}', LABELS))
    series = []
    for _ in range(draw(st.integers(1, 3))):
        one = {"driver": draw(mostly(b'"pod_hours"', DRIVERS))}
        if draw(st.booleans()):
            one["sku"] = draw(mostly(b'"m5.large"', SKUS))
        if draw(st.booleans()):
            one["labels"] = draw(mostly(b'{"team":"pay","service":"web"}', LABELS))
        if draw(st.integers(0, 19)) == 0:
            one["colour"] = b'"red"'
        series.append(one)
    count = draw(st.integers(0, 6))
    origin = draw(st.sampled_from([0, START, START, START, -1, 2**60]))
    sampled = {
        "start": mostly(b"%d" % (START - origin), TIMES),
        "end": mostly(b"%d" % (START - origin + 45_000), TIMES),
        "quantity": mostly(b"0.5", QUANTITIES),
        "cost_usd": mostly(b'"0.25"', USD), "cost_nusd": mostly(b"250000000", NUSD),
    }  # fmt: skip
    names = ["start", "end", *draw(st.sampled_from(CHOICES))]
    values, scalars = {}, set()
    for name in names:
        if count and draw(st.integers(0, 3)) == 0:
            one_value = draw(sampled[name].filter(lambda value: not value.startswith(b"[")))
            values[name] = [one_value] * count
            scalars.add(name)
        else:
            values[name] = draw(st.lists(sampled[name], min_size=count, max_size=count))
    place = draw(st.lists(st.integers(0, len(series) - 1), min_size=count, max_size=count))
    return Sent(head, series, origin, place, values, scalars)


CHOICES: Final = [
    ("quantity", "cost_nusd"), ("cost_nusd",), ("quantity", "cost_usd"), ("cost_usd",), ("quantity",), (),
]  # fmt: skip


def taken(batches: list[list[bytes]], compiled: bool = True) -> Rig:
    rig = Rig(Config(meter=Meter(compiled=compiled)))
    for batch in batches:
        rig.take(*batch)
    rig.commit()
    return rig


def labels_of(fields: dict[str, Any], shared: Any) -> Any:
    """An estimate's labels with its envelope's, or whichever is no set of labels."""
    own = fields.pop("labels", {})
    for labels in (shared, own):
        if not isinstance(labels, dict):
            return labels
    return shared | own


def told(rig: Rig, shared: list[Any]) -> list[str]:
    """The dead letters, with the labels of `shared` (by message) in the originals."""
    found: list[tuple[Any, ...]] = []
    for letter in rig.letters:
        try:
            fields = parsed(original(letter))
        except ValueError:
            found.append((letter.offset, letter.reason))  # a number too long for Python's own JSON
            continue
        labels = labels_of(fields, shared[letter.offset])
        known = {name: value for name, value in fields.items() if value is not None or name not in NULLABLE}
        # What is no whole number of nano-dollars has no like in dollars.
        cost = known.pop("cost_usd", None)
        cost = "wrong" if known.pop("cost_nusd", None) is not None or cost == {} else cost
        detail = "" if "cost" in letter.detail else letter.detail
        found.append((letter.offset, letter.reason, detail, letter.cost_nusd, cost, known, labels))
    return sorted(map(repr, found))


NULLABLE: Final = ("quantity", "cost_usd", "sku")


def parsed(value: bytes) -> Any:
    return json.loads(value.decode(errors="replace"))


def assert_same(batch: list[Sent]) -> None:
    shared = [parsed(sent.head.get("labels", b"{}")) for sent in batch]
    expected = taken([[sent.ordinary] for sent in batch])
    values = [sent.in_columns for sent in batch]
    mixed = [sent.ordinary if number % 2 else sent.in_columns for number, sent in enumerate(batch)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar, "given", lambda _: None)
        row_by_row = taken([values], compiled=False)
    none: list[Any] = [{}] * len(batch)
    half = [labels if number % 2 else {} for number, labels in enumerate(shared)]
    one_by_one = taken([[value] for value in values])
    in_python = taken([values], compiled=False)
    rigs = (
        (taken([values]), none),
        (one_by_one, none),
        (in_python, none),
        (row_by_row, none),
        (taken([mixed]), half),
    )
    for rig, not_in_originals in rigs:
        assert rig.meter.counters == expected.meter.counters
        assert (rig.buckets, rig.count) == (expected.buckets, expected.count)
        assert rig.quantity == pytest.approx(expected.quantity)
        assert rig.meter.watermark_ms == expected.meter.watermark_ms
        assert rig.state.keys() == expected.state.keys()
        assert rig.balanced
        assert told(rig, not_in_originals) == told(expected, shared)


@given(st.lists(messages(), min_size=1, max_size=3))
def test_columns_come_to_what_the_same_estimates_come_to(batch: list[Sent]) -> None:
    assert_same(batch)


GOOD: Final[dict[str, Any]] = {
    "source": "agent", "seq": 1, "labels": {"team": "pay"}, "origin": START,
    "series": [
        {"driver": "pod_hours", "labels": {"namespace": "shop", "service": "web"}},
        {"driver": "egress_bytes", "sku": "", "labels": {"namespace": "shop", "service": "cart"}},
    ],
    "columns": {
        "series": [0, 1, 0], "start": 0, "end": [10_000, 20_000, 60_000], "quantity": 0.25,
        "cost_nusd": [1, 2_000_000_000, -3],
    },
}  # fmt: skip


def message(columns: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """The good envelope, changed; what is changed to None is left out."""
    changed = GOOD | {"columns": GOOD["columns"] | (columns or {})} | fields
    return msgspec.json.encode(
        {name: value for name, value in changed.items() if value is not None}
        | {"columns": {name: value for name, value in changed["columns"].items() if value is not None}}
    )


def test_a_good_one_adds_up_by_the_labels_of_each_series() -> None:
    rig = run([message()])
    assert rig.letters == []
    assert rig.scopes() == {
        "total": 1_999_999_998, "team=pay": 1_999_999_998,
        "service=shop/web": -2, "service=shop/cart": 2_000_000_000, "namespace=shop": 1_999_999_998,
    } | {name: cost for name, cost in rig.scopes().items() if name.split("=")[0] == "account"}  # fmt: skip
    assert rig.meter.counters.accepted_events == 3
    assert rig.meter.watermark_ms == START + 60_000
    assert rig.balanced


def test_what_is_sent_twice_counts_once() -> None:
    rig = run([message(), message(), message(seq=2)])
    assert rig.spent("total") == 2 * 1_999_999_998
    assert rig.meter.counters.duplicate_events == 3
    assert rig.balanced


def test_without_rows_nothing_counts() -> None:
    columns: dict[str, Any] = {"series": [], "end": [], "cost_nusd": []}
    assert run([message(columns), message(columns, series=[])]).meter.counters.sent_events == 0


def test_without_an_origin_times_are_from_the_epoch() -> None:
    rig = run([message({"start": START, "end": START + 10_000}, origin=None)])
    assert (rig.letters, rig.meter.watermark_ms) == ([], START + 10_000)


# What leaves open which estimates are meant makes a dead letter of the whole message.
UNCLEAR: Final[dict[str, tuple[bytes, str]]] = {
    "a column too short": (
        message({"end": [1, 2]}), "column end has 2 values where column series has 3",
    ),
    "a column too long": (
        message({"cost_nusd": [1, 2, 3, 4]}), "column cost_nusd has 4 values where column series has 3",
    ),
    "one value is no list of one": (
        message({"quantity": [1]}), "column quantity has 1 values where column series has 3",
    ),
    "two kinds of cost": (
        message({"cost_usd": 1}), "columns hold either cost_usd or cost_nusd, not both",
    ),
    "a misspelt column": (message({"cost": 1}), "Object contains unknown field `cost` - at `$.columns`"),
    "a misspelt field": (message(origins=1), "Object contains unknown field `origins`"),
    "estimates besides": (message(estimates=[]), "Object contains unknown field `estimates`"),
    "an estimate's field besides": (message(driver="x"), "Object contains unknown field `driver`"),
    "no column of series": (
        message({"series": None}), "Object missing required field `series` - at `$.columns`",
    ),
    "one series for all": (message({"series": 0}), "Expected `array`, got `int` - at `$.columns.series`"),
    "no start": (message({"start": None}), "Object missing required field `start` - at `$.columns`"),
    "no series": (message(series=None), "Object missing required field `series`"),
    "series are an object": (message(series={}), "Expected `array`, got `object` - at `$.series`"),
    "an origin that is no number": (message(origin="now"), "Expected `int`, got `str` - at `$.origin`"),
    "columns are a list": (
        msgspec.json.encode(GOOD | {"columns": []}), "Expected `object`, got `array` - at `$.columns`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "detail"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_can_not_be_told_apart_is_one_dead_letter(value: bytes, detail: str) -> None:
    rig = run([value, message()])
    [letter] = rig.letters
    assert (letter.reason, letter.detail, original(letter)) == ("wrong_schema", detail, value)
    assert rig.spent("total") == 1_999_999_998
    assert rig.balanced


# A mistake of the row in the middle, and the row as a dead letter has it.
LABELS_OF_CART: Final = {"team": "pay", "namespace": "shop", "service": "cart"}
ROW: Final[dict[str, Any]] = {
    "driver": "egress_bytes", "sku": "", "start": START, "end": START + 20_000, "quantity": 0.25,
    "cost_usd": "2.000000000", "labels": LABELS_OF_CART,
}  # fmt: skip
BAD_ROWS: Final[dict[str, tuple[dict[str, Any], str, str, dict[str, Any]]]] = {
    "ends before it starts": (
        {"end": [1, -1, 1]}, "end_before_start",
        f"start {START}, end {START - 1}, driver 'egress_bytes'", {"end": START - 1},
    ),
    "a place after the last series": (
        {"series": [0, 2, 0]}, "wrong_schema", "series 2 is not among the 2 of the envelope, from 0",
        {"series": 2, "driver": None, "sku": None, "labels": {"team": "pay"}},
    ),
    "a place before the first": (
        {"series": [0, -1, 0]}, "wrong_schema", "series -1 is not among the 2 of the envelope, from 0",
        {"series": -1, "driver": None, "sku": None, "labels": {"team": "pay"}},
    ),
    "a cost that is no whole number": (
        {"cost_nusd": [1, 0.5, 1]}, "wrong_schema", "Expected `int`, got `float` - at `$.cost_nusd`",
        {"cost_nusd": 0.5, "cost_usd": None},
    ),
    "a time that is text": (
        {"end": [1, "soon", 1]}, "wrong_schema", "Expected `int`, got `str` - at `$.end`", {"end": "soon"},
    ),
    "too dear": (
        {"cost_nusd": [1, 10**17, 1]}, "cost_out_of_range",
        f"start {START}, end {START + 20_000}, driver 'egress_bytes'", {"cost_usd": "100000000.000000000"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "detail", "row"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_a_dead_letter_that_can_be_sent_again(
    change: dict[str, Any], reason: str, detail: str, row: dict[str, Any]
) -> None:
    rig = run([message(change)])
    [letter] = rig.letters
    assert (letter.reason, letter.detail) == (reason, detail)
    expected = {name: value for name, value in (ROW | row).items() if value is not None}
    assert json.loads(original(letter)) == expected
    assert rig.meter.counters.accepted_events == 2
    assert rig.balanced
    again = run([original(letter)])
    assert [letter.reason for letter in again.letters] == [reason]
    assert original(again.letters[0]) == original(letter)


def test_a_row_that_was_mended_counts_as_it_should_have() -> None:
    [letter] = run([message({"end": [10_000, -1, 60_000]})]).letters
    mended = json.loads(original(letter)) | {"end": START + 20_000}
    rig = run([message({"end": [10_000, -1, 60_000]}), msgspec.json.encode(mended)])
    assert (rig.buckets, rig.count) == ((whole := run([message()])).buckets, whole.count)


def test_of_a_thousand_rows_that_are_all_bad_each_is_a_dead_letter() -> None:
    count = 1_000
    columns = {"series": [0] * count, "end": -1, "cost_nusd": list(range(count))}
    rig = run([message(columns)])
    assert sorted(json.loads(original(letter))["cost_usd"] for letter in rig.letters) == [
        f"0.{nusd:09d}" for nusd in range(count)
    ]
    assert rig.meter.counters.rejected_nusd == sum(range(count))
    assert rig.balanced


def test_nulls_are_left_out() -> None:
    """A quantity without a cost is priced, a cost without a quantity is a cost."""
    quantity = [1e9, None, 1]
    columns = {"series": [1, 1, 1], "quantity": quantity, "cost_nusd": [None, 5, 6]}
    cost_usd = [None, "0.000000005", "0.000000006"]
    common = {"driver": "egress_bytes", "start": START, "labels": LABELS_OF_CART}
    same = [
        estimate(**common, end=START + end, quantity=amount, cost_usd=cost)
        for end, amount, cost in zip((10_000, 20_000, 60_000), quantity, cost_usd, strict=True)
    ]
    found, expected = run([message(columns)]), run([envelope(*same)])
    assert (found.letters, found.buckets, found.quantity) == ([], expected.buckets, expected.quantity)
    assert found.spent("total") > 11

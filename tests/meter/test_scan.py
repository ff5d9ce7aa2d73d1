"""The compiled reader comes to just what the Python one comes to, and reads what nearly everyone sends."""

from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.workload import Variant, generate
from stream.config import Config
from stream.config import Meter as Limits
from stream.messages import Messages
from stream.meter import compiled
from stream.meter.columns import Pack
from stream.meter.compiled import Scanner, reader
from tests.meter.rig import START, Rig, envelope, estimate
from tests.meter.test_batches import messages
from tests.meter.test_decode import BAD_ESTIMATES, BAD_MESSAGES, mutated

GOOD = msgspec.json.encode(estimate())
SEQUENCED = msgspec.json.encode(estimate(source="s/1", epoch=2, seq=7, sku="m5.large", quantity=0.25))
PACKED = envelope(estimate(), estimate(cost_usd=0.1), source="s/1", epoch=3, seq=7, labels={"cluster": "eu"})


class Seen(Rig):
    """A rig that keeps what left the intake, with label sets by what they mean, not by their numbers."""

    def __init__(self, compiled: bool, in_place: bool = False, **limits: Any) -> None:
        super().__init__(Config(meter=Limits(compiled=compiled, **limits)))
        self.in_place = in_place
        self.packs: list[Any] = []

    def sequence(self, values: tuple[bytes, ...]) -> Sequence[bytes]:
        return in_one_buffer(values) if self.in_place else list(values)

    def take(self, *values: bytes, at_ms: int = START + 120_000) -> None:
        super().take(*values, at_ms=at_ms)
        intake, series = self.meter._intake, self.meter._table.series
        for pack in intake.packs[-1:]:
            columns = {name: getattr(pack, name).tolist() for name in Pack.__slots__}
            meant = [series[number] for number in columns.pop("series")]
            self.packs.append((columns, [(each.driver, each.sku, each.attribution.rows) for each in meant]))


def assert_same(*batches: list[bytes], **limits: Any) -> None:
    """Packs, dead letters, counters, state and what is spent; also where a restart comes between."""
    plain = Seen(False, **limits)
    rigs = [Seen(True, **limits), Seen(True, in_place=True, **limits)]
    for values in (*batches, *batches):  # the second time label sets and sequences are known
        for rig in (plain, *rigs):
            rig.take(*values)
            rig.commit()
        for rig in rigs:
            assert rig.packs == plain.packs
            assert rig.meter.watermark_ms == plain.meter.watermark_ms
            assert rig.meter.counters == plain.meter.counters
            assert rig.letters == plain.letters
            assert list(rig.state.items()) == list(plain.state.items())
            assert (rig.buckets, rig.count) == (plain.buckets, plain.count)
    assert plain.balanced


def in_one_buffer(values: Sequence[bytes]) -> Messages:
    """As they are fetched: next to each other, here without a byte between."""
    sizes = array("q", map(len, values))
    begins = array("q", [0, *accumulate(sizes)][: len(sizes)])
    return Messages(b"".join(values), begins, sizes)


def test_it_was_built() -> None:
    """`make setup` builds it where a C compiler is, and CI has one."""
    assert Scanner is not None


def scanned(values: list[bytes]) -> int:
    known: dict[Any, int] = {}
    return Scanner(lambda key: known.setdefault(key, len(known)), 10**6).scan(values, 0)


@pytest.mark.parametrize("variant", [each for each in Variant if each is not Variant.COLUMNS])
@pytest.mark.parametrize("spaced", [False, True])
def test_plain_messages_are_not_left_to_python(variant: Variant, spaced: bool) -> None:
    """Else all that is compared below would be Python with Python."""
    values = generate(variant, 300).values
    if spaced:
        values = [value.replace(b":", b" : ").replace(b",", b" ,\n") for value in values]
    assert scanned(values) == len(values)
    assert_same(values)


@pytest.mark.parametrize(
    "value",
    [
        GOOD, SEQUENCED, PACKED, b"[]", envelope(), b" [" + GOOD + b" , " + GOOD + b"]\n",
        msgspec.json.encode(estimate(labels={"team": 'a "quoted" \\ one\n', "ä": "ö"}, cost_usd="-0.5")),
        msgspec.json.encode(estimate(labels=None, sku="é")),
    ],
)  # fmt: skip
def test_these_are_plain_too(value: bytes) -> None:
    assert scanned([value]) == 1
    assert_same([value])


@pytest.mark.parametrize("pod", ["a}b", "}", '}","team":"x"}', '"}', "{"])
def test_braces_in_labels_are_no_end_of_them(pod: str) -> None:
    value = msgspec.json.encode(estimate(labels={"team": "x", "pod": pod, "zone": "z"}))
    shared = envelope(estimate(labels=None), labels={"team": "x", "pod": pod, "zone": "z"})
    assert_same([value, GOOD], [value[:-1] + b',"sku":"a"}', b"[" + value + b"]"], [shared])


def test_a_reader_stops_before_what_it_cannot_read() -> None:
    escaped = GOOD.replace(b"pod_hours", b"pod\\u005fhours")
    assert scanned([GOOD, escaped, GOOD]) == 1
    assert_same([GOOD, escaped, GOOD])


@given(st.lists(st.one_of(messages(), mutated(), st.binary(max_size=40)), min_size=1, max_size=6))
def test_any_messages(values: list[bytes]) -> None:
    assert_same(values)


@given(st.lists(messages(), max_size=4), st.booleans(), st.booleans())
def test_any_estimates_in_arrays_and_envelopes(pieces: list[bytes], wrapped: bool, first: bool) -> None:
    array = b"[" + b",".join(pieces) + b"]"
    labels = b'"labels":{"cluster":"eu","team":"x"}'
    fields = [b'"source":"s","seq":4', *([labels] if first else []), b'"estimates":' + array]
    value = b"{" + b",".join(fields if first else [*fields, labels]) + b"}"
    assert_same([GOOD, value if wrapped else array, PACKED])


@given(
    st.lists(st.sampled_from([GOOD, b"x", b"[" + GOOD + b"]", *(bad for bad, _ in BAD_ESTIMATES.values())]))
)
def test_plain_and_other_messages_in_any_order(values: list[bytes]) -> None:
    assert_same(values)


def test_every_known_mistake_at_once() -> None:
    bad = [each for each, _ in (*BAD_ESTIMATES.values(), *BAD_MESSAGES.values())]
    assert_same([piece for each in bad for piece in (GOOD, each)])
    assert_same([b"[" + GOOD + b"," + each + b"]" for each, _ in BAD_ESTIMATES.values()])


decimals = st.from_regex(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
numbers = st.one_of(decimals, st.floats(-1e7, 1e7).map(repr), st.floats().map(repr), st.integers().map(str))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8), st.booleans())
@example([("1", "0.0000000005"), ("1", "0.00000000049999999999"), ("1", "2097152.0000000001")], True)
@example([("1", "0.0000000000000000005"), ("1", "0.0000000000000000015"), ("-0", "-1e-19")], False)
@example([("0e999", "1e-30"), ("9007199254740993", "1e23"), ("1e22", "0.10000000000000000001")], False)
@example([("5e-324", "9223372036.854775807"), ("1.5", "92233720368.54775808"), ("1", "-0.0")], True)
def test_every_number_is_the_same_to_the_last_bit(pairs: list[tuple[str, str]], quoted: bool) -> None:
    sign = '"' if quoted else ""
    values = [
        f'{{"start":{START},"end":{START + 1},"driver":"d","quantity":{sign}{quantity}{sign},'
        f'"cost_usd":{sign}{cost_usd}{sign}}}'.encode()
        for quantity, cost_usd in pairs
    ]
    assert_same(values, max_estimate_usd=100_000_000)


@pytest.mark.parametrize(
    "value", [GOOD, SEQUENCED, PACKED, b'[{"start":1,"end":2,"driver":"d","cost_usd":1e5}]']
)
def test_cut_short_at_every_byte(value: bytes) -> None:
    assert_same([value[:size] for size in range(len(value) + 1)])


@pytest.mark.parametrize("value", [SEQUENCED, PACKED])
@pytest.mark.parametrize("byte", [b"\x00", b'"', b"\\", b"\xff", b"9", b"}"])
def test_spoilt_at_every_byte(value: bytes, byte: bytes) -> None:
    assert_same([value[:at] + byte + value[at + 1 :] for at in range(len(value))])


def test_too_long_a_message_is_left_to_python() -> None:
    assert_same([GOOD, GOOD + b" " * 1100, GOOD], max_message_bytes=1100)


def test_more_label_sets_than_are_remembered() -> None:
    values = [msgspec.json.encode(estimate(labels={"team": f"t{n % 7}"})) for n in range(40)]
    assert_same(*[values[at : at + 3] for at in range(0, 40, 3)], max_label_sets=4)


def test_many_label_sets_are_told_apart() -> None:
    """So many that every table in the reader grows several times, and some share a slot."""
    values = [
        msgspec.json.encode(estimate(labels={"team": f"t{n}"}, source=f"s{n}", seq=1)) for n in range(5000)
    ]
    assert scanned(values) == len(values)
    assert_same(values)


def test_an_error_while_a_label_set_is_numbered_is_not_lost() -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError

    number: Callable[[Any], int] = broken
    with pytest.raises(ZeroDivisionError):
        Scanner(number, 10**6).scan([GOOD], 0)


@pytest.mark.parametrize(("begin", "size"), [(-1, 2), (0, -1), (3, 3), (6, 0), (2**62, 2**62)])
def test_a_message_outside_of_its_buffer_is_an_error(begin: int, size: int) -> None:
    with pytest.raises(ValueError, match="message 0 does not lie in its buffer"):
        Scanner(len, 10**6).scan(Messages(b"[] []", array("q", [begin]), array("q", [size])), 0)


def test_a_part_of_messages_is_messages() -> None:
    values = [GOOD, b"", PACKED, SEQUENCED]
    messages = in_one_buffer(values)
    assert list(messages) == values
    assert (list(messages[1:3]), messages[-1], len(messages)) == (values[1:3], SEQUENCED, 4)


def test_which_reader_is_at_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reader(Limits()) == "compiled"
    assert reader(Limits(compiled=False)).startswith("Python, since meter.compiled is false")
    monkeypatch.setattr(compiled, "COMPILED", False)
    assert "install a C compiler" in reader(Limits())

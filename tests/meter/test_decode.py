"""Bad input is a dead letter with its reason and its bytes; what is good beside it still counts."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.meter.columns import MAX_TIME_MS
from stream.schema.dead_letters import ORIGINAL_LIMIT_BYTES
from tests.meter.rig import NANO, NOW, START, Rig, envelope, estimate, original, run

GOOD = msgspec.json.encode(estimate())
DAY_MS = 86_400_000
YEAR_2100_MS = 4_102_444_800_000


def changed(**fields: object) -> bytes:
    return msgspec.json.encode(estimate(**fields))


def with_raw(name: str, raw: bytes) -> bytes:
    """A good estimate with one field given as raw JSON."""
    rest = estimate(**{name: None})
    return msgspec.json.encode(rest)[:-1] + b',"' + name.encode() + b'":' + raw + b"}"


def without(*names: str) -> bytes:
    return changed(**dict.fromkeys(names))


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


# Estimates that are JSON, so that their neighbours in the message can be told from them.
BAD_ESTIMATES = {
    "not a number, as text": (with_raw("cost_usd", b'"nan"'), "not_finite"),
    "infinite, as text": (with_raw("cost_usd", b'"inf"'), "not_finite"),
    "a signalling NaN": (with_raw("cost_usd", b'"sNaN12"'), "not_finite"),
    "minus infinity": (with_raw("quantity", b'"-Infinity"'), "not_finite"),
    "beyond a double": (with_raw("cost_usd", b"1e400"), "not_finite"),
    "beyond a double, as text": (with_raw("quantity", b'"1e400"'), "not_finite"),
    "negative quantity": (changed(quantity=-1), "negative_quantity"),
    "negative quantity without a cost": (changed(quantity=-0.5, cost_usd=None), "negative_quantity"),
    "end before start": (changed(end=START - 1), "end_before_start"),
    "ten years long": (changed(start=START - 3653 * DAY_MS), "span_too_long"),
    "36 days long": (changed(start=START - 36 * DAY_MS), "span_too_long"),
    "the year 9999": (changed(start=MAX_TIME_MS - 60_000, end=MAX_TIME_MS), "in_the_future"),
    "the year 2100": (changed(start=YEAR_2100_MS, end=YEAR_2100_MS + 60_000), "in_the_future"),
    "over 5 minutes ahead": (changed(end=NOW + 300_001), "in_the_future"),
    "starts and ends too early": (
        changed(start=NOW - 36 * DAY_MS, end=NOW - 35 * DAY_MS - 1), "too_old",
    ),
    "the epoch": (changed(start=0, end=1), "too_old"),
    "before the epoch": (changed(start=-60_000, end=-2), "too_old"),
    "beyond int64": (changed(start=10**30, end=10**30), "in_the_future"),
    "beyond int64, negative": (changed(start=-(10**30), end=-(10**30)), "too_old"),
    "from before time to now": (changed(start=-(10**30)), "span_too_long"),
    "a cost beyond reason": (changed(cost_usd="10000001"), "cost_out_of_range"),
    "a negative cost beyond reason": (changed(cost_usd="-10000001"), "cost_out_of_range"),
    "a quantity beyond reason": (changed(quantity=1.1e18), "cost_out_of_range"),
    "a quantity whose price is beyond reason": (
        changed(driver="egress_bytes", quantity=9e17, cost_usd=None), "cost_out_of_range",
    ),
    "neither quantity nor cost": (without("cost_usd"), "wrong_schema"),
    "unknown field": (changed(cost_us="1"), "wrong_schema"),
    "no driver": (without("driver"), "wrong_schema"),
    "no start": (without("start"), "wrong_schema"),
    "start as text that is no number": (changed(start="yesterday"), "wrong_schema"),
    "start is null": (with_raw("start", b"null"), "wrong_schema"),
    "start is a boolean": (changed(start=True), "wrong_schema"),
    "start is a fraction": (changed(start=START + 0.5), "wrong_schema"),
    "driver is null": (with_raw("driver", b"null"), "wrong_schema"),
    "driver is a number": (changed(driver=5), "wrong_schema"),
    "quantity is a boolean": (changed(quantity=True), "wrong_schema"),
    "cost is a boolean": (changed(cost_usd=False), "wrong_schema"),
    "cost is an object": (changed(cost_usd={}), "wrong_schema"),
    "cost is empty text": (changed(cost_usd=""), "wrong_schema"),
    "a lone number": (b"5", "wrong_schema"),
    "null": (b"null", "wrong_schema"),
    "a list": (b"[]", "wrong_schema"),
    "the driver is empty": (changed(driver=""), "labels_invalid"),
    "the driver is too long": (changed(driver="d" * 129), "labels_invalid"),
    "the sku is too long": (changed(sku="s" * 257), "labels_invalid"),
    "labels are a list": (changed(labels=["team"]), "labels_invalid"),
    "labels are null": (with_raw("labels", b"null"), "labels_invalid"),
    "a label is null": (changed(labels={"team": None}), "labels_invalid"),
    "a label is a number": (changed(labels={"team": 5}), "labels_invalid"),
    "a label is too long": (changed(labels={"team": "x" * 1025}), "labels_invalid"),
    "a label's name is too long": (changed(labels={"x" * 129: "pay"}), "labels_invalid"),
    "too many labels": (changed(labels={f"l{n}": "" for n in range(65)}), "labels_invalid"),
    "labels are nested": (with_raw("labels", b'{"team":' + nested(40) + b"}"), "labels_invalid"),
    "labels are wrong UTF-8": (with_raw("labels", b'{"team":"\xff"}'), "labels_invalid"),
}  # fmt: skip

# What spoils the whole message, and can only be a dead letter as a whole.
BAD_MESSAGES = {
    "empty": (b"", "malformed_json"),
    "blank": (b" \n", "malformed_json"),
    "truncated": (GOOD[:-5], "malformed_json"),
    "truncated envelope": (envelope(estimate())[:-9], "malformed_json"),
    "truncated array": (b"[" + GOOD, "malformed_json"),
    "two values": (GOOD + GOOD, "malformed_json"),
    "NaN as a word": (with_raw("cost_usd", b"NaN"), "malformed_json"),
    "not JSON": (b"pod_hours 1", "malformed_json"),
    "not text": (b"\x00\x01\x02", "malformed_json"),
    "a byte-order mark": (b"\xef\xbb\xbf" + GOOD, "malformed_json"),
    "wrong UTF-8 in a field": (with_raw("driver", b'"\xff\xfe"'), "not_utf8"),
    "a number": (b"5", "wrong_schema"),
    "text": (b'"usage"', "wrong_schema"),
    "null": (b"null", "wrong_schema"),
    "true": (b"true", "wrong_schema"),
    "an object without anything": (b"{}", "wrong_schema"),
    "half a surrogate pair in labels": (with_raw("labels", rb'{"team":"\ud800"}'), "malformed_json"),
    "deep nesting": (nested(100_000), "too_deep"),
    "deep nesting in labels": (with_raw("labels", b'{"a":' + nested(100_000) + b"}"), "too_deep"),
    "over 8 MiB": (changed(sku="x" * 10_000_000), "too_large"),
    "an envelope with a single's field": (envelope(estimate(), driver="pod_hours"), "wrong_schema"),
    "an envelope with a single's times": (envelope(estimate(), start=START, end=NOW), "wrong_schema"),
    "an unknown field in an envelope": (envelope(estimate(), sauce="x"), "wrong_schema"),
    "estimates are null": (b'{"estimates":null}', "wrong_schema"),
    "estimates are null beside a single's fields": (
        with_raw("cost_usd", b"0.12345678901234")[:-1] + b',"estimates":null}', "wrong_schema",
    ),
    "estimates are an object": (b'{"estimates":{}}', "wrong_schema"),
    "a source that is a number": (envelope(estimate(), source=5), "wrong_schema"),
    "a source with half a surrogate pair": (
        rb'{"source":"\ud800","seq":1,"estimates":[' + GOOD + b"]}", "malformed_json",
    ),
    "a sequence beyond int64": (envelope(estimate(), source="s", seq=2**63), "wrong_schema"),
    "a sequence far beyond int64": (envelope(estimate(), source="s", seq=10**30), "wrong_schema"),
    "an epoch beyond int64": (envelope(estimate(), source="s", epoch=2**63, seq=1), "wrong_schema"),
    "a single with a sequence beyond int64": (changed(source="s", seq=10**30), "wrong_schema"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "reason"), BAD_ESTIMATES.values(), ids=BAD_ESTIMATES)
def test_a_bad_estimate_spoils_only_itself(bad: bytes, reason: str) -> None:
    carriers = {
        "array": b"[" + GOOD + b"," + bad + b"," + GOOD + b"]",
        "envelope": b'{"source":"s","seq":1,"estimates":[' + bad + b"," + GOOD + b"," + GOOD + b"]}",
    }
    for carrier, value in carriers.items():
        rig = run([value])
        [letter] = rig.letters
        assert (letter.reason, original(letter)) == (reason, bad), (carrier, letter.detail)
        assert letter.detail
        assert rig.spent("total") == 2 * NANO, carrier
        assert rig.meter.counters.accepted_events == 2
        assert rig.meter.watermark_ms == START + 60_000, carrier
        assert rig.balanced


@pytest.mark.parametrize(("bad", "reason"), BAD_ESTIMATES.values(), ids=BAD_ESTIMATES)
def test_a_bad_estimate_alone(bad: bytes, reason: str) -> None:
    if bad == b"[]":
        assert run([bad]).letters == []  # as a message, an array with nothing in it
        return
    rig = run([bad])
    [letter] = rig.letters
    assert original(letter) == bad
    # A single estimate's labels or driver may make it no estimate at all; the reason may then be wider.
    assert letter.reason == reason or {letter.reason, reason} == {"wrong_schema", "labels_invalid"}
    assert rig.meter.watermark_ms == -1
    assert rig.balanced


@pytest.mark.parametrize(("bad", "reason"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_bad_message_spoils_no_other(bad: bytes, reason: str) -> None:
    rig = run([GOOD, bad, GOOD])
    [letter] = rig.letters
    assert (letter.reason, letter.topic, letter.partition, letter.offset) == (reason, "usage", 0, 1)
    assert (original(letter), letter.original_bytes) == (bad[:ORIGINAL_LIMIT_BYTES], len(bad))
    assert (letter.timestamp_ms, letter.cost_nusd) == (NOW, 0)
    assert rig.spent("total") == 2 * NANO
    assert rig.balanced


def test_every_bad_estimate_at_once() -> None:
    """Reasons and bytes don't get mixed up, however many there are."""
    pieces = [piece for bad, _ in BAD_ESTIMATES.values() for piece in (GOOD, bad)]
    rig = run([b"[" + b",".join(pieces) + b"]"])
    assert {(original(letter), letter.reason) for letter in rig.letters} == set(BAD_ESTIMATES.values())
    assert rig.meter.counters.rejected_events == rig.meter.counters.accepted_events == len(BAD_ESTIMATES)
    assert rig.balanced


def test_what_a_rejected_estimate_states_is_counted_in_money() -> None:
    rig = run([envelope(estimate(end=START - 1, cost_usd="2.5"), estimate())])
    counters = rig.meter.counters
    assert (counters.rejected_nusd, counters.accepted_nusd, counters.sent_nusd) == (
        2_500_000_000, NANO, 3_500_000_000,
    )  # fmt: skip
    assert rig.letters[0].cost_nusd == 2_500_000_000


def test_bad_labels_of_an_envelope_reject_all_it_holds() -> None:
    rig = run([envelope(estimate(), estimate(), labels={"team": 5})])
    assert [letter.reason for letter in rig.letters] == ["labels_invalid"] * 2
    assert rig.balanced


@pytest.mark.parametrize(
    ("value", "total"),
    [
        (GOOD, 1),
        (b" \n" + GOOD, 1),
        (b"[" + GOOD + b"," + GOOD + b"]", 2),
        (b"\t[" + GOOD + b"]\n", 1),
        (envelope(estimate(), estimate()), 2),
        (envelope(), 0),
        (b"[]", 0),
        (b'{"driver":"a","driver":"pod_hours",' + GOOD[1:], 1),  # of duplicate keys the last holds
        (b'{"cost_usd":7,' + GOOD[1:], 1),
        (changed(cost_usd=1), 1),
        (changed(cost_usd=1.0), 1),
        (changed(start=str(START), end=str(START + 60_000)), 1),
        (with_raw("quantity", b"null"), 1),
        (with_raw("sku", b"null"), 1),
        (changed(cost_usd="1.000000000000000000"), 1),
        (envelope(estimate(), source="s", epoch=2**63 - 1, seq=2**63 - 1), 1),
    ],
)
def test_what_is_taken(value: bytes, total: int) -> None:
    rig = run([value])
    assert rig.letters == []
    assert rig.spent("total") == total * NANO
    assert rig.balanced
    rig.restart()
    assert rig.balanced


def test_a_null_cost_is_no_cost() -> None:
    rig = run([with_raw("cost_usd", b"null")[:-1] + b',"quantity":1}'])
    assert rig.letters == []
    assert rig.meter.counters.unpriced_events == 1  # a pod_hour without a SKU has no list price


@pytest.mark.parametrize("space", [b" ", b"\n", b"\t\r\n  "])
def test_space_before_a_message_changes_nothing(space: bytes) -> None:
    """Not even where costs must be read again, or an estimate of it is rejected."""
    value = b"[" + changed(cost_usd="0.123456789123456789") + b"," + changed(end=START - 1) + b"]"
    rig = run([space + value])
    [letter] = rig.letters
    assert original(letter) == changed(end=START - 1)
    assert rig.spent("total") == 123_456_789
    blank = run([space])
    assert [original(letter) for letter in blank.letters] == [space]


def test_costs_that_cannot_be_read_as_decimals_spoil_no_neighbour() -> None:
    """Their exponents fit no decimal; as doubles they are 0."""
    for odd in (b'"1e-99999999999999999999"', b"1e-99999999999999999999", b'"0e99999999999999999999"'):
        rig = run([b"[" + with_raw("cost_usd", odd) + b"," + changed(cost_usd="0.1234567890123") + b"]"])
        assert rig.spent("total") == 123_456_789
        assert rig.balanced


def test_a_future_estimate_within_five_minutes_counts_and_waits() -> None:
    """It lands in its bucket, but time goes on only as far as now."""
    rig = run([changed(start=NOW + 240_000, end=NOW + 300_000)])
    assert rig.letters == []
    assert rig.meter.watermark_ms == NOW
    assert {width for _, width, _ in rig.buckets} == {10}


@given(st.binary(max_size=200))
def test_arbitrary_bytes(value: bytes) -> None:
    rig = run([value, GOOD])
    assert rig.balanced
    assert rig.spent("total") >= NANO
    rig.restart()


MUTABLE = [
    GOOD,
    changed(quantity=0.25, sku="m5.large", cost_usd="0.1234567890123"),
    b"[" + GOOD + b"," + changed(cost_usd="-0.0000000004") + b"]",
    envelope(estimate(), estimate(cost_usd=0.1), source="s/1", epoch=3, seq=7, labels={"cluster": "eu"}),
]
TOKENS = [
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"NaN", b"-", b"1e400", b"1e-400", b"9" * 25,
    b"\\ud800", b"\\u0000", b"\xff", b" ", b'"inf"', b'"nan"', b'"labels"', b'"seq"', b'"estimates"', b"0.1",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good message with pieces cut out, repeated or put in."""
    value = draw(st.sampled_from(MUTABLE))
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(value)))
        last = draw(st.integers(first, min(len(value), first + 30)))
        piece = draw(
            st.one_of(st.sampled_from(TOKENS), st.binary(max_size=3), st.just(value[first:last] * 2))
        )
        value = value[:first] + piece + value[last:]
    return value


@given(st.lists(mutated(), min_size=1, max_size=3))
def test_mutated_messages(values: list[bytes]) -> None:
    rig = Rig()
    rig.take(*values, GOOD)
    rig.commit()
    assert rig.balanced
    rig.restart()
    rig.take(*values)
    rig.commit()
    assert rig.meter.counters.balanced

"""Messages read at one go come to what each of them comes to in a batch of its own."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.config import Config
from stream.config import Meter as Limits
from stream.meter.intake import Intake
from stream.meter.stage import COUNTERS
from tests.meter.rig import START, Rig, estimate

NUMBERS: Final = [b"1", b"0.25", b'"0.1234567890123"', b"-1", b"1e400", b'"nan"', b"null", b"-0", b"9" * 25]
STRINGS: Final = [
    b'"a"', b'""', b'",\\"labels\\":{}"', b'"\\ud800"', b'"\\u0000"', b'"\xff"', b'"pod_hours"', b"1", b'"a',
    b"null",
]  # fmt: skip
LABELS: Final = [
    b"{}", b'{"team":"pay"}', b'{ "team" : "pay" }', b' {"team":"pay"} ', b'{"team":"a","team":"b"}',
    b'{"x":"y","labels":{"team":"pay"}}', b'{"x":"y","labels":"z"}', b'{"team":",\\"labels\\":{}}"}',
    b'{"team":"\\ud800"}', b'{"team":"\xff"}', b'{"a":1}', b'{"a":' * 5000, b'{"team":"pay"',
    b'{"team":"pay"}}', b"{},", b"null", b"[]", b"",
]  # fmt: skip
TIMES: Final = [b"%d" % (START + k) for k in (-1, 0, 60_000, 10**12)] + [b"-1", b"null", b"1.5", b"9" * 25]
VALUES: Final = {
    b"start": TIMES, b"end": TIMES, b"driver": STRINGS, b"sku": STRINGS, b"source": STRINGS,
    b"epoch": NUMBERS, b"quantity": NUMBERS, b"cost_usd": NUMBERS, b"seq": [b"1", b"2", *NUMBERS],
    b"labels": LABELS, b"estimates": [b"[]"], b"label": [b"{}"],
}  # fmt: skip
GOOD: Final = [
    (b"start", b"%d" % START), (b"end", b"%d" % (START + 60_000)), (b"driver", b'"pod_hours"'),
    (b"cost_usd", b"1"), (b"labels", b'{"team":"pay"}'),
]  # fmt: skip
PLAIN: Final = json.dumps(estimate(), separators=(",", ":")).encode()


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A good estimate with fields changed, repeated, added or moved, and its end or its spaces spoilt."""
    fields = list(GOOD)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(sorted(VALUES)))
        entry = name, draw(st.sampled_from(VALUES[name]))
        known = [place for place, (other, _) in enumerate(fields) if other == name]
        if draw(st.booleans()) and known:
            fields[known[0]] = entry
        else:
            fields.insert(draw(st.integers(0, len(fields))), entry)
    if draw(st.integers(0, 9)) == 0:
        fields = draw(st.permutations(fields))
    if draw(st.integers(0, 9)) == 0:
        fields = [field for field in fields if field[0] != b"labels"]
    space = draw(st.sampled_from([b"", b"", b"", b" ", b"\n"]))
    body = (space + b",").join(b'"' + name + b'":' + space + value for name, value in fields)
    opening = draw(st.sampled_from([b"{", b"{", b"{", b"{ ", b"\xef\xbb\xbf{", b"[{", b"\x00{", b""]))
    end = draw(st.sampled_from([b"}", b"}", b"}", b"}", b"", b"}}", b"} ", b"}\n{}", b",}", b"}]", b"}\x00"]))
    return opening + body + end


def taken(batches: list[list[bytes]]) -> Rig:
    rig = Rig(Config(meter=Limits(compiled=False)))
    for batch in batches:
        rig.take(*batch)
    rig.commit()
    rig.state.pop(COUNTERS)  # compared as they are: their JSON names reasons in the order they came
    return rig


def assert_same(values: list[bytes]) -> None:
    """One batch, and a batch a message, against `decode` alone, which looks at one message at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Intake, "_at_one_go", lambda *_: False)
        slow = taken([[value] for value in values])
    for fast in (taken([values]), taken([[value] for value in values])):
        assert fast.meter.counters == slow.meter.counters
        assert sorted(fast.letters, key=lambda letter: letter.offset) == slow.letters
        assert (fast.buckets, fast.count, fast.state) == (slow.buckets, slow.count, slow.state)
        assert fast.quantity == pytest.approx(slow.quantity)
        assert fast.balanced


@given(st.lists(messages(), min_size=1, max_size=6))
def test_any_messages_at_one_go_are_what_each_is_alone(values: list[bytes]) -> None:
    assert_same(values)


@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_good_messages_around_bad_ones_are_still_read(values: list[bytes], data: st.DataObject) -> None:
    """So many that they are halved until the bad ones stand alone."""
    batch = [PLAIN] * 300
    for value in values:
        batch[data.draw(st.integers(0, 299))] = value
    assert_same(batch)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("rest", [b"}", b"", b"}}", b'},"sku":"a"}', b',"labels":{}}', b',"sku":"a"}', b"} "])
def test_whatever_stands_behind_labels_is_read_as_json(labels: bytes, rest: bytes) -> None:
    body = b",".join(b'"' + name + b'":' + value for name, value in GOOD[:-1])
    assert_same([PLAIN, b"{" + body + b',"labels":' + labels + rest, PLAIN])

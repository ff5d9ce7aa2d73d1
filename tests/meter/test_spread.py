"""Money is spread over the time in which it was spent; the parts add up to the whole exactly."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from stream.meter.spread import FINE_HELD_MS, MIDDLE_HELD_MS, Parts, cut_short, spread, whole_bucket

T = 1_767_225_600_000  # 2026-01-01 00:00 UTC
HOUR, DAY = 3_600_000, 86_400_000


def cut(start: int, end: int, cost: int, watermark: int = T, quantity: float = 1.0) -> Parts:
    return spread(np.array([start]), np.array([end]), np.array([cost]), np.array([quantity]), watermark)


def widths(parts: Parts) -> set[int]:
    return set(parts.width.tolist())


def test_a_minute_fills_six_buckets_of_ten_seconds() -> None:
    parts = cut(T, T + 60_000, 600)
    assert (parts.width == 10).all()
    assert parts.bucket.tolist() == [T // 10_000 + k for k in range(6)]
    assert parts.cost_nusd.tolist() == [100] * 6
    assert np.allclose(parts.quantity, 1 / 6)


def test_a_span_across_edges_fills_each_bucket_by_its_share() -> None:
    parts = cut(T + 5_000, T + 25_000, 1000)
    assert parts.cost_nusd.tolist() == [250, 500, 250]
    assert parts.bucket.tolist() == [T // 10_000 + k for k in range(3)]


def test_what_does_not_divide_is_off_by_a_nano_dollar_at_most() -> None:
    parts = cut(T, T + 60_000, 100)
    assert parts.cost_nusd.sum() == 100
    assert set(parts.cost_nusd.tolist()) <= {16, 17}


def test_an_hourly_line_fills_its_hour() -> None:
    of_today = cut(T - 3 * HOUR, T - 2 * HOUR, 3600)
    assert (widths(of_today), len(of_today.bucket)) == ({60}, 60)
    assert (of_today.cost_nusd == 60).all()
    of_last_week = cut(T - 7 * DAY, T - 7 * DAY + HOUR, 3600)
    assert (of_last_week.width.tolist(), of_last_week.cost_nusd.tolist()) == ([3600], [3600])
    assert of_last_week.bucket.tolist() == [(T - 7 * DAY) // HOUR]


def test_a_charge_at_one_instant_lands_in_the_bucket_of_that_instant() -> None:
    parts = cut(T + 9_999, T + 10_000, 7)  # the meter makes a zero-length span one millisecond long
    assert (parts.bucket.tolist(), parts.cost_nusd.tolist()) == ([T // 10_000], [7])


@given(
    st.integers(-40 * DAY, HOUR),
    st.integers(1, 35 * DAY),
    st.integers(-(10**16), 10**16),
    st.integers(-2 * HOUR, 2 * HOUR),
    st.floats(0, 1e9),
)
@example(-1, 2, 1, 0, 1.0)
@example(-2 * DAY - 1, 3 * DAY, -999_999_999_999_999, 59_999, 1.0)
def test_the_parts_are_the_whole(start: int, length: int, cost: int, mark: int, quantity: float) -> None:
    start, end, watermark = T + start, T + start + length, T + mark
    parts = cut(start, end, cost, watermark, quantity)
    assert int(parts.cost_nusd.sum()) == cost
    assert np.isclose(parts.quantity.sum(), quantity)
    assert int(parts.first.sum()) == 1
    # The buckets cover the span once, without a gap.
    width_ms = parts.width * 1000
    edges = sorted(zip((parts.bucket * width_ms).tolist(), width_ms.tolist(), strict=True))
    for (left, width), (right, _) in pairwise(edges):
        assert left + width == right
    assert edges[0][0] <= start < edges[0][0] + edges[0][1]
    assert edges[-1][0] < end <= edges[-1][0] + edges[-1][1]
    # Each holds its share of the time, to the nano-dollar that rounding moves (or what a double tells).
    held = np.minimum(parts.bucket * width_ms + width_ms, end) - np.maximum(parts.bucket * width_ms, start)
    assert np.abs(parts.cost_nusd - cost * (held / length)).max() <= 1 + abs(cost) * 2.0**-50


@given(st.integers(-40 * DAY, HOUR), st.integers(1, 35 * DAY), st.integers(0, DAY))
def test_zones_by_age(start: int, length: int, mark: int) -> None:
    """10 s in the last hour, 1 min in the last day, 1 h before; each zone ends at a coarser edge."""
    watermark = T + mark
    parts = cut(T + start, T + start + length, 10**12, watermark)
    begins = parts.bucket * parts.width * 1000
    ends = begins + parts.width * 1000
    fine_from = (watermark - FINE_HELD_MS) // 60_000 * 60_000
    middle_from = (watermark - MIDDLE_HELD_MS) // HOUR * HOUR
    assert (begins[parts.width == 10] >= fine_from).all()
    assert (begins[parts.width == 60] >= middle_from).all()
    assert (ends[parts.width == 60] <= fine_from).all()
    assert (ends[parts.width == 3600] <= middle_from).all()


spans = st.tuples(st.integers(-3 * DAY, HOUR), st.integers(1, 3 * HOUR), st.integers(-(10**12), 10**12))


@given(st.lists(spans, min_size=1, max_size=20))
def test_many_spans_at_once_are_each_cut_as_if_alone(many: list[tuple[int, int, int]]) -> None:
    start = np.array([T + begin for begin, _, _ in many])
    end = start + np.array([length for _, length, _ in many])
    cost = np.array([nusd for _, _, nusd in many])
    together = spread(start, end, cost, np.ones(len(many)), T)
    for index in range(len(many)):
        mine = together.span == index
        alone = cut(int(start[index]), int(end[index]), int(cost[index]))
        for name in ("width", "bucket", "cost_nusd", "first"):
            assert getattr(together, name)[mine].tolist() == getattr(alone, name).tolist()


@given(st.integers(0, 30_000), st.integers(1, 30_000))
def test_only_spans_within_one_bucket_are_widened(begin: int, length: int) -> None:
    start, end = np.array([T + begin]), np.array([T + begin + length])
    [low], [high] = whole_bucket(start, end)
    if begin // 10_000 == (begin + length - 1) // 10_000:
        assert (low % 10_000, high - low) == (0, 10_000)
        assert low <= start[0] < end[0] <= high
    else:
        assert (low, high) == (start[0], end[0])


shorts = st.tuples(
    st.integers(-2 * HOUR, HOUR), st.integers(1, 30_000), st.integers(-(10**12), 10**12), st.booleans()
)


@given(st.lists(shorts, min_size=1, max_size=20))
def test_short_spans_are_cut_at_once_into_the_same_parts(many: list[tuple[int, int, int, bool]]) -> None:
    """Those that the fine ring holds and that lie in one bucket, or in two where they may be cut."""
    start = np.array([T + begin for begin, *_ in many])
    end = start + np.array([length for _, length, *_ in many])
    cost = np.array([nusd for *_, nusd, _ in many])
    may_cut = np.array([may for *_, may in many])
    short, left = cut_short(start, end, cost, np.ones(len(many)), may_cut, T)
    assert sorted({*short.span.tolist(), *left.tolist()}) == list(range(len(many)))
    for index in range(len(many)):
        mine = np.flatnonzero(short.span == index)
        mine = mine[np.argsort(short.bucket[mine])]
        alone = cut(int(start[index]), int(end[index]), int(cost[index]))
        few = len(alone.bucket) == 1 or (len(alone.bucket) == 2 and bool(may_cut[index]))
        assert (len(mine) > 0) == (few and widths(alone) == {10} and start[index] >= T - FINE_HELD_MS)
        if len(mine):
            for name in ("width", "bucket", "cost_nusd", "first"):
                assert getattr(short, name)[mine].tolist() == getattr(alone, name).tolist()
            assert np.allclose(short.quantity[mine], alone.quantity)

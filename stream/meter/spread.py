"""Spreads money over the time in which it was spent, losing none of it.

Each span's cost is cut at bucket edges by differences of one rounded running total, F(t) = round(cost *
(t - start) / (end - start)), so the parts add up to the whole exactly, wherever the cuts fall.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.schema.spend import WIDTHS_S

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FINE_MS, _MIDDLE_MS, _COARSE_MS = (width_s * 1000 for width_s in WIDTHS_S)
FINE_HELD_MS: Final = 3600 * 1000  # the 10 s ring holds an hour
MIDDLE_HELD_MS: Final = 86400 * 1000  # the 1 min ring holds a day


@dataclass(slots=True)
class Parts:
    """Columns: which span, how wide the bucket is (s), which bucket, and its share."""

    span: Ints
    width: Ints
    bucket: Ints
    cost_nusd: Ints
    quantity: Floats
    first: NDArray[np.bool_]


def whole_bucket(start_ms: Ints, end_ms: Ints) -> tuple[Ints, Ints]:
    """Spans that lie within one finest bucket, widened to all of it: where in the bucket makes no
    difference, and equal spans can be added up before anything else."""
    bucket = start_ms // FINE_MS
    inside = (end_ms - 1) // FINE_MS == bucket
    return np.where(inside, bucket * FINE_MS, start_ms), np.where(inside, (bucket + 1) * FINE_MS, end_ms)


def cut_short(
    start_ms: Ints,
    end_ms: Ints,
    cost_nusd: Ints,
    quantity: Floats,
    may_cut: NDArray[np.bool_],
    watermark_ms: int,
) -> tuple[Parts, Ints]:
    """The parts of spans that the fine ring holds and that lie in one bucket, or in two neighbouring ones
    where they may be cut; and which spans are left, longer or older. The same parts as `spread` makes."""
    bucket = start_ms // FINE_MS
    last = (end_ms - 1) // FINE_MS
    held = start_ms >= _fine_from(watermark_ms)
    within = held & (last == bucket)
    across = held & (last == bucket + 1) & may_cut
    one, two = np.flatnonzero(within), np.flatnonzero(across)
    start, cost, amount = start_ms[two], cost_nusd[two], quantity[two]
    share = (last[two] * FINE_MS - start) / (end_ms[two] - start).astype(np.float64)
    begins = np.rint(cost * share).astype(np.int64)
    span = np.concatenate((one, two, two))
    parts = Parts(
        span=span,
        width=np.full(len(span), FINE_MS // 1000, np.int64),
        bucket=np.concatenate((bucket[one], bucket[two], last[two])),
        cost_nusd=np.concatenate((cost_nusd[one], begins, cost - begins)),
        quantity=np.concatenate((quantity[one], amount * share, amount * (1 - share))),
        first=np.arange(len(span)) < len(one) + len(two),
    )
    return parts, np.flatnonzero(~(within | across))


def _fine_from(watermark_ms: int) -> int:
    """From when on the fine ring holds money, at an edge of the next coarser bucket."""
    return (watermark_ms - FINE_HELD_MS) // _MIDDLE_MS * _MIDDLE_MS


def spread(start_ms: Ints, end_ms: Ints, cost_nusd: Ints, quantity: Floats, watermark_ms: int) -> Parts:
    """Cut each span `[start, end)` into buckets: 10 s wide where the fine ring still holds them (the
    last hour before the watermark), else 1 min (the last day), else 1 h. Edges of the zones are
    aligned to the next coarser bucket, so that no coarse bucket hides money of a held finer one."""
    fine_from = _fine_from(watermark_ms)
    middle_from = (watermark_ms - MIDDLE_HELD_MS) // _COARSE_MS * _COARSE_MS
    zones = (
        (FINE_MS, np.maximum(start_ms, fine_from), end_ms),
        (_MIDDLE_MS, np.maximum(start_ms, middle_from), np.minimum(end_ms, fine_from)),
        (_COARSE_MS, start_ms, np.minimum(end_ms, middle_from)),
    )
    pieces = [
        _cut(width_ms, low, high, start_ms, end_ms, cost_nusd, quantity)
        for width_ms, low, high in zones
        if bool(np.any(low < high))
    ]
    return Parts(
        span=np.concatenate([piece.span for piece in pieces]),
        width=np.concatenate([piece.width for piece in pieces]),
        bucket=np.concatenate([piece.bucket for piece in pieces]),
        cost_nusd=np.concatenate([piece.cost_nusd for piece in pieces]),
        quantity=np.concatenate([piece.quantity for piece in pieces]),
        first=np.concatenate([piece.first for piece in pieces]),
    )


def _cut(
    width_ms: int, low: Ints, high: Ints, start_ms: Ints, end_ms: Ints, cost_nusd: Ints, quantity: Floats
) -> Parts:
    """The buckets of one width over `[low, high)` of each span; spans outside the zone give none."""
    first_bucket = low // width_ms
    count = np.where(low < high, -(-high // width_ms) - first_bucket, 0)
    span = np.repeat(np.arange(len(low)), count)
    begins = np.cumsum(count) - count
    bucket = np.arange(len(span)) - begins[span] + first_bucket[span]
    from_ms = np.maximum(bucket * width_ms, low[span])
    to_ms = np.minimum((bucket + 1) * width_ms, high[span])
    start, end = start_ms[span], end_ms[span]
    length = (end - start).astype(np.float64)
    before = (from_ms - start) / length
    after = (to_ms - start) / length
    cost = cost_nusd[span]
    return Parts(
        span=span,
        width=np.full(len(span), width_ms // 1000, np.int64),
        bucket=bucket,
        cost_nusd=_running(cost, after, to_ms == end) - _running(cost, before, from_ms == end),
        quantity=quantity[span] * (after - before),
        first=from_ms == start,
    )


def _running(cost_nusd: Ints, fraction: Floats, at_end: NDArray[np.bool_]) -> Ints:
    """F(t): deterministic, 0 at the start and the very cost at the end, so differences telescope."""
    return np.where(at_end, cost_nusd, np.rint(cost_nusd * fraction).astype(np.int64))

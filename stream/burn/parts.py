"""What the parts of a scope spent beyond their normal: by driver, or by child scope."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.burn.rings import RingSet
from stream.burn.windows import Windows

HOUR_S: Final = 3600
DAYS: Final = 7  # as many past days as the parts' hour ring holds (8 d), less the day in question
DAY_H: Final = 24
LEAST_H: Final = 6  # of the last day, as for the scope's own baseline


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a split: what it spent, what it normally spends in these hours, and the rest."""

    name: str
    spent_nusd: int
    normal_nusd: int
    excess_nusd: int


def widened(rings: RingSet, start_s: int, end_s: int) -> tuple[int, int]:
    """[start, end) moved out to the edges of the buckets still held, as sums over the rings are.

    A start older than the rings is moved up to the oldest bucket held.
    """
    levels = []
    for level, ring in enumerate(rings.rings):
        coarser = rings.rings[min(level + 1, len(rings.rings) - 1)].spec.width_s
        levels.append((-(-ring.tail * ring.spec.width_s // coarser) * coarser, ring.spec.width_s))
    held_from = levels[-1][0]
    start_s, end_s = max(start_s, held_from), max(end_s, held_from)
    start_width = next((width for held, width in levels if held <= start_s), levels[-1][1])
    end_width = next((width for held, width in levels if held < end_s), levels[-1][1])
    return start_s // start_width * start_width, -(-end_s // end_width) * end_width


def split(windows: Windows, scope: str, role: int, start_s: int, end_s: int) -> list[Part]:
    """Every part of one role that spent in the window or in the week before it, in no order.

    The parts' rings are coarser than the scope's (minutes for 2 h, then hours), so the window is moved out
    to their buckets, for what was spent and for what is normal alike: outside an incident a part is at its
    normal, so this adds noise, not cost. Normal is the median of the same hour of the day over up to 7
    days before the window; without one, of the last 24 hours, if 6 are known. Hours in which the scope
    itself was not known yet do not count.
    """
    number = windows.number(scope)
    if number is None:
        return []
    start_s, edge_s = widened(windows.components, start_s, end_s)
    # The bucket that is still open holds nothing beyond the head, so nothing is normal there.
    end_s = min(edge_s, max(end_s, windows.head_s))
    spent = windows.components_nusd(scope, start_s, end_s, role)
    before = windows.components_nusd(scope, start_s - DAYS * 24 * HOUR_S, start_s, role)
    first_hour = int(windows.scopes.first_hour[number])
    parts = []
    for name in spent.keys() | before.keys():
        normal = _normal_nusd(windows, scope, name, role, first_hour, start_s, end_s)
        cost = spent.get(name, 0)
        parts.append(Part(name, cost, normal, cost - normal))
    return parts


def _normal_nusd(
    windows: Windows, scope: str, name: str, role: int, first_hour: int, start_s: int, end_s: int
) -> int:
    hours = np.arange(start_s // HOUR_S, -(-end_s // HOUR_S))
    if not len(hours):
        return 0
    seconds = np.minimum(end_s, (hours + 1) * HOUR_S) - np.maximum(start_s, hours * HOUR_S)
    past = hours[None, :] - 24 * np.arange(1, DAYS + 1)[:, None]
    # As with the baseline, the hour in which the scope first appeared is only a part of an hour.
    known = (past < hours[0]) & (past > first_hour) & (past >= windows.components.rings[-1].tail)
    medians = _medians(windows.component_hours(scope, name, role, past), known)
    if np.isnan(medians).all():
        medians[:] = _of_last_day(windows, scope, name, role, first_hour, int(hours[0]))
    hourly = np.where(np.isnan(medians), _mean(medians), medians)
    return int(np.rint(hourly * seconds / HOUR_S).sum())


def _of_last_day(
    windows: Windows, scope: str, name: str, role: int, first_hour: int, before_hour: int
) -> float:
    hours = before_hour - np.arange(1, DAY_H + 1)
    known = (hours > first_hour) & (hours >= windows.components.rings[-1].tail)
    if known.sum() < LEAST_H:
        return 0.0
    return float(np.median(windows.component_hours(scope, name, role, hours)[known]))


def _medians(values: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each column's known values; NaN where there are none."""
    columns = zip(values.T, known.T, strict=True)
    return np.array([np.median(column[mask]) if mask.any() else np.nan for column, mask in columns])


def _mean(medians: NDArray[np.float64]) -> float:
    """What stands in for hours without a past: the hours that have one, or nothing."""
    known = medians[~np.isnan(medians)]
    return float(known.mean()) if len(known) else 0.0

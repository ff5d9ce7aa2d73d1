"""What explains an excess: work that ran at another hour, or a tide that lifts many at once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Floats, View
from detectors.scoring import known

DAY_S: Final = 86_400
RECENT_S: Final = 21_600
# Days of one scope differ by some percent; work that is missing from one and worth waiting for is a tenth.
MISSING: Final = 0.1
# The same work at another hour may cost a quarter more: it shares machines, and the top of a bell 2 h wide
# is a fifth above the mean of its dearest hour.
MORE: Final = 1.25
# What lifts a quarter of its like at once has one cause, and that is no scope's own; with fewer than 8 of
# them a quarter would be one other.
QUARTER: Final = 0.25
LEAST_PEERS: Final = 8
MOST: Final = 2.0  # a sale doubles traffic; beyond that somebody must look, whoever shares it


def moved(view: View) -> NDArray[np.bool_]:
    """Scopes that catch up on work which is missing earlier: a batch that runs at 11:00 instead of 02:00.

    In the 18 hours before the last 6 they spent a tenth of a day less than expected. In the last 6 they
    spent at most a quarter more than that beyond what is expected, and now they burn at most a quarter more
    than the dearest hour of a normal day.
    """
    excess_usd = {
        window_s: (known(view.burn_usd_per_hour[window_s]) - known(view.expected_usd_per_hour[window_s]))
        * (window_s / 3600)
        for window_s in (RECENT_S, DAY_S)
    }
    missing_usd = excess_usd[RECENT_S] - excess_usd[DAY_S]
    day_usd = known(view.expected_usd_per_hour[DAY_S]) * (DAY_S / 3600)
    ordinary = known(view.burn_usd_per_hour[300]) <= MORE * known(view.peak_usd_per_hour)
    enough = (missing_usd >= MISSING * day_usd) & (day_usd > 0)
    return np.asarray(enough & (excess_usd[RECENT_S] <= MORE * missing_usd) & ordinary)


def tide(view: View) -> Floats:
    """By how much what is expected of a scope is to be multiplied, as its like is lifted now: 1 to 2.

    Its like are the scopes of the same kind (all services, all teams), 8 or more with a baseline: a quarter
    of them burn this many times what is expected, over the last hour but for its last 5 minutes: a jump is
    no tide. A sale lifts all that customers use; each alone is as it should be, and the total, which has no
    like, tells of it once.
    """
    burn, expected = (
        12 * known(rates[3600]) - known(rates[300])
        for rates in (view.burn_usd_per_hour, view.expected_usd_per_hour)
    )
    ratio = burn / np.where(expected > 0, expected, np.nan)
    lifted = np.ones(len(ratio))
    for members in _kinds(tuple(view.scopes)):
        ratios = ratio[members]
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios) >= LEAST_PEERS:
            place = len(ratios) - 1 - int(np.ceil(QUARTER * len(ratios)))
            lifted[members] = np.clip(np.partition(ratios, place)[place], 1.0, MOST)
    return lifted


@lru_cache(maxsize=8)
def _kinds(scopes: Sequence[str]) -> tuple[NDArray[np.int64], ...]:
    """The scopes of each kind, by the name before the `=`."""
    found: dict[str, list[int]] = {}
    for index, scope in enumerate(scopes):
        found.setdefault(scope.partition("=")[0], []).append(index)
    return tuple(np.array(members) for members in found.values() if len(members) >= LEAST_PEERS)

"""Detector `ratio`: a kind of spend has a share of the whole that it should not have."""

import fnmatch
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from detectors.contract import DIGEST, HOURS, Drivers, Floats, Params, Scores, View
from detectors.scoring import decide, known, usd

DAY_S: Final = 86_400
TIERS: Final = ("unmapped", "idle", "egress", "observability")
Share = Annotated[float, Field(gt=0, le=1)]


class RatioParams(Params):
    scopes: Annotated[
        tuple[str, ...], Field(description="shell patterns of the scopes whose shares are looked at")
    ] = ("total",)
    unmapped: Annotated[
        Share,
        Field(description="most that may have no owner; with 5 % nobody's, a team's bill is 5 % off"),
    ] = 0.05
    idle: Annotated[
        Share,
        Field(description="most that may be paid for and not used; 10 % is one node in ten for room to move"),
    ] = 0.1
    egress: Annotated[
        Share,
        Field(description="most that may go for bytes out; at 10 % a CDN or one zone less begins to pay"),
    ] = 0.1
    observability: Annotated[
        Share,
        Field(description="most that may go for logs, metrics and traces; 15 % is what the trade calls high"),
    ] = 0.15
    observability_least: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="least of it, where any is metered; below 5 % outages are likely to go unseen",
        ),
    ] = 0.05
    egress_drivers: Annotated[
        tuple[str, ...], Field(description="shell patterns of the drivers that count bytes out")
    ] = ("*egress*",)
    observability_drivers: Annotated[
        tuple[str, ...], Field(description="shell patterns of the drivers of logs, metrics and traces")
    ] = ("log_*", "metric*", "trace*", "span*")


class Ratio:
    """What is unmapped, idle, egress or observability has too large (or small) a share.

    Severity: digest (tiers unmapped, idle, egress and observability).

    Score: the share of the spend of the last 24 whole hours, divided by the most that it may be; for
    observability that is too small the least divided by the share. The highest of the four is told. What
    is over (or missing) must be `floor_usd_per_hour`, else that ratio counts where it is lower. NaN for other
    scopes than `scopes`, and before a scope has been known for 24 whole hours.

    Unmapped is what has no owner label, idle what carries OpenCost's name `__idle__` in any label, the
    other two go by drivers. A node pool of one's own that runs observability is not in it.

    It looks once an hour. The window told is a day, and the onset a day back.

    Reference: FinOps Foundation, "FinOps KPIs": allocated spend, and percentage of wasted usage.

    >>> from detectors.views import synthetic_views
    >>> *_, view = synthetic_views(scopes=2, duration_s=3600, history_s=2 * 86400)
    >>> scores = Ratio(RatioParams(scopes=("service=*",))).observe(view)
    >>> round(float(scores.score[1]), 1), scores.tiers[scores.tier[1]]      # 30 % egress, where 10 % may be
    (3.0, 'egress')
    """

    name: ClassVar[str] = "ratio"
    params_type: ClassVar[type[Params]] = RatioParams
    every_s: ClassVar[int] = 3600

    def __init__(self, params: RatioParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        day_ago = np.full(len(view.scopes), view.time_s - DAY_S)
        return decide(
            view.time_s,
            scores=self._scores(view),
            severities=(DIGEST,) * len(TIERS),
            windows_s=(DAY_S,) * len(TIERS),
            onsets_s=[lambda: day_ago] * len(TIERS),
            tiers=TIERS,
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        tier = TIERS[int(scores.tier[index])]
        total, parts = self._day_usd(view)
        part = float(parts[tier][index])
        share = part / float(total[index])
        limit = f"at most {getattr(self._params, tier):.0%}"
        if tier == "observability" and share < self._params.observability_least:
            limit = f"at least {self._params.observability_least:.0%}"
        return (
            f"{usd(part)} of the {usd(float(total[index]))} of the last 24 h, {share:.1%}, is"
            f" {_MEANING[tier]}; {limit} is wanted."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

    def _scores(self, view: View) -> list[Floats]:
        params = self._params
        total, parts = self._day_usd(view)
        floor_usd = params.floor_usd_per_hour * HOURS
        found = []
        for tier in TIERS:
            most = getattr(params, tier)
            part = parts[tier]
            over = np.minimum(part / (most * total), np.maximum(part - most * total, 0.0) / floor_usd)
            # A ratio below 1 tells how near it is; the floor only keeps what is over it from being told.
            found.append(known(np.where(part > most * total, over, part / (most * total))))
        watched = parts["observability"] > 0
        least = params.observability_least * total
        missing = np.minimum(
            least / np.where(watched, parts["observability"], np.nan),
            np.maximum(least - parts["observability"], 0.0) / floor_usd,
        )
        found[-1] = np.fmax(found[-1], known(missing))
        return found

    def _day_usd(self, view: View) -> tuple[Floats, dict[str, Floats]]:
        """Dollars of the last 24 whole hours: of the scopes looked at, and of their four parts."""
        params, count = self._params, len(view.scopes)
        wanted = _wanted(view.scopes, params.scopes)
        drivers = view.drivers.some(wanted[view.drivers.scope])  # mostly those of one scope
        usd_of_row = np.nan_to_num(known(drivers.hours_usd)).sum(axis=1)
        total = _by_scope(drivers, usd_of_row, np.ones(len(usd_of_row), np.bool_), count)
        whole = np.zeros(count, np.bool_)
        whole[drivers.scope[np.isfinite(drivers.hours).all(axis=1)]] = True
        total = np.where(whole & (total > 0), total, np.nan)
        observability = drivers.named(params.observability_drivers)
        return total, {
            "unmapped": known(view.unmapped_usd_per_hour) * HOURS,
            "idle": known(view.idle_usd_per_hour) * HOURS,
            "egress": _by_scope(drivers, usd_of_row, drivers.named(params.egress_drivers), count),
            "observability": _by_scope(drivers, usd_of_row, observability, count),
        }


_MEANING: Final = {
    "unmapped": "nobody's: it has no owner label",
    "idle": "paid for and not used",
    "egress": "bytes out",
    "observability": "logs, metrics and traces",
}


def _wanted(scopes: Sequence[str], patterns: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which scopes fit a pattern."""
    fitting = {scope for one in patterns for scope in fnmatch.filter(scopes, one)}
    return np.array([scope in fitting for scope in scopes], np.bool_)


def _by_scope(drivers: Drivers, usd_of_row: Floats, rows: NDArray[np.bool_], count: int) -> Floats:
    return np.asarray(np.bincount(drivers.scope[rows], usd_of_row[rows], count), np.float64)

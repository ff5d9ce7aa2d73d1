"""Detector `change-point`: a lasting step in what a scope spends."""

from typing import Annotated, ClassVar, Final

import msgspec
import numpy as np
from pydantic import Field

from detectors.contract import TICKET, Floats, Ints, Params, Scores, View
from detectors.explained import moved, tide
from detectors.scoring import known, usd

HOUR_S: Final = 3600
HOUR_OF_DAY: Final = 2  # a kind of baseline; a coarser one takes the season for steps
SLACK: Final = 0.5  # of the unit: the half of a shift of one unit, as Page has it
MOST: Final = 2.0  # units that one look can bring: a spike is no level, however high
OVERFULL: Final = 1.25  # how far over its threshold the sum may rise, so that it comes down soon


class ChangePointParams(Params):
    share: Annotated[
        float,
        Field(
            gt=0,
            description="least shift, as a share of the baseline; 0.25 of $10/h is 0.25 × 10 × 24 × 30 ="
            " $1,800 a month",
        ),
    ] = 0.25
    hours: Annotated[
        float,
        Field(
            gt=0,
            description="how long a shift of just `share` must last; one of twice as much or more is told in"
            " a third of it, (1 - 0.5) / (2 - 0.5)",
        ),
    ] = 4.0


class ChangePoint:
    """A lasting step up in a scope's level, smaller than what pages.

    Severity: ticket (tier slow).

    A one-sided CUSUM. Every 5 minutes it adds how far the rate over 5 minutes is beyond the baseline, in
    units of the shift that matters, less 0.5 and at most 2; the sum never falls below 0. The unit is the
    largest of `share` × baseline, two standard deviations of the 5-minute rate and `floor_usd_per_hour`.
    The threshold is what a shift of one unit adds in `hours`: 0.5 × 12 × hours. Score: the sum divided by the
    threshold, or the last hour's excess in halves of a unit if that is less, so that it ends with its cause.

    What is normal rises with the tide, and work that moved within the day adds nothing
    (`detectors.explained`). NaN before the baseline knows the hour of the day (3 days): the season would look
    like steps. What lasts becomes the baseline within days or weeks, and the ticket resolves.

    Only steps up: spend that falls away is a saving, or a source that went silent.

    The window told is an hour. Onset: when the sum last left 0.

    Reference: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954); G. Lorden, "Procedures for
    reacting to a change in distribution", Annals of Mathematical Statistics 42 (1971).

    >>> from detectors.views import START_S, Event, synthetic_views
    >>> step = Event(start_s=7200, end_s=86400, factor=1.4)
    >>> detector = ChangePoint(ChangePointParams())
    >>> for view in synthetic_views(scopes=1, level_usd_per_hour=(20, 20), duration_s=86400, every_s=300,
    ...                             events=[step]):
    ...     scores = detector.observe(view)
    ...     if scores.severity[0] == TICKET:
    ...         break
    >>> round((view.time_s - START_S) / 3600, 2), (int(scores.onset_s[0]) - START_S) / 3600      # hours
    (3.92, 2.0)
    """

    name: ClassVar[str] = "change-point"
    params_type: ClassVar[type[Params]] = ChangePointParams
    every_s: ClassVar[int] = 300

    def __init__(self, params: ChangePointParams) -> None:
        self._params = params
        self._threshold = (1 - SLACK) * 12 * params.hours
        self._sum: Floats = np.zeros(0)
        self._since: Ints = np.zeros(0, np.int64)  # looks since the epoch

    def observe(self, view: View) -> Scores:
        count, look = len(view.scopes), view.time_s // self.every_s
        more = count - len(self._sum)
        self._sum = np.concatenate([self._sum, np.zeros(more)])
        self._since = np.concatenate([self._since, np.full(more, look)])
        lifted = tide(view)
        unit = self._unit(view, lifted)
        excess = known(view.burn_usd_per_hour[300]) - lifted * known(view.expected_usd_per_hour[300])
        added = np.minimum(excess / unit, MOST) - SLACK
        added = np.where(moved(view), np.minimum(added, -SLACK), added)
        total = np.clip(self._sum + np.nan_to_num(added), 0.0, OVERFULL * self._threshold)
        self._since = np.where(self._sum > 0, self._since, look - 1)
        self._sum = total
        hour = known(view.burn_usd_per_hour[HOUR_S]) - lifted * known(view.expected_usd_per_hour[HOUR_S])
        score = known(np.minimum(total / self._threshold, np.maximum(hour / (unit / 2), 0.0)))
        fires = score >= 1
        zero = np.zeros(count, np.int64)
        return Scores(
            score=score,
            severity=np.where(fires, TICKET, 0),
            tier=zero,
            window_s=zero + HOUR_S,
            onset_s=np.where(fires, self._since * self.every_s, view.time_s),
            tiers=("slow",),
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        hours = (view.time_s - int(scores.onset_s[index])) / HOUR_S
        burn, normal = (
            float(rates[HOUR_S][index]) for rates in (view.burn_usd_per_hour, view.expected_usd_per_hour)
        )
        return (
            f"Has spent more than is normal for {hours:.1f} h: {usd(burn)}/h over the last hour, where"
            f" {usd(normal)}/h is normal; {usd(burn - normal)}/h more, if it stays, is"
            f" {usd((burn - normal) * 24 * 30)} in 30 days."
        )

    def save(self) -> bytes:
        pairs = self._sum.astype("<f8").tobytes(), self._since.astype("<i8").tobytes()
        return msgspec.msgpack.encode(pairs)

    def load(self, state: bytes) -> None:
        sums, since = msgspec.msgpack.decode(state, type=tuple[bytes, bytes])
        self._sum = np.frombuffer(sums, "<f8").astype(np.float64)
        self._since = np.frombuffer(since, "<i8").astype(np.int64)

    def _unit(self, view: View, lifted: Floats) -> Floats:
        """The shift that matters, in US dollars per hour; NaN where the baseline is too young."""
        normal = lifted * np.maximum(known(view.expected_usd_per_hour[300]), 0.0)
        spread = known(view.spread_usd_per_hour)
        unit = np.maximum(
            np.maximum(self._params.share * normal, 2 * spread), self._params.floor_usd_per_hour
        )
        return np.where(np.asarray(view.baseline_kind) >= HOUR_OF_DAY, unit, np.nan)

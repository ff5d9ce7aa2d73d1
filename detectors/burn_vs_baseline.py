"""Detector `burn-vs-baseline`: a short and a long window both far over what is normal."""

from functools import partial
from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.contract import PAGE, TICKET, Floats, Ints, Params, Scores, View
from detectors.explained import moved
from detectors.scoring import decide, known, onset, usd, window_name

# The long window proves that it lasts, the short one that it still goes on (SRE workbook, chapter 5).
WINDOWS: Final = ((300, 3600), (3600, 21600))
TIERS: Final = ("fast", "slow")


class BurnVsBaselineParams(Params):
    page_ratio: Annotated[
        float,
        Field(
            gt=1,
            description="times the baseline that page, over 5 min and 1 h; a jump from 1x to 20x gets there"
            " in 60 × (3 - 1) / (20 - 1) = 6.3 min",
        ),
    ] = 3.0
    ticket_ratio: Annotated[
        float,
        Field(
            gt=1,
            description="times the baseline that open a ticket, over 1 h and 6 h; a jump from 1x to 3x gets"
            " there in 6 × (2 - 1) / (3 - 1) = 3 h",
        ),
    ] = 2.0


class BurnVsBaseline:
    """Short and long window both over the baseline: (5 min, 1 h) 3 times, (1 h, 6 h) twice.

    Severity: page (tier fast), ticket (tier slow).

    Score: the burn rate divided by the threshold, which is the larger of ratio × baseline and
    baseline + `floor_usd_per_hour`; the lower of the two windows counts. The baseline is what was expected
    over the very same window, so that a nightly batch is compared with the nights before. NaN where
    one of the windows, or what is expected in it, is not known. Work that moved within the day scores nothing
    (`detectors.explained`).

    The window told is the long one. Onset: the age that the long window's excess has at the short one's rate.

    Reference: "Alerting on SLOs", The Site Reliability Workbook (2018), multiwindow alerts.

    >>> from detectors.views import Event, synthetic_views
    >>> runaway = Event(start_s=0, end_s=7200, factor=4)
    >>> views = synthetic_views(scopes=1, level_usd_per_hour=(4, 4), noise=0, season=0, duration_s=7200,
    ...                         every_s=1800, events=[runaway])
    >>> detector = BurnVsBaseline(BurnVsBaselineParams())
    >>> [round(float(detector.observe(view).score[0]), 2) for view in views]  # after 0.5, 1, 1.5, 2 h
    [0.83, 1.33, 1.33, 1.33]
    """

    name: ClassVar[str] = "burn-vs-baseline"
    params_type: ClassVar[type[Params]] = BurnVsBaselineParams

    def __init__(self, params: BurnVsBaselineParams) -> None:
        self._params = params
        self._ratios = (params.page_ratio, params.ticket_ratio)

    def observe(self, view: View) -> Scores:
        windows_s = {window_s for pair in WINDOWS for window_s in pair}
        burn = {window_s: known(view.burn_usd_per_hour[window_s]) for window_s in windows_s}
        expected = {window_s: _expected(view, window_s) for window_s in windows_s}

        def over(window_s: int, ratio: float) -> Floats:
            normal = expected[window_s]
            limit = np.maximum(ratio * normal, normal + self._params.floor_usd_per_hour)
            return np.maximum(burn[window_s], 0.0) / limit

        late = moved(view)

        def score(short_s: int, long_s: int, ratio: float) -> Floats:
            lower = np.minimum(over(short_s, ratio), over(long_s, ratio))
            return np.where(late, np.minimum(lower, 0.0), lower)

        def began_s(short_s: int, long_s: int) -> Ints:
            short, long = (burn[window_s] - expected[window_s] for window_s in (short_s, long_s))
            return onset(view.time_s, short_s, short, long_s, long)

        return decide(
            view.time_s,
            scores=[
                score(short_s, long_s, ratio)
                for (short_s, long_s), ratio in zip(WINDOWS, self._ratios, strict=True)
            ],
            severities=(PAGE, TICKET),
            windows_s=[long_s for _, long_s in WINDOWS],
            onsets_s=[partial(began_s, *pair) for pair in WINDOWS],
            tiers=TIERS,
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        tier = int(scores.tier[index])
        spent, normal = (
            " and ".join(f"{usd(float(rates[window_s][index]))}/h" for window_s in WINDOWS[tier])
            for rates in (view.burn_usd_per_hour, view.expected_usd_per_hour)
        )
        short, long = map(window_name, WINDOWS[tier])
        return (
            f"Spends {spent} over {short} and {long}, where {normal} is normal; the limit is"
            f" {self._ratios[tier]:g} times normal in both, and at least"
            f" {usd(self._params.floor_usd_per_hour)}/h more."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""


def _expected(view: View, window_s: int) -> Floats:
    # A scope of credits may be expected to spend less than nothing; a ratio to that has no meaning.
    return np.maximum(known(view.expected_usd_per_hour[window_s]), 0.0)

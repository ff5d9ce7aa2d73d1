"""Detector `egress`: bytes that leave jump, which costs money and may be theft."""

from typing import Annotated, ClassVar, Final

import numpy as np
from pydantic import Field

from detectors.contract import MINUTES, PAGE, Drivers, Floats, Ints, Params, Scores, View
from detectors.scoring import by_rows, known, of_rows, quantity, usd, worst

WINDOW_MIN: Final = 5
LATE_MIN: Final = (0, 1, 2)  # a sample of 60 s that is a minute late leaves the newest two minutes empty
ORDINARY: Final = -4  # the fourth highest hour: a theft of 3 hours doesn't become ordinary within a day


class EgressParams(Params):
    drivers: Annotated[
        tuple[str, ...], Field(description="shell patterns of the drivers that count bytes out")
    ] = ("*egress*",)
    ratio: Annotated[
        float,
        Field(
            gt=1,
            description="times what is ordinary at least; 3 leaves room for a sale that doubles traffic",
        ),
    ] = 3.0
    usd_per_gb: Annotated[
        float,
        Field(
            gt=0,
            description="what a gigabyte out costs, for the floor: bytes count even where nobody has priced"
            " them; $0.09 is the list price of AWS to the internet, so $1/h are 11 GB an hour",
        ),
    ] = 0.09


class Egress:
    """Bytes out jump; the page says that it may be theft.

    Severity: page (tier fast).

    Score: the bytes of the last 5 minutes, as a rate, divided by the larger of `ratio` × what is ordinary,
    and that ordinary rate plus what `floor_usd_per_hour` buys at `usd_per_gb`. Ordinary is the largest of:
    the fourth highest of the last 24 whole hours; the hour a day ago and the one after it, so that a
    nightly copy is known from the second night on; and the highest 5 minutes from two hours to one hour ago,
    for copies that run every hour. So what began as a jump stands for an hour and more. The 5 minutes end
    up to 2 minutes ago, as the newest may be empty. NaN where less than 6 hours are known.

    The window told is 5 minutes. Onset: the first minute without a break that is over half of the limit, at
    most an hour back.

    Reference: MITRE ATT&CK T1567 "Exfiltration Over Web Service" and T1537 "Transfer Data to Cloud Account",
    whose detection is by volume.

    >>> from detectors.views import START_S, Event, synthetic_views
    >>> theft = Event(start_s=3600, end_s=7200, factor=30, driver="egress_bytes")
    >>> detector = Egress(EgressParams())
    >>> for view in synthetic_views(scopes=1, level_usd_per_hour=(4, 4), duration_s=7200, every_s=60,
    ...                             events=[theft]):
    ...     scores = detector.observe(view)
    ...     if scores.severity[0] == PAGE:
    ...         break
    >>> view.time_s - START_S, int(scores.onset_s[0]) - START_S
    (3660, 3600)
    """

    name: ClassVar[str] = "egress"
    params_type: ClassVar[type[Params]] = EgressParams
    every_s: ClassVar[int] = 60

    def __init__(self, params: EgressParams) -> None:
        self._params = params

    def observe(self, view: View) -> Scores:
        mine = view.drivers.named(self._params.drivers)

        def judge(drivers: Drivers) -> tuple[Floats, Ints]:
            score, limit, _ = self._judge(drivers)
            fires = (score >= 1).any()  # elsewhere nobody asks since when
            return score, _onset(view.time_s, drivers, limit) if fires else np.full(len(score), view.time_s)

        whole, onset_s = np.full(len(mine), np.nan), np.full(len(mine), view.time_s)
        whole[mine], onset_s[mine] = by_rows(view.drivers, np.flatnonzero(mine), judge)
        return of_rows(view, whole, WINDOW_MIN * 60, onset_s, PAGE, "fast")

    def reason(self, view: View, scores: Scores, index: int) -> str:
        drivers = view.drivers.of(index)
        drivers = drivers.some(drivers.named(self._params.drivers))
        score, limit, ordinary = self._judge(drivers)
        row = int(worst(len(view.scopes), drivers, score)[1][index])
        rate = float(score[row] * limit[row])
        more = (rate - float(ordinary[row])) * self._params.usd_per_gb / 1e9
        return (
            f"{quantity(rate)}B an hour of {drivers.names[drivers.driver[row]]} over 5 min, where at most"
            f" {quantity(float(ordinary[row]))}B is ordinary (about {usd(more)}/h more). Security: data may"
            " be leaving; find out which workload sends it where before you take it for load."
        )

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        """Nothing to take up: all that it needs is in the view."""

    def _judge(self, drivers: Drivers) -> tuple[Floats, Floats, Floats]:
        """Of each row: score, the limit in bytes an hour, and what is ordinary."""
        minutes = _minutes(drivers)
        rate = np.max(
            [minutes[:, MINUTES - late - WINDOW_MIN : MINUTES - late].sum(axis=1) for late in LATE_MIN],
            axis=0,
        ) * (60 / WINDOW_MIN)
        hours = known(drivers.hours)
        least = np.where(np.isfinite(hours).sum(axis=1) >= 6, 0.0, np.nan)
        hours = np.nan_to_num(hours)
        fourth = np.sort(hours, axis=1)[:, ORDINARY]
        five = minutes[:, -120:-60].reshape(len(minutes), 60 // WINDOW_MIN, WINDOW_MIN).sum(axis=2) * (
            60 / WINDOW_MIN
        )
        ordinary = np.max([fourth, hours[:, 0], hours[:, 1], five.max(axis=1, initial=0)], axis=0)
        floor = self._params.floor_usd_per_hour / self._params.usd_per_gb * 1e9
        limit = np.maximum(self._params.ratio * ordinary, ordinary + floor)
        return known(np.maximum(rate, 0.0) / limit) + least, limit, ordinary


def _minutes(drivers: Drivers) -> Floats:
    return np.nan_to_num(drivers.minutes.astype(np.float64), posinf=0, neginf=0)


def _onset(time_s: int, drivers: Drivers, limit: Floats) -> Ints:
    """The start of the run of minutes over half of the limit that ends within the last 3 minutes."""
    high = _minutes(drivers)[:, -60:][:, ::-1] * 60 > limit[:, None] / 2
    place = np.arange(high.shape[1])
    begins = np.argmax(high, axis=1)  # the newest high minute: the newest of all may be empty
    ended = ~high & (place >= begins[:, None])
    run = np.where(ended.any(axis=1), np.argmax(ended, axis=1), high.shape[1])
    return np.asarray(time_s // 60 * 60 - run * 60)

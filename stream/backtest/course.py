"""What was spent over time, and what was normal: the line under the marks of a picture."""

from typing import Final

import msgspec
import numpy as np

from stream.burn.view import Look
from stream.scopes import TOTAL

_WINDOW_S: Final = 300
# A picture has no more columns; a longer history has longer steps.
_MOST: Final = 1000


class Point(msgspec.Struct, frozen=True):
    """The total at its highest 5 minutes since the point before. What is normal is None while not known."""

    time_s: int
    usd_per_hour: float
    normal_usd_per_hour: float | None


class Course:
    """Listens to a burn stage and notes the total, in steps that double as the history grows."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._step_s = _WINDOW_S

    def hear(self, look: Look, last_s: int) -> None:
        view = look.view
        if view.time_s // _WINDOW_S == last_s // _WINDOW_S or TOTAL not in view.scopes:
            return
        index = view.scopes.index(TOTAL)
        rate = float(view.burn_usd_per_hour[_WINDOW_S][index])
        normal = float(view.expected_usd_per_hour[_WINDOW_S][index])
        if np.isfinite(rate):
            self._add(Point(view.time_s, rate, normal if np.isfinite(normal) else None))

    def _add(self, point: Point) -> None:
        if self.points and point.time_s // self._step_s == self.points[-1].time_s // self._step_s:
            point = max(self.points.pop(), point, key=lambda one: one.usd_per_hour)
        self.points.append(point)
        if len(self.points) > _MOST:
            self._step_s *= 2
            points, self.points = self.points, []
            for each in points:
                self._add(each)

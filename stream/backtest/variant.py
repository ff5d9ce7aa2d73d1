"""A detector that several sets of alerts share, and that need not look where it would say nothing."""

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from detectors.contract import NONE, Detector, Scores, View, every_s
from stream.burn.stage import watched


class Variant:
    """Answers as its detector does; every look is judged once, however many ask. Where `may_speak` says no,
    the answer is that of a detector that sees nothing. To Signals it is a `Detector`."""

    def __init__(self, detector: Detector, may_speak: Callable[[View], bool] | None = None) -> None:
        self.name = detector.name
        self.every_s = every_s(detector)
        self._detector = detector
        self._may_speak = may_speak
        self._view: View | None = None
        self._scores: Scores | None = None
        self._watched = np.zeros(0, np.bool_)

    @property
    def as_detector(self) -> Detector:
        return cast("Detector", self)

    def observe(self, view: View) -> Scores:
        if view is not self._view or self._scores is None:
            speaks = self._may_speak is None or self._may_speak(view)
            self._scores = self._detector.observe(view) if speaks else _nothing(view)
            self._view = view
        return self._scores

    def speaks(self, view: View) -> bool:
        """Whether it says something of a scope that it may speak of."""
        return bool(self.raised(view).any())

    def raised(self, view: View) -> NDArray[np.bool_]:
        """Of which scopes."""
        if len(self._watched) != len(view.scopes):
            self._watched = np.array([watched(scope, self.name) for scope in view.scopes], np.bool_)
        raised: NDArray[np.bool_] = (self.observe(view).severity != NONE) & self._watched
        return raised

    def says_as(self, other: "Variant", view: View) -> bool:
        """Whether both say the same of every scope, in the same words."""
        mine, others, raised = self.observe(view), other.observe(view), self.raised(view)
        if not np.array_equal(raised, other.raised(view)):
            return False
        indices: list[int] = np.flatnonzero(raised).tolist()
        columns = ("score", "severity", "window_s", "onset_s")
        return (
            all(np.array_equal(getattr(mine, one)[indices], getattr(others, one)[indices]) for one in columns)
            and all(mine.tiers[mine.tier[at]] == others.tiers[others.tier[at]] for at in indices)
            and all(self.reason(view, mine, at) == other.reason(view, others, at) for at in indices)
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        return self._detector.reason(view, scores, index)

    def save(self) -> bytes:
        return self._detector.save()

    def load(self, state: bytes) -> None:
        self._detector.load(state)


def _nothing(view: View) -> Scores:
    """What a detector without an opinion says."""
    size = len(view.scopes)
    none = np.zeros(size, np.int64)
    return Scores(np.full(size, np.nan), none, none, none, np.full(size, view.time_s))

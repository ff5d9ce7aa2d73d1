"""The yardstick: NAB's windowed Gaussian, whose published scores show that ours are counted alike."""

import math
from typing import ClassVar, Final

import msgspec
import numpy as np

WINDOW: Final = 6400
EVERY: Final = 100
NO_SPREAD: Final = 1e-6


class WindowedGaussian:
    """The two-sided tail of a normal distribution that the last 6400 readings suggest.

    Score: 1 - Q(|value - mean| / deviation), from 0.5 to 1. Mean and deviation are taken anew at each
    reading until the window is full, then at every 100th. Window and step are those of NAB's repository,
    which chose them on its own data.

    >>> scorer = WindowedGaussian()
    >>> [round(scorer.score(0.0, value), 3) for value in (1.0, 3.0, 2.0, 8.0)]
    [0.0, 1.0, 0.5, 1.0]
    """

    name: ClassVar[str] = "windowed-gaussian"

    def __init__(self) -> None:
        self._window = np.empty(0)
        self._waiting: list[float] = []
        self._mean = 0.0
        self._deviation = 1.0

    def score(self, time_s: float, value: float) -> float:
        if math.isnan(value):
            return 0.0
        score = 0.0
        if self._window.size:
            score = 1 - 0.5 * math.erfc(abs(value - self._mean) / self._deviation / math.sqrt(2))
        self._waiting.append(value)
        if len(self._window) < WINDOW or len(self._waiting) == EVERY:
            self._window = np.append(self._window, self._waiting)[-WINDOW:]
            self._waiting.clear()
            self._mean = float(self._window.mean())
            self._deviation = float(self._window.std()) or NO_SPREAD
        return score

    def save(self) -> bytes:
        return msgspec.msgpack.encode([self._window.tolist(), self._waiting, self._mean, self._deviation])

    def load(self, state: bytes) -> None:
        window, self._waiting, self._mean, self._deviation = msgspec.msgpack.decode(state)
        self._window = np.asarray(window, dtype=float)

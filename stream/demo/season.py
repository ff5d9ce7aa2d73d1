"""Load over time as a pure function of seed, series and time: any stretch can be asked for, in any steps."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.demo.catalogue import Season

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WEEK_H: Final = 168
MONDAY_MS: Final = 4 * DAY_MS  # 1970-01-05, the first Monday; the epoch was a Thursday

# Noise: slow wander over hours, ripples over minutes, and what is left from sample to sample.
WANDER: Final = (2 * HOUR_MS, 0.035)
RIPPLE: Final = (5 * 60_000, 0.02)
SAMPLE_NOISE: Final = 0.012
BATCH_WIDTH_H: Final = 0.8


class Seasons:
    """The seasons of many series as columns."""

    def __init__(self, seed: int, seasons: list[Season], groups: Ints, start_ms: int) -> None:
        """`groups` numbers what moves together: the series of one service share peak, swing and wander."""
        self._seed = seed
        self._distinct, self._groups = np.unique(groups, return_inverse=True)
        self._start_ms = start_ms
        spread = [gauss(seed, key, groups) for key in (1, 2)]
        self._peak_h = np.array([s.peak_h for s in seasons]) + 0.6 * spread[0]
        self._amplitude = np.array([s.amplitude for s in seasons]) * (1 + 0.08 * spread[1])
        self._weekend = np.array([s.weekend for s in seasons]) - 1
        self._batch = np.array([s.batch for s in seasons])
        self._growth = np.array([s.growth for s in seasons])
        self._noise = np.array([s.noise for s in seasons])

    def load(self, at_ms: Ints) -> Floats:
        """Use at each time (rows) of each series (columns), 1 on average over a day without a batch."""
        times = at_ms[:, None]
        since_peak_h = (times / HOUR_MS - self._peak_h + 12) % 24 - 12
        angle = since_peak_h * (2 * np.pi / 24)
        shape = 1 + self._amplitude * (0.85 * np.cos(angle) + 0.15 * np.cos(2 * angle))
        shape = shape + self._batch * np.exp(-0.5 * (since_peak_h / BATCH_WIDTH_H) ** 2)
        shape *= 1 + self._weekend * weekend(at_ms)[:, None]
        shape *= 1 + self._growth * ((times - self._start_ms) / DAY_MS)
        noise = (self._knots(times, *WANDER) + self._knots(times, *RIPPLE))[:, self._groups]
        return np.asarray(np.maximum(shape, 0.02) * np.exp(self._noise * noise))

    def sample_noise(self, at_ms: Ints) -> Floats:
        """A factor around 1, independent from sample to sample and series to series."""
        series = np.arange(len(self._groups), dtype=np.int64)
        return np.asarray(
            1 + SAMPLE_NOISE * self._noise * gauss(self._seed, 3, series[None, :], at_ms[:, None])
        )

    def _knots(self, times: Ints, period_ms: int, size: float) -> Floats:
        """Smooth noise of each group: a random value every period, and a smooth way between."""
        before = times // period_ms
        part = (times % period_ms) / period_ms
        part = part * part * (3 - 2 * part)
        here = gauss(self._seed, period_ms, self._distinct[None, :], before)
        there = gauss(self._seed, period_ms, self._distinct[None, :], before + 1)
        return np.asarray(size * (here + part * (there - here)))


def weekend(at_ms: Ints) -> Floats:
    """0 on weekdays, 1 at the weekend, with four hours of passage around midnight."""
    hour = ((at_ms - MONDAY_MS) / HOUR_MS) % WEEK_H
    passage = np.clip((hour - 118) / 4, 0, 1) * np.clip((170 - hour) / 4, 0, 1)
    return np.asarray(passage + np.clip((2 - hour) / 4, 0, 1), dtype=np.float64)


def gauss(seed: int, *keys: Ints | int) -> Floats:
    """About normal (mean 0, deviation 1), the same for the same keys. Three uniforms of 21 bits, added.

    Their sum has variance 3/12; twice that deviation is 1.
    """
    bits = _mix(seed, *keys)
    low = np.uint64(2**21 - 1)
    total = (bits & low) + (bits >> np.uint64(21) & low) + (bits >> np.uint64(42) & low)
    return np.asarray((total.astype(np.float64) / 2**21 - 1.5) * 2)


def uniform(seed: int, *keys: Ints | int) -> Floats:
    """Even over [0, 1), the same for the same keys."""
    return (_mix(seed, *keys) >> np.uint64(11)).astype(np.float64) / 2**53


def _mix(seed: int, *keys: Ints | int) -> Hashes:
    """SplitMix64 (Steele, Lea, Flood 2014) over the keys; unsigned overflow is meant."""
    state: Hashes = np.atleast_1d(np.uint64(seed % 2**64))
    for key in keys:
        state = state ^ np.asarray(key, dtype=np.int64).astype(np.uint64)
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state

"""What simpler monitors would have said of the same money: three that people really run, as baselines.

They see the true dollars of each service, with no delay but their own: kinder to them than life.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.gameday.score import Call
from stream.gameday.world import DAY_MS, MONDAY_MS, Case, Floats, World, scope_of

STEP_S: Final = 300
DAY_STEPS: Final = 86_400 // STEP_S
LEARNT_DAYS: Final = 14
FLOOR_USD_PER_HOUR: Final = 1.0
# How long after the end of a day its bill is looked at: the vendors' own words are 24 h and more.
BILLING_LAG_S: Final = 12 * 3600
DAILY_SHARE: Final = 0.4
QUIET_STEPS: Final = 12
# They are given days to notice what nobody has stopped.
PATIENCE_MS: Final = 3 * DAY_MS


@dataclass(frozen=True, slots=True)
class Rival:
    name: str
    about: str
    calls: Callable[
        [Floats, int], Iterator[tuple[int, int]]
    ]  # rates, first step of the game -> step, service


def calls(rival: Rival, world: World, rates: Floats) -> list[Call]:
    """Its pages in the game; `rates` is (steps, services) in dollars an hour, as `watched` gives them."""
    first = LEARNT_DAYS * DAY_STEPS
    start_s = MONDAY_MS // 1000 - first * STEP_S
    return sorted(
        Call(start_s + (step + 1) * STEP_S, scope_of(world.services[service]), "page")
        for step, service in rival.calls(rates, first)
    )


def watched(world: World, case: Case) -> Floats:
    """Dollars an hour of each service, in steps of 5 minutes, from two weeks before the game on."""
    start_ms = MONDAY_MS - LEARNT_DAYS * DAY_MS
    end_ms = (case.play_ms + PATIENCE_MS) // (STEP_S * 1000) * (STEP_S * 1000)
    before = world.usd_by_service(None, start_ms, MONDAY_MS, STEP_S)
    during = world.usd_by_service(case, MONDAY_MS, end_ms, STEP_S)
    return np.concatenate([before, during]) * (3600 / STEP_S)


def _fixed(rates: Floats, first: int) -> Iterator[tuple[int, int]]:
    limit = 1.5 * rates[:first].max(axis=0) + FLOOR_USD_PER_HOUR
    yield from _begun(rates > limit, first)


def _three_sigma(rates: Floats, first: int) -> Iterator[tuple[int, int]]:
    sums = np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(rates, axis=0)])
    squares = np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(rates**2, axis=0)])
    steps = np.arange(DAY_STEPS, len(rates))
    mean = (sums[steps] - sums[steps - DAY_STEPS]) / DAY_STEPS
    square = (squares[steps] - squares[steps - DAY_STEPS]) / DAY_STEPS
    limit = np.full_like(rates, np.inf)
    limit[steps] = mean + np.maximum(3 * np.sqrt(np.maximum(square - mean**2, 0)), FLOOR_USD_PER_HOUR)
    yield from _begun(rates > limit, first)


def _daily(rates: Floats, first: int) -> Iterator[tuple[int, int]]:
    days = rates[: len(rates) // DAY_STEPS * DAY_STEPS].reshape(-1, DAY_STEPS, rates.shape[1]).sum(axis=1)
    days *= STEP_S / 3600
    for day in range(LEARNT_DAYS, len(days)):
        past = days[day - LEARNT_DAYS : day]
        mean, sigma = past.mean(axis=0), past.std(axis=0)
        excess = days[day] - mean
        over = (excess > 3 * sigma) & (excess > DAILY_SHARE * mean) & (excess > 24 * FLOOR_USD_PER_HOUR)
        step = (day + 1) * DAY_STEPS - 1 + BILLING_LAG_S // STEP_S
        if step >= first and step < len(rates):
            yield from ((step, int(service)) for service in np.flatnonzero(over))


def _begun(over: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], first: int) -> Iterator[tuple[int, int]]:
    """Where each alert begins: over now, and not within the hour before."""
    recently = np.zeros_like(over)
    for back in range(1, QUIET_STEPS + 1):
        recently[back:] |= over[:-back]
    begun = over & ~recently
    begun[:first] = False
    yield from ((int(step), int(service)) for step, service in np.argwhere(begun))


RIVALS: Final = (
    Rival("fixed threshold", "1.5 times the highest 5 minutes of two weeks, for each service", _fixed),
    Rival("3-sigma", "5 minutes over mean + 3 deviations of the last 24 h, for each service", _three_sigma),
    Rival("daily", "a day over mean + 3 deviations of 14 days and 40 %, told 12 h after its end", _daily),
)

"""The whole series behind made-up views: every scope from first seen to last, and the formula of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from detectors.contract import (
    BUCKET_S,
    DAY_HOURS,
    DAYS,
    HOURS,
    MINUTES,
    RECENT_BUCKETS,
    WINDOWS_S,
    Drivers,
    Floats,
    View,
)

START_S: Final = int(datetime(2026, 1, 10, tzinfo=UTC).timestamp())
DAY_S: Final = 86_400
BASELINE_KINDS: Final = {"none": 0, "day": 1, "hour": 3}
# Driver -> its share of a scope's dollars, and what a unit costs.
DRIVERS: Final = {"pod_hours": (0.7, 0.05), "egress_bytes": (0.3, 0.09e-9)}
UNMAPPED, IDLE = 0.01, 0.04  # shares of every scope's dollars


@dataclass(frozen=True, slots=True)
class Event:
    """From `start_s` to before `end_s` (seconds after START_S, steps of 10), the scopes whose indices are
    given (None: all) spend `factor` times as much, then double every `doubling_s`, and then spend
    `add_usd_per_hour` more. With a `driver` it alone changes. Where `price` is given, that many times
    the quantity is not used but paid for: the same quantity costs so much more."""

    start_s: int
    end_s: int
    factor: float = 1.0
    add_usd_per_hour: float = 0.0
    scopes: tuple[int, ...] | None = None
    doubling_s: float | None = None
    driver: str | None = None
    price: float = 1.0


class World:
    """The whole series of all scopes, first seen to last, and the formula behind it."""

    def __init__(
        self,
        *,
        seed: int,
        scopes: int,
        level_usd_per_hour: tuple[float, float],
        season: float,
        noise: float,
        sample_s: int,
        history_s: int,
        duration_s: int,
        baseline: str,
        budget_ratio: float | None,
        events: Sequence[Event],
        last_forbidden: bool,
    ) -> None:
        random = np.random.default_rng(seed)
        self.names = [f"service=shop/s{i}" for i in range(scopes)]
        forbidden = (np.arange(scopes) == scopes - 1) & last_forbidden
        self.forbidden_s = np.where(forbidden, 366.0 * DAY_S, np.nan)
        self.level = np.geomspace(*level_usd_per_hour, scopes)
        self.phase = random.uniform(0, 2 * np.pi, scopes)
        self.season, self.noise, self.sample_s = season, noise, sample_s
        self.kind = BASELINE_KINDS[baseline]
        self.budget_ratio = np.nan if budget_ratio is None else budget_ratio
        whole_s = math.lcm(sample_s, 60)
        self.first_s = START_S - -(-history_s // whole_s) * whole_s
        samples = -(-(START_S + duration_s - self.first_s) // whole_s) * (whole_s // sample_s)
        a_sample = sample_s // BUCKET_S
        middle_s = self.first_s + BUCKET_S * (np.arange(samples * a_sample) + 0.5)
        rates = self.level[:, np.newaxis] * (
            1 + season * np.sin(2 * np.pi * middle_s / DAY_S + self.phase[:, np.newaxis])
        )
        if noise:
            rates *= random.gamma(noise**-2, noise**2, (scopes, samples)).repeat(a_sample, axis=1)

        def sampled(rates: Floats) -> Floats:
            """A sample knows only its own total: what happens inside is spread evenly over it."""
            means = rates.reshape(scopes, samples, a_sample).mean(axis=2)
            spread: Floats = means.repeat(a_sample, axis=1)
            return spread

        paid = {name: share * rates for name, (share, _) in DRIVERS.items()} if events else {}
        used = {name: values.copy() for name, values in paid.items()}
        for event in events:
            self._happen(event, paid, used)
        if events:
            rates = np.sum(list(paid.values()), axis=0)
        rates = sampled(rates)
        self._minutes = {
            name: tuple(
                _by_minute(sampled(series[name]) if events else share * rates) for series in (paid, used)
            )
            for name, (share, _) in DRIVERS.items()
        }
        rates.setflags(write=False)
        self.rates = rates
        nothing = np.zeros((scopes, 1))
        self.spent_usd = np.concatenate([nothing, rates.cumsum(axis=1)], axis=1) * BUCKET_S / 3600

    def _happen(self, event: Event, paid: dict[str, Floats], used: dict[str, Floats]) -> None:
        """Change what is paid, and what was used of each driver, both in dollars at the usual price."""
        rows = slice(None) if event.scopes is None else list(event.scopes)
        span = slice(*((START_S + s - self.first_s) // BUCKET_S for s in (event.start_s, event.end_s)))
        times = np.full(max(span.stop - span.start, 0), event.factor)
        if event.doubling_s is not None:
            times *= 2.0 ** (np.arange(len(times)) * BUCKET_S / event.doubling_s)
        for name, (share, _) in DRIVERS.items():
            if event.driver not in (None, name):
                continue
            more = event.add_usd_per_hour * (share if event.driver is None else 1.0)
            for series, price in ((paid, event.price), (used, 1.0)):
                changed = series[name][rows, span]
                series[name][rows, span] = (changed * times[: changed.shape[1]] + more) * price

    def view(self, time_s: int, late_s: int, *, drivers: bool, days: bool) -> View:
        visible = ((time_s - late_s - self.first_s) // self.sample_s) * (self.sample_s // BUCKET_S)
        now = (time_s - self.first_s) // BUCKET_S
        spent = self.spent_usd[:, min(visible, now)]
        recent = self.rates[:, now - RECENT_BUCKETS : now]
        if visible < now:
            recent = recent.copy()
            recent[:, max(visible - now + RECENT_BUCKETS, 0) :] = 0
        unknown = np.full(len(self.names), np.nan)
        burn, expected = {}, {}
        for window_s in WINDOWS_S:
            start = now - window_s // BUCKET_S
            before = self.spent_usd[:, min(start, visible)] if start >= 0 else unknown
            burn[window_s] = (spent - before) / (window_s / 3600)
            expected[window_s] = self._expected(time_s - window_s, time_s) / (window_s / 3600)
        normal = expected[WINDOWS_S[0]]
        month_start_s, month_end_s = _month(time_s)
        left_s = month_end_s - time_s
        to_date = spent - self.spent_usd[:, max(0, (month_start_s - self.first_s) // BUCKET_S)]
        to_date = to_date + self._planned(month_start_s, max(self.first_s, month_start_s))
        day_s = min(DAY_S, left_s)
        more = burn[3600] - self._planned(time_s - 3600, time_s)
        return View(
            time_s=time_s,
            scopes=self.names,
            recent_usd_per_hour=recent,
            burn_usd_per_hour=burn,
            expected_usd_per_hour=expected,
            baseline_usd_per_hour=normal.copy(),
            spread_usd_per_hour=self._spread(normal, WINDOWS_S[0]),
            bucket_spread_usd_per_hour=self._spread(normal, self.sample_s),
            peak_usd_per_hour=self._peak(),
            week_spread_usd_per_hour=self._spread(normal, 3600) if self.kind == 3 else unknown,
            baseline_kind=np.full(len(self.names), self.kind),
            budget_usd=self.budget_ratio * self.level * (month_end_s - month_start_s) / 3600,
            month_to_date_usd=to_date,
            projection_usd=to_date + burn[DAY_S] * left_s / 3600,
            projection_day_usd=to_date + self._planned(time_s, month_end_s) + more * day_s / 3600,
            month_s=month_end_s - month_start_s,
            month_elapsed_s=time_s - month_start_s,
            drivers=self._drivers(time_s, visible, days) if drivers else Drivers.none(),
            unmapped_usd_per_hour=UNMAPPED * burn[DAY_S] if drivers else unknown,
            forbidden_s=self.forbidden_s if drivers else unknown,
            idle_usd_per_hour=IDLE * burn[DAY_S] if drivers else unknown,
        )

    def _drivers(self, time_s: int, visible: int, days: bool) -> Drivers:
        """Up to the newest whole minute that can be seen; later ones are empty."""
        now = (time_s - self.first_s) // 60
        seen = min(now, visible * BUCKET_S // 60)
        hour = time_s // 3600
        edges = np.arange(hour - HOURS, hour + 1) * 60 - self.first_s // 60
        unknown = np.arange(hour - HOURS, hour) <= self.first_s // 3600
        minutes, hours, hours_usd, burn = [], [], [], dict[int, list[Floats]]()
        days_usd = [
            self._days(paid_usd, hour, DAY_HOURS, seen, days) for paid_usd, _ in self._minutes.values()
        ]
        same_hour = [self._days(paid_usd, hour, 1, seen, days) for paid_usd, _ in self._minutes.values()]
        for paid_usd, used_usd in self._minutes.values():
            recent = np.diff(used_usd[:, np.clip(np.arange(now - MINUTES, now + 1), 0, seen)], axis=1)
            minutes.append(recent.astype(np.float32))
            whole = np.clip(edges, 0, seen)
            hours.append(np.where(unknown, np.nan, np.diff(used_usd[:, whole], axis=1)))
            hours_usd.append(np.diff(paid_usd[:, whole], axis=1))
            for window_s in (300, 3600):
                spent = paid_usd[:, seen] - paid_usd[:, np.clip(now - window_s // 60, 0, seen)]
                burn.setdefault(window_s, []).append(spent / (window_s / 3600))
        size, prices = len(self.names), [usd for _, usd in DRIVERS.values()]
        return Drivers(
            names=tuple(DRIVERS),
            scope=np.tile(np.arange(size), len(DRIVERS)),
            driver=np.repeat(np.arange(len(DRIVERS)), size),
            minutes=np.concatenate(
                [each / np.float32(price) for each, price in zip(minutes, prices, strict=True)]
            ),
            hours=np.concatenate([each / price for each, price in zip(hours, prices, strict=True)]),
            hours_usd=np.concatenate(hours_usd),
            burn_usd_per_hour={window_s: np.concatenate(each) for window_s, each in burn.items()},
            days_usd=np.concatenate(days_usd),
            same_hour_usd=np.concatenate(same_hour),
        )

    def _days(self, paid_usd: Floats, hour: int, hours: int, seen: int, wanted: bool) -> Floats:
        """What a driver cost in the hours before this one, today and on the days before."""
        ends = hour - 24 * np.arange(DAYS - 1, -1, -1)
        first, last = (np.clip(edges * 60 - self.first_s // 60, 0, seen) for edges in (ends - hours, ends))
        unknown = (ends - DAY_HOURS <= self.first_s // 3600) | (not wanted)
        return np.where(unknown, np.nan, paid_usd[:, last] - paid_usd[:, first])

    def _planned(self, start_s: int, end_s: int) -> Floats:
        """The dollars that level and season make from start to end: the integral of the formula."""
        turn_s = DAY_S / (2 * np.pi)
        season = 0.0 if self.kind == BASELINE_KINDS["day"] else self.season
        swing = np.cos(start_s / turn_s + self.phase) - np.cos(end_s / turn_s + self.phase)
        planned: Floats = self.level * (end_s - start_s + season * turn_s * swing) / 3600
        return planned

    def _expected(self, start_s: int, end_s: int) -> Floats:
        return self._planned(start_s, end_s) if self.kind else np.full(len(self.level), np.nan)

    def _peak(self) -> Floats:
        """The dearest hour of a day; the trailing day alone does not tell it."""
        by_hour = self.kind >= BASELINE_KINDS["hour"]
        return np.asarray(self.level * (1 + self.season)) if by_hour else np.full(len(self.level), np.nan)

    def _spread(self, normal: Floats, mean_s: int) -> Floats:
        """Deviation of a mean over `mean_s`: noise averages out with the samples, the season does not."""
        noise = self.noise * np.sqrt(self.sample_s / max(mean_s, self.sample_s))
        unseen = self.season / np.sqrt(2) if self.kind == BASELINE_KINDS["day"] else 0.0
        spread: Floats = np.abs(normal) * np.hypot(noise, unseen)
        return spread


def _by_minute(rates: Floats) -> Floats:
    """Running dollars at the end of each minute, from 0 at the start."""
    usd = rates.reshape(len(rates), -1, 60 // BUCKET_S).sum(axis=2) * (BUCKET_S / 3600)
    return np.concatenate([np.zeros((len(rates), 1)), usd.cumsum(axis=1)], axis=1)


def _month(time_s: int) -> tuple[int, int]:
    """Start and end of the calendar month (UTC) that the bucket ending at `time_s` lies in."""
    start = datetime.fromtimestamp(time_s - 1, UTC).replace(day=1, hour=0, minute=0, second=0)
    end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return int(start.timestamp()), int(end.timestamp())

"""The contract of a detector: what it is shown, what it answers.

A detector is shown all scopes of one partition at once, as columns, at each closed 10-second bucket,
and answers a score per scope. It must be deterministic, never see the future, use bounded memory and
constant time a bucket, survive NaN, zero, gaps and negative spend, and serialise to plain bytes without
pickle. `detectors.check` runs any implementation through these rules.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BUCKET_S: Final = 10
RECENT_BUCKETS: Final = 30  # 5 minutes of 10-second buckets: as far as one catching-up step may jump
WINDOWS_S: Final = (300, 1800, 3600, 7200, 21600, 86400)  # 5 m, 30 m, 1 h, 2 h, 6 h, 24 h

DRIVER_EVERY_S: Final = 60  # `View.drivers` is filled when a minute turns
MINUTES: Final = 120  # of quantities
HOURS: Final = 24  # of quantities and their cost
DAYS: Final = 8
DAY_HOURS: Final = 23  # 8 x 24 hours are held, and the one that is open counts among them

NONE: Final = 0
DIGEST: Final = 1
TICKET: Final = 2
PAGE: Final = 3


@dataclass(frozen=True, slots=True)
class Drivers:
    """What was used, and what it cost: m rows, each one driver of one scope, in no order. Where there may be
    many, look at some at a time (`some`): the stage copies quantities and dollars only as they are asked for.

    names    the drivers that there are, such as `pod_hours` and `egress_bytes`
    scope    (m,) index into the view's scopes
    driver   (m,) index into `names`
    minutes  (m, 120) quantity in each of the last 120 whole minutes, oldest first. The newest ones may still
             fill up: a sample of 60 s that is a minute late leaves the newest two empty
    hours    (m, 24) quantity in each of the last 24 whole hours, oldest first; NaN up to and in the hour
             in which the driver was first seen
    hours_usd (m, 24) what those cost, in US dollars
    burn_usd_per_hour   window in seconds (300, 3600) -> (m,) rate of spend of this driver
    days_usd (m, 8) what the last 23 whole hours cost, and the same hours of each of the 7 days before, oldest
             first, in US dollars; NaN for days that are not known from their first hour on. Filled only when
             an hour has turned since the last look, else all NaN
    same_hour_usd (m, 8) of those days, the newest hour alone
    """

    names: Sequence[str]
    scope: Ints
    driver: Ints
    minutes: NDArray[np.float32]
    hours: Floats
    hours_usd: Floats
    burn_usd_per_hour: Mapping[int, Floats]
    days_usd: Floats
    same_hour_usd: Floats

    @classmethod
    def none(cls) -> "Drivers":
        """No rows: what a view holds between minutes."""
        return _NO_DRIVERS

    def named(self, patterns: Iterable[str]) -> NDArray[np.bool_]:
        """Which rows are of a driver that fits one of these shell patterns, such as `egress_*`."""
        patterns = tuple(patterns)
        wanted = [any(fnmatchcase(name, pattern) for pattern in patterns) for name in self.names]
        return np.array(wanted, np.bool_)[self.driver]

    def some(self, rows: NDArray[np.bool_] | Ints | slice) -> "Drivers":
        """Only these rows."""
        return Drivers(
            names=self.names,
            scope=self.scope[rows],
            driver=self.driver[rows],
            minutes=self.minutes[rows],
            hours=self.hours[rows],
            hours_usd=self.hours_usd[rows],
            burn_usd_per_hour={window_s: rate[rows] for window_s, rate in self.burn_usd_per_hour.items()},
            days_usd=self.days_usd[rows],
            same_hour_usd=self.same_hour_usd[rows],
        )

    def of(self, scope: int) -> "Drivers":
        """Only the rows of one scope."""
        return self.some(self.scope == scope)


_NO_ROWS: Final = np.zeros(0, np.int64)
_NO_DRIVERS: Final = Drivers(
    names=(),
    scope=_NO_ROWS,
    driver=_NO_ROWS,
    minutes=np.zeros((0, MINUTES), np.float32),
    hours=np.zeros((0, HOURS)),
    hours_usd=np.zeros((0, HOURS)),
    burn_usd_per_hour={300: np.zeros(0), 3600: np.zeros(0)},
    days_usd=np.zeros((0, DAYS)),
    same_hour_usd=np.zeros((0, DAYS)),
)


@dataclass(frozen=True, slots=True)
class View:
    """What n scopes spent, up to and including the bucket that ends at `time_s` (UTC, epoch seconds).

    Columns are aligned with `scopes`. Rates are US dollars per hour. NaN means "not known": no
    baseline yet, no budget set, or a window that reaches back before the scope was first seen. (Windows
    over an hour are known after the scope's first hour: before it was seen, nothing was spent.)

    recent_usd_per_hour    (n, 30) the last 30 buckets of 10 s, oldest first
    burn_usd_per_hour      window in seconds -> (n,) mean rate over that window
    expected_usd_per_hour  window in seconds -> (n,) baseline's mean over the same window
    baseline_usd_per_hour  (n,) what the rate normally is now
    spread_usd_per_hour    (n,) robust standard deviation of the 5-minute rate around the baseline
    bucket_spread_usd_per_hour (n,) the same for a single 10-second bucket
    peak_usd_per_hour      (n,) the baseline of the dearest hour of a normal day
    week_spread_usd_per_hour (n,) robust standard deviation of this hour of the week over up to 5 weeks; NaN
                           where fewer than 3 are known
    baseline_kind          (n,) 0 none, 1 trailing day, 2 hour of day, 3 hour of week
    budget_usd             (n,) dollars for this calendar month (UTC)
    month_to_date_usd      (n,) spent since the month began
    projection_usd         (n,) the month's total if things go on as they are
    projection_day_usd     (n,) the month's total if what the last hour spent beyond the baseline goes on
                           for just 24 h more
    month_s, month_elapsed_s   length of this month, and how much of it has passed, in seconds

    The rest is filled only when a minute has turned since the last look, for detectors whose `every_s`
    says that they look no oftener:

    drivers                what each scope used of each driver, and paid for it; else no rows
    unmapped_usd_per_hour  (n,) mean rate over the last 24 whole hours of what has no owner; else NaN
    idle_usd_per_hour      (n,) the same of what is paid for and not used (OpenCost's `__idle__`)
    forbidden_s            (n,) for how long what the scope spends has been against a cost rule; 0 while it is
                           allowed, NaN where no rule is about it
    """

    time_s: int
    scopes: Sequence[str]
    recent_usd_per_hour: Floats
    burn_usd_per_hour: Mapping[int, Floats]
    expected_usd_per_hour: Mapping[int, Floats]
    baseline_usd_per_hour: Floats
    spread_usd_per_hour: Floats
    bucket_spread_usd_per_hour: Floats
    peak_usd_per_hour: Floats
    week_spread_usd_per_hour: Floats
    baseline_kind: Ints
    budget_usd: Floats
    month_to_date_usd: Floats
    projection_usd: Floats
    projection_day_usd: Floats
    month_s: int
    month_elapsed_s: int
    drivers: Drivers
    unmapped_usd_per_hour: Floats
    idle_usd_per_hour: Floats
    forbidden_s: Floats


@dataclass(frozen=True, slots=True)
class Scores:
    """A detector's answer at one bucket; all columns are aligned with the view's scopes.

    score        ratio to the threshold: 1 is just over, NaN is "no opinion" (e.g. no baseline yet)
    severity     NONE, DIGEST, TICKET or PAGE; NONE wherever score is below 1 or NaN
    tier         index into `tiers`
    window_s     the window that decided
    onset_s      estimated start of what is seen, at most `time_s`
    """

    score: Floats
    severity: Ints
    tier: Ints
    window_s: Ints
    onset_s: Ints
    tiers: Sequence[str] = field(default=("",))


class Params(BaseModel):
    """Settings of a detector. Unknown keys are errors; every default comes with its arithmetic."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    enabled: Annotated[bool, Field(description="whether it runs at all")] = True
    floor_usd_per_hour: Annotated[
        float,
        Field(gt=0, description="excess below which it stays silent; $1/h is 1 × 24 × 30 = $720 a month"),
    ] = 1.0


class Detector(Protocol):
    """One kind of detector. `name` is what configuration and signals call it.

    A class may also have `every_s`, a multiple of 10: it then looks only when that many seconds (counted from
    the epoch) have turned since the last look, and what it said stands until then. Without it, it looks at
    every closed bucket. What uses `View.drivers` sets at least 60.
    """

    name: ClassVar[str]
    params_type: ClassVar[type[Params]]

    def __init__(self, params: Params) -> None: ...

    def observe(self, view: View) -> Scores:
        """Judge every scope at one closed bucket. Called with rising `time_s`, but buckets may be
        skipped (at most 5 minutes, or `every_s`, at a time). Scopes may be added between calls, at the
        end: a scope keeps its index for good, also across `save` and `load`."""

    def reason(self, view: View, scores: Scores, index: int) -> str:
        """One sentence for a person: why scope `index` scored as it did, with dollars and windows."""

    def save(self) -> bytes:
        """Everything learnt so far, b"" for a detector without memory."""

    def load(self, state: bytes) -> None:
        """Take up again what `save` gave; must accept the output of the same version."""


def every_s(detector: object) -> int:
    """How often it looks, at most."""
    return max(int(getattr(detector, "every_s", BUCKET_S)), BUCKET_S)


def due(detector: object, last_s: int, time_s: int) -> bool:
    """Whether it looks at `time_s`, when the last look of all was at `last_s`."""
    every = every_s(detector)
    return time_s // every != last_s // every


def mistake_in(scores: Scores, view: View) -> str:
    """What is wrong with an answer to a view, in a few words; "" for a sound one."""
    count = len(view.scopes)
    for name in ("score", "severity", "tier", "window_s", "onset_s"):
        column = np.asarray(getattr(scores, name))
        if column.shape != (count,):
            return f"{name} has shape {column.shape} for {count} scopes"
        if column.dtype.kind not in ("f" if name == "score" else "iu"):
            return f"{name} holds {column.dtype}"
    if not all(isinstance(tier, str) for tier in scores.tiers):
        return f"its tiers {tuple(scores.tiers)} are not all text"
    rules = (
        ("a score is infinite", np.isinf(scores.score)),
        ("a severity is unknown", (scores.severity < NONE) | (scores.severity > PAGE)),
        (
            "a severity is told where the score is below 1 or NaN",
            (scores.severity != NONE) & ~(scores.score >= 1),
        ),
        (
            f"a tier is no index into {tuple(scores.tiers)}",
            (scores.tier < 0) | (scores.tier >= len(scores.tiers)),
        ),
        ("a window is negative", scores.window_s < 0),
        ("an onset lies after the bucket that was judged", scores.onset_s > view.time_s),
    )
    return next((sentence for sentence, broken in rules if broken.any()), "")

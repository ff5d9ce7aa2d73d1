"""All that a backtest found, for the screen, the picture and machines."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from detectors.contract import Params
from stream.alerts import text
from stream.backtest.compare import Difference
from stream.backtest.course import Point
from stream.backtest.known import Judged, Known, judge
from stream.backtest.play import Backtest
from stream.backtest.problems import Problem, problems, same
from stream.backtest.sweep import Head
from stream.backtest.thresholds import Setting
from stream.config import Config

# What a threshold would cost is worked out on these, the dearest; of hundreds of pages the rest tell no more.
_REFERENCE: Final = 200
_DAY_S: Final = 86_400


class Value(msgspec.Struct, kw_only=True):
    """What one value of a threshold would tell. `gone_nusd`: of what pages at present, what would be spent
    beyond normal by the first page; in all, where none would come."""

    value: float
    scale: float
    pages: int
    tickets: int
    gone_nusd: int
    judged: Judged | None = None

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.pages, self.tickets, self.gone_nusd


class Threshold(msgspec.Struct, kw_only=True):
    """One setting of one detector: what it is, and what each value of it would tell, the present one among
    them."""

    detector: str
    setting: str
    now: float
    values: list[Value]

    @property
    def matters(self) -> bool:
        """Whether any value would tell something else than the present one."""
        return len({value.counts for value in self.values}) > 1


class File(msgspec.Struct):
    """What became of the rows of a file."""

    name: str
    format: str
    rows: int
    read: int
    rejected: int
    first_rejected: str


class Report(msgspec.Struct, kw_only=True):
    """Times are UTC, in seconds since the epoch; dollars are nano-dollars where the name says so."""

    start_s: int
    end_s: int
    scopes: int
    total_nusd: int
    files: list[File]
    balanced: bool
    problems: list[Problem]
    digests: int
    judged: Judged | None
    thresholds: list[Threshold]
    difference: Difference | None
    rows_by_length: dict[str, float]
    caveats: list[str]
    course: list[Point]


def found_by(backtest: Backtest) -> list[Problem]:
    """What the configured thresholds told."""
    return problems(backtest.told, backtest.alerts.active())


def thresholds(backtest: Backtest, found: Sequence[Problem], incidents: Sequence[Known]) -> list[Threshold]:
    """Every threshold that was tried."""
    pages = sorted((one for one in found if one.pages), key=lambda one: -one.in_all_nusd)[:_REFERENCE]
    config = backtest.config
    present = _value(1.0, 0.0, found, pages, incidents, config)
    by_setting: dict[Setting, list[Head]] = {}
    for head in backtest.sweep.heads:
        by_setting.setdefault(head.trial.setting, []).append(head)
    told = []
    for setting, heads in by_setting.items():
        values = [msgspec.structs.replace(present, value=setting.value)]
        for head in heads:
            trial = head.trial
            if head.told == backtest.told:
                values.append(msgspec.structs.replace(present, value=trial.value, scale=trial.scale))
                continue
            would = problems(head.told, backtest.sweep.active(head))
            values.append(_value(trial.scale, trial.value, would, pages, incidents, config))
        values.sort(key=lambda value: value.scale)
        told.append(
            Threshold(detector=setting.detector, setting=setting.name, now=setting.value, values=values)
        )
    return told


def _value(
    scale: float,
    value: float,
    would: Sequence[Problem],
    pages: Iterable[Problem],
    incidents: Sequence[Known],
    config: Config,
) -> Value:
    count = sum(one.pages for one in would)
    return Value(
        value=value,
        scale=scale,
        pages=count,
        tickets=len(would) - count,
        gone_nusd=sum(_gone_nusd(page, would) for page in pages),
        judged=judge(incidents, would, config) if incidents else None,
    )


def _gone_nusd(page: Problem, would: Iterable[Problem]) -> int:
    other = same(page, would)
    if other is None or other.until_page_nusd is None:
        return page.in_all_nusd
    return min(other.until_page_nusd, page.in_all_nusd)


def caveats(backtest: Backtest, start_s: int, end_s: int) -> list[str]:
    """What this history and this configuration leave untold."""
    days = (end_s - start_s) / _DAY_S
    said = backtest.grain.caveats()
    if days < 0.25:
        said.append("It is less than 6 hours: what is normal is not known yet, so nothing is judged by it.")
    elif days < 3:
        said.append(
            f"It is {days:.1f} days: normal is what the hours before were, by no hour of the day yet."
        )
    elif days < 15:
        said.append(f"It is {days:.0f} days: normal is that of the hour of the day; of the week from 15 on.")
    highest = max((point.usd_per_hour for point in backtest.course.points), default=0.0)
    floor = Params().floor_usd_per_hour
    if highest < floor:
        said.append(
            f"The total never burns over {text.usd(highest)}/h; below {text.usd(floor)}/h beyond normal"
            " detectors say nothing (floor_usd_per_hour)."
        )
    if not backtest.config.budgets:
        said.append("No budgets are configured: burn-vs-budget says nothing, nor does emergency of a month.")
    return said


def digests(backtest: Backtest) -> int:
    return sum(alert.digest is not None for alert in backtest.told)

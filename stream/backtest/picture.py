"""The backtest as a picture (SVG) and as a page that holds it (HTML), drawn by hand."""

import datetime as dt
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from stream.alerts import text
from stream.backtest.problems import Problem
from stream.backtest.report import Report, Threshold

_WIDTH: Final = 960
_LEFT: Final = 70
_TOP: Final = 30
_HEIGHT: Final = 190
_CELL: Final = (300, 150)
_CELLS_A_ROW: Final = 3
_SPEND: Final = "#2b6cb0"
_NORMAL: Final = "#a0aec0"
_PAGE: Final = "#c53030"
_TICKET: Final = "#d69e2e"
_INK: Final = "#2d3748"


def svg(report: Report) -> str:
    """Spend and what was normal, with a mark for each page and ticket; below, what each threshold would
    change."""
    changing = [each for each in report.thresholds if each.matters]
    rows = -(-len(changing) // _CELLS_A_ROW)
    height = _TOP + _HEIGHT + 60 + rows * (_CELL[1] + 40)
    parts = [*_timeline(report)]
    for number, threshold in enumerate(changing):
        x = 20 + number % _CELLS_A_ROW * (_CELL[0] + 15)
        y = _TOP + _HEIGHT + 60 + number // _CELLS_A_ROW * (_CELL[1] + 40)
        parts += _cell(threshold, x, y)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"'
        f' height="{height}" font-family="sans-serif" font-size="12" fill="{_INK}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>'
    )


def html(report: Report, told: str) -> str:
    """One page without anything from elsewhere; `told` is what the terminal shows."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>burnline backtest</title>'
        '<body style="font-family: sans-serif; max-width: 62rem; margin: 2rem auto">'
        f"<h1>Backtest</h1>{svg(report)}<pre>{escape(told)}</pre></body></html>\n"
    )


def _timeline(report: Report) -> Iterator[str]:
    hours = report.course
    yield _words(_LEFT, 18, f"dollars an hour of the total, {_day(report.start_s)} to {_day(report.end_s)}")
    yield from _legend()
    if not hours:
        return
    high = max(max(hour.usd_per_hour, hour.normal_usd_per_hour or 0.0) for hour in hours) or 1.0
    span_s = max(report.end_s - report.start_s, 1)
    bottom = _TOP + _HEIGHT

    def at(time_s: int) -> float:
        return _LEFT + (time_s - report.start_s) / span_s * (_WIDTH - _LEFT - 20)

    def up(rate: float) -> float:
        return bottom - max(rate, 0.0) / high * (_HEIGHT - 20)

    for share in (0.0, 0.5, 1.0):
        y = up(high * share)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#edf2f7"/>'
        yield _words(_LEFT - 6, y + 4, text.usd(high * share), anchor="end")
    normal = [(at(one.time_s), up(one.normal_usd_per_hour)) for one in hours if one.normal_usd_per_hour]
    yield _line(normal, _NORMAL)
    yield _line([(at(one.time_s), up(one.usd_per_hour)) for one in hours], _SPEND)
    for problem in sorted(report.problems, key=lambda one: one.pages):
        yield _mark(problem, at, bottom)
    yield _words(_LEFT, bottom + 32, _day(report.start_s))
    yield _words(_WIDTH - 20, bottom + 32, _day(report.end_s), anchor="end")


def _mark(problem: Problem, at, bottom: float) -> str:  # type: ignore[no-untyped-def]
    x = at(problem.paged_s or problem.told_s)
    colour, top = (_PAGE, _TOP + 8) if problem.pages else (_TICKET, bottom - 12)
    return (
        f'<g><title>{escape(problem.summary)}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{top}"'
        f' y2="{bottom}" stroke="{colour}" stroke-opacity="0.6"/>'
        f'<circle cx="{x:.1f}" cy="{bottom + 8}" r="4" fill="{colour}"/></g>'
    )


def _legend() -> Iterator[str]:
    for number, (name, colour) in enumerate(
        (("spent", _SPEND), ("normal", _NORMAL), ("page", _PAGE), ("ticket", _TICKET))
    ):
        x = _WIDTH - 300 + number * 75
        yield f'<rect x="{x}" y="10" width="10" height="10" fill="{colour}"/>'
        yield _words(x + 14, 19, name)


def _cell(threshold: Threshold, x: int, y: int) -> Iterator[str]:
    """Bars of pages and tickets for each value of one threshold."""
    width, height = _CELL
    yield _words(x, y, f"{threshold.detector}: {threshold.setting}", weight="bold")
    high = max(max(value.pages, value.tickets) for value in threshold.values) or 1
    step = width / len(threshold.values)
    bottom = y + height - 10
    for number, value in enumerate(threshold.values):
        left = x + number * step
        if value.scale == 1:
            yield (
                f'<rect x="{left:.1f}" y="{y + 6}" width="{step:.1f}" height="{height - 12}" fill="#edf2f7"/>'
            )
        for place, (count, colour) in enumerate(((value.pages, _PAGE), (value.tickets, _TICKET))):
            tall = count / high * (height - 45)
            bar_x = left + step * (0.12 + 0.38 * place)
            yield (
                f'<rect x="{bar_x:.1f}" y="{bottom - tall:.1f}" width="{step * 0.36:.1f}"'
                f' height="{tall:.1f}" fill="{colour}"/>'
            )
            yield _words(bar_x + step * 0.18, bottom - tall - 3, str(count), anchor="middle", size=10)
        now = " (now)" if value.scale == 1 else ""
        yield _words(left + step / 2, bottom + 14, f"{value.value:g}{now}", anchor="middle", size=10)


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def _words(
    x: float, y: float, said: str, anchor: str = "start", weight: str = "normal", size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
        f' font-size="{size}">{escape(said)}</text>'
    )


def _day(time_s: int) -> str:
    moment = dt.datetime.fromtimestamp(time_s, dt.UTC)
    return f"{moment.day} {moment:%b %Y}"

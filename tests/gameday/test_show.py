"""What people see of a game day fits into 80 columns, whole."""

import io
import re

from rich.console import Console

from stream.cli.gameday import show
from stream.gameday.game import BURNLINE, QUIET, names
from stream.gameday.report import report
from stream.gameday.rivals import RIVALS
from stream.gameday.score import Outcome


def shown() -> list[str]:
    outcomes = [
        Outcome(
            seed=1, scenario=name, monitor=monitor, expected="page", told=True, severity="page",
            delay_s=123_456, delay_10x_s=98, delay_3x_s=5_000, lost_usd=123_456.78, right_driver=True,
            right_deploy=True, pages=1, false_pages=12, tickets=1, false_tickets=345,
        )
        for name in (*names(), QUIET)
        for monitor in (BURNLINE, *(rival.name for rival in RIVALS))
        for _ in range(10)
    ]  # fmt: skip
    console = Console(file=io.StringIO(), width=80)
    show(report(outcomes, 30), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_every_scenario_has_one_line_with_all_its_figures() -> None:
    lines = shown()
    for name in names():
        [line] = [line for line in lines if re.match(rf"{name.replace('_', ' ')} +\d", line)]
        assert " ".join(line.split()).endswith("10/10 34 h 34 h $123,457 10/10 10/10 120 3450")
        assert len(line.rstrip()) <= 80


def test_every_monitor_has_a_column() -> None:
    lines = shown()
    head = next(line for line in lines if "3-sigma" in line)
    assert " ".join(head.split()) == "burnline fixed threshold 3-sigma daily"
    month = next(line for line in lines if line.startswith("false pages a month"))
    assert month.split()[-4:] == ["12.0"] * 4
    assert not any("…" in line for line in lines)

"""What a run of the harness found: for people, and as JSON."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.bugs import BUGS
from tests.chaos.measure import Times
from tests.chaos.storm import Storm
from tests.chaos.trial import Trial


@dataclass
class Report:
    storms: list[Storm] = field(default_factory=list)
    points: list[Trial] = field(default_factory=list)
    bugs: list[Trial] = field(default_factory=list)
    times: Times = field(default_factory=Times)
    mid_frame_cuts: int = 0

    @property
    def wrong(self) -> list[str]:
        """Every run that ended with anything but the truth, and every planted bug that was not caught."""
        found = [
            f"seed {one.weather.seed}:\n{one.verdict.explain()}" for one in self.storms if one.verdict.wrong
        ]
        found += [f"{one.harm}:\n{one.verdict.explain()}" for one in self.points if one.verdict.wrong]
        found += [
            f"{one.harm.bug}: not caught by any of {', '.join(BUGS[one.harm.bug].checks)}"
            for one in self.bugs
            if not caught(one)
        ]
        return found

    def document(self) -> dict[str, Any]:
        harm, ends = self._harm(), sum((one.ends for one in self.storms), Counter[int]())
        verdicts = [one.verdict for one in self.storms] + [one.verdict for one in self.points]
        compared = sum((one.compared for one in verdicts), Counter[str]())
        return {
            "storms": [_storm(one) for one in self.storms],
            "harm": dict(harm),
            "exit_statuses": {str(status): count for status, count in ends.items()},
            "rebalances": sum(one.rebalances for one in self.storms),
            "zombies_fenced": sum(one.fenced for one in self.storms) + _frozen(self.points),
            "compared": dict(compared),
            "wrong_rows": sum(one.rows for one in verdicts),
            "points": {str(one.harm): one.caught_by or "exact" for one in self.points},
            "planted_bugs": {one.harm.bug: one.caught_by for one in self.bugs},
            "planted_bugs_missed": [one.harm.bug for one in self.bugs if not caught(one)],
            "seconds": self.times.seconds,
            "wrong": self.wrong,
        }

    def _harm(self) -> Counter[str]:
        harm = sum((one.harm for one in self.storms), Counter[str]())
        harm["connections cut in mid-frame"] = self.mid_frame_cuts
        harm["deaths at a named point or request"] = len(
            [one for one in self.points if not one.harm.freeze_at]
        )
        harm["zombies at a named point"] = _frozen(self.points)
        return +harm

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        document = self.document()
        if self.storms or self.points:
            table = Table("harm", "count", title="What was done")
            for name, count in [*document["harm"].items(), ("rebalances", document["rebalances"])]:
                table.add_row(name, str(count))
            console.print(table)
            table = Table("check", "compared", title="What was compared with the input")
            for name, count in document["compared"].items():
                table.add_row(name, f"{count:,}")
            console.print(table)
            console.print(f"Zombies that were fenced: {document['zombies_fenced']}")
            console.print(f"Wrong rows: {document['wrong_rows']}")
        if self.bugs:
            table = Table("planted bug", "caught by", title="The harness itself")
            for one in self.bugs:
                table.add_row(
                    one.harm.bug, ", ".join(one.caught_by) if caught(one) else "[red]NOT CAUGHT[/red]"
                )
            console.print(table)
        if self.times.seconds:
            table = Table("measured, not asserted", "median (from, to)", title="Default settings")
            for what, seconds in self.times.rows():
                table.add_row(what, seconds)
            console.print(table)
        for problem in self.wrong:
            console.print(f"[red]WRONG[/red] {problem}", highlight=False)


def caught(trial: Trial) -> bool:
    """Whether one of the checks that are meant for the bug has noticed it."""
    return bool(set(BUGS[trial.harm.bug].checks) & set(trial.verdict.wrong))


def _frozen(trials: list[Trial]) -> int:
    return len([one for one in trials if one.harm.freeze_at and "harm" not in one.verdict.wrong])


def _storm(storm: Storm) -> dict[str, Any]:
    return {
        "seed": storm.weather.seed,
        "harm": dict(storm.harm),
        "rebalances": storm.rebalances,
        "fenced": storm.fenced,
        "owned": dict(storm.owned),
        "accepted_estimates": storm.accepted,
        "compared": dict(storm.verdict.compared),
        "wrong": storm.verdict.wrong,
        "seconds": round(storm.seconds, 1),
    }

"""How many times faster than real time a backtest is, for 500 scopes: `python -m bench.backtest`.

Two histories: rows of an hour over days, as bills have them, and samples of a minute over the hours after.
Each is played with and without other thresholds, in a process of its own, in interleaved rounds. Seconds are
of one CPU.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
import numpy as np
import typer

from stream.backtest.play import Backtest
from stream.backtest.thresholds import SCALES
from stream.collect.reader import UsageMessage
from stream.config import Config
from stream.shell.garbage import collect_rarely

SERVICES: Final = 420  # of 18 teams, in 60 namespaces, one account: 500 scopes
START_S: Final = 1_790_553_600
HOUR_S: Final = 3600
# Three of them run away for a while, each in another way: (service, at this share, for this share, times).
RUNAWAYS: Final = ((5, 0.5, 0.004, 8.0), (77, 0.7, 0.02, 3.0), (200, 0.9, 0.001, 20.0))


def messages(first_s: int, seconds: int, step_s: int, begun_s: int, ends_s: int) -> Iterator[UsageMessage]:
    level = 10 ** np.random.default_rng(7).uniform(-1, 1.6, SERVICES)
    number = np.arange(SERVICES)
    for start_s in range(first_s, first_s + seconds, step_s):
        luck = np.random.default_rng(start_s).gamma(25, 1 / 25, SERVICES)
        usd = level * (1 + 0.4 * np.sin(start_s / 86_400 * 2 * np.pi + number % 7)) * luck * step_s / HOUR_S
        share = (start_s - begun_s) / (ends_s - begun_s)
        for service, at, lasts, times in RUNAWAYS:
            if at <= share < at + lasts:
                usd[service] *= times
        for part in range(5):  # a broker takes no message over 1 MB
            estimates = [_estimate(n, start_s, step_s, float(usd[n])) for n in range(part, SERVICES, 5)]
            envelope = {"source": f"s{part}", "epoch": 1, "seq": start_s, "estimates": estimates}
            yield UsageMessage(msgspec.json.encode(envelope), (start_s + step_s) * 1000, 0)


def _estimate(number: int, start_s: int, step_s: int, usd: float) -> dict[str, object]:
    return {
        "start": start_s * 1000,
        "end": (start_s + step_s) * 1000,
        "driver": "pod_hours",
        "quantity": round(usd * 20, 6),
        "cost_usd": f"{usd:.9f}",
        "labels": {"account": "prod", "team": f"t{number % 18}", "namespace": f"n{number % 60}",
                   "service": f"s{number}"},
    }  # fmt: skip


def play(days: int, hours: int, sweep: bool) -> list[float]:
    """Seconds of history a CPU second, by the hour and by the minute; reading the files is not in it."""
    config = Config.model_validate({"budgets": [{"scope": "total", "monthly_usd": 3_500_000}]})
    backtest = Backtest(config, SCALES if sweep else ())
    begun_s, turn_s = START_S, START_S + days * 86_400
    ends_s = turn_s + hours * HOUR_S
    found = []
    for first_s, last_s, step_s in ((begun_s, turn_s, HOUR_S), (turn_s, ends_s, 60)):
        # Made as they are played, off the clock: a day of samples is 200 MB.
        spent_s = 0.0
        for message in messages(first_s, last_s - first_s, step_s, first_s, last_s):
            before_s = time.process_time()
            backtest.play("bench", message)
            spent_s += time.process_time() - before_s
        found.append((last_s - first_s) / spent_s)
    return found


def main(
    days: Annotated[int, typer.Option(help="Days in rows of an hour.")] = 35,
    hours: Annotated[int, typer.Option(help="Hours after them in samples of a minute.")] = 6,
    rounds: Annotated[int, typer.Option(help="How often each is played.")] = 3,
    one: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure how many times faster than real time a backtest of 500 scopes is.

    Example: python -m bench.backtest --days 35 --hours 6 --rounds 3
    """
    if one:
        collect_rarely()  # as the command does
        print(*play(days, hours, one == "sweep"))
        return
    found: dict[str, list[list[float]]] = {"sweep": [], "plain": []}
    for _ in range(rounds):
        for name, runs in found.items():
            command = [
                sys.executable,
                "-m",
                "bench.backtest",
                f"--days={days}",
                f"--hours={hours}",
                f"--one={name}",
            ]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            runs.append([float(each) for each in said.split()])
    for name, runs in found.items():
        for what, speeds in zip(
            ("rows of an hour", "samples of a minute"), zip(*runs, strict=True), strict=True
        ):
            middle = statistics.median(speeds)
            title = "all thresholds" if name == "sweep" else "the configured ones alone"
            print(f"{title}, {what}: {middle:,.0f}x real time ({min(speeds):,.0f} to {max(speeds):,.0f})")


if __name__ == "__main__":
    typer.run(main)

"""Small labelled series in a folder, as the command reads them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=5)


def time_of(row: int) -> str:
    return (START + row * STEP).strftime("%Y-%m-%d %H:%M:%S")


def spikes(rows: int = 1000, at: Sequence[int] = (500,), seed: int = 1) -> list[float]:
    """Noise around 10, with 100 at some rows."""
    values = np.random.default_rng(seed).normal(10, 1, rows)
    values[list(at)] = 100
    return [round(value, 4) for value in values.tolist()]


def write(
    folder: Path,
    files: Mapping[str, Sequence[float]],
    windows: Mapping[str, Sequence[tuple[int, int]]],
    end: str = "\n",
) -> Path:
    for name, values in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["timestamp,value", *(f"{time_of(row)},{value}" for row, value in enumerate(values))]
        path.write_text(end.join([*lines, ""]), newline="")
    named = {
        name: [[f"{time_of(first)}.000000", f"{time_of(last)}.000000"] for first, last in spans]
        for name, spans in windows.items()
    }
    (folder / "combined_windows.json").write_text(json.dumps(named))
    return folder

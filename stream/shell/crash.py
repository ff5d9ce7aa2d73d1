"""Fault injection, for tests: named points at which a process can be made to die as by kill -9.

BURNLINE_CRASH_AT=meter.after-state ends the process where the stage `meter` has passed that point for the
first time. Nothing is flushed, closed or said.
"""

import os
from typing import Final

STATUS: Final = 137


def due(stage: str, point: str) -> bool:
    return os.environ.get("BURNLINE_CRASH_AT") == f"{stage}.{point}"


def passed(stage: str, point: str) -> None:
    """Dies here if it is due."""
    if due(stage, point):
        os._exit(STATUS)

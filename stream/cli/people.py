"""What commands share that say something for a person: who it is, when, and how answers are printed."""

import getpass
import sys
import time
from typing import Any

import msgspec


def now_s() -> int:
    return int(time.time())


def who() -> str:
    """The name of who types, for the trail; a container may have no name for its user."""
    try:
        return getpass.getuser()[:100]
    except (OSError, KeyError, ImportError):
        return "cli"


def print_json(value: Any) -> None:
    """One object on one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")

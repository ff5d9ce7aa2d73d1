"""What commands share that say something for a person: who it is, when, and how answers are printed."""

import getpass
import sys
import time
from typing import Any, Final

import msgspec

from stream.notify import words

_LONGEST: Final = 4_000


def now_s() -> int:
    return int(time.time())


def who() -> str:
    """The name of who types, for the trail; a container may have no name for its user."""
    try:
        return getpass.getuser()[:100]
    except (OSError, KeyError, ImportError):
        return "cli"


def print_entry(head: str, *more: str) -> None:
    """One thing of a list: what it is on a line of its own, and below it what else is known. A table would
    have to cut the names that other commands want, where the terminal is narrow."""
    print(words.line(head, _LONGEST))
    for line in more:
        if line:
            print("    " + words.line(line, _LONGEST))


def print_json(value: Any) -> None:
    """One object on one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")

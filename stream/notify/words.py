"""Text from outside made fit for people: one line, no control characters, not too long."""

from typing import Final
from urllib.parse import quote

# Names come from outside, up to 1,024 characters a label; what is longer says nothing more to people.
_NAME: Final = 200


def line(value: str, longest: int = 1000) -> str:
    """One line: a forged second one could carry a false runbook."""
    return "".join(each for each in " ".join(value.split()) if each.isprintable())[:longest]


def cut(value: str, most: int) -> str:
    """One line of at most so many characters."""
    value = line(value, len(value))
    return value if len(value) <= most else f"{value[: most - 1]}…"


def short(name: str) -> str:
    """A name as people are shown it."""
    return cut(name, _NAME)


def filled(url: str, scope: str) -> str:
    """A configured address with {scope} filled in."""
    return url.replace("{scope}", quote(scope, safe=""))


def for_browsers(*named: tuple[str, str]) -> list[tuple[str, str]]:
    """Of (words, url) those that a browser may open: addresses of deploys come from outside."""
    return [
        (words, url) for words, url in named if url.startswith(("http://", "https://")) and len(url) <= 2000
    ]

"""A split that adds up to the whole: by driver, or by owner."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from stream.burn.parts import Part

OTHER: Final = "other"


def completed(parts: Iterable[Part], spent_nusd: int, normal_nusd: int) -> tuple[Part, ...]:
    """The parts by excess, largest first, and `other`: what they leave of the whole, or say too much.

    So a split always adds up to the whole, column by column. Parts of one name are added up.
    """
    spent: Counter[str] = Counter()
    normal: Counter[str] = Counter()
    for part in parts:
        spent[part.name] += part.spent_nusd
        normal[part.name] += part.normal_nusd
    spent[OTHER] += spent_nusd - spent.total()
    normal[OTHER] += normal_nusd - normal.total()
    lines = [Part(name, spent[name], normal[name], spent[name] - normal[name]) for name in spent]
    lines = [line for line in lines if line.spent_nusd or line.normal_nusd]
    return tuple(sorted(lines, key=lambda line: (line.name == OTHER, -line.excess_nusd, line.name)))

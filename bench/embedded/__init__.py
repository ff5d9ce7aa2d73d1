"""The embedded shell: estimates through all stages into one SQLite file, in one process on one core."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from bench.contest import Contender, Entry, Ratio, Results, play
from bench.process import Task
from bench.workload import Variant, generate

_SUMS: Final = ("total", "team", "service")
_PACKED: Final = {
    Variant.SHARED: "envelopes of 100, labels shared",
    Variant.OWN: "envelopes of 100, labels of their own",
    Variant.ARRAY: "arrays of 100",
    Variant.SINGLE: "single messages",
}


def _contenders(variant: Variant) -> tuple[Contender, Contender]:
    packed = _PACKED[variant]
    return (
        Contender(f"decode {variant}", "bench.embedded.decode", f"the limit: decode only, {packed}"),
        Contender(f"replay {variant}", "bench.embedded.replay", f"all stages, durable, {packed}", _SUMS),
    )


RATIOS: Final = tuple(
    Ratio(
        f"embedded: replay / decode, {variant}",
        f"replay {variant}",
        f"decode {variant}",
        f"share of the decode-only limit, {_PACKED[variant]}",
    )
    for variant in Variant
)


def run(estimates: int, rounds: int, drop: int, told: Callable[[str], None]) -> Results:
    """Every round plays all variants, the limit and the whole thing in turn."""
    with tempfile.TemporaryDirectory() as name:
        entries = []
        for variant in Variant:
            told(f"generating {variant}")
            file = Path(name) / variant
            work = generate(variant, estimates)
            work.save(file)
            entries += [
                Entry(contender, Task(str(file), "", drop), work.oracle) for contender in _contenders(variant)
            ]
            del work

        @contextmanager
        def opened() -> Iterator[list[Entry]]:
            yield entries

        again: list[Callable[[], AbstractContextManager[list[Entry]]]] = [opened] * rounds
        return play(again, RATIOS, told)

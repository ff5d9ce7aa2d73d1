"""The embedded shell: estimates through all stages into one SQLite file, in one process on one core."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench import process
from bench.contest import Contender, Entry, Ratio, Results, play
from bench.process import Task
from bench.workload import Variant, generate

_SUMS: Final = ("total", "team", "service")
_PACKED: Final = {
    Variant.SHARED: "envelopes of 100, labels shared",
    Variant.OWN: "envelopes of 100, labels of their own",
    Variant.ARRAY: "arrays of 100",
    Variant.SINGLE: "single messages",
    Variant.COLUMNS: "envelopes in columns of 1,000",
}


def _contenders(variant: Variant) -> dict[str, Contender]:
    """By module."""
    packed = _PACKED[variant]
    return {
        "bench.embedded.decode": Contender(f"decode {variant}", f"the limit: decode only, {packed}"),
        "bench.embedded.replay": Contender(f"replay {variant}", f"all stages, durable, {packed}", _SUMS),
    }


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
                Entry(contender, partial(process.run, module, Task(str(file), "", drop)), work.oracle)
                for module, contender in _contenders(variant).items()
            ]
            del work

        @contextmanager
        def opened() -> Iterator[list[Entry]]:
            yield entries

        again: list[Callable[[], AbstractContextManager[list[Entry]]]] = [opened] * rounds
        return play(again, RATIOS, told)

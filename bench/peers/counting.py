"""How a peer in Python tells its count. Standard library only: it runs in the peer's environment."""

import sys
import threading
from collections.abc import Callable

_EVERY_S = 0.05


class Counting:
    """Prints `count N` every 50 ms from a thread, until it is `done`."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._ended = threading.Event()
        self._tell()
        threading.Thread(target=self._watch, daemon=True).start()

    def _tell(self) -> None:
        sys.__stdout__.write(f"count {self._count()}\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._tell()

    def done(self) -> None:
        self._ended.set()
        self._tell()
        sys.__stdout__.write("done\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]

"""A process of ours that a test kills, freezes and asks to stop."""

import asyncio
import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any


class Forked:
    """Runs `main(*arguments)`. Forked from a server that has the imports done, to save seconds each."""

    def __init__(self, main: Callable[..., None], *arguments: Any) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload([main.__module__])
        self._process = context.Process(target=main, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def ask(self) -> None:
        """Ask it to stop, as a supervisor does."""
        self._process.terminate()

    def terminate(self) -> int:
        """Ask it to stop and return its exit status."""
        self.ask()
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def is_frozen(self) -> bool:
        stat = Path(f"/proc/{self.pid}/stat")
        return stat.read_text().rpartition(")")[2].split()[0] == "T"

    async def frozen(self) -> None:
        """Returns when the process is stopped by SIGSTOP."""
        while not self.is_frozen:
            await asyncio.sleep(0.05)

    @property
    def status(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        while self.status is None:
            await asyncio.sleep(0.05)
        return self.status

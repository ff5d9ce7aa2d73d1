"""A real program that a test starts, waits for, stops, kills and starts again."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self


class ServiceFailed(Exception):
    """A service did not start; the message ends with the tail of its log."""


class Service:
    """One program with its own directory. Use it as a context manager, or call `start` and `stop`.

    The directory holds its data and `NAME.log`, both kept over restarts and after the end.
    """

    name: ClassVar[str]
    start_timeout_s: ClassVar[float] = 120  # a JVM on a busy machine with two cores
    stop_timeout_s: ClassVar[float] = 20

    running: ClassVar[list["Service"]] = []
    """All services that now run, for the report of a failed test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start_bytes = 0

    def command(self) -> Sequence[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it serves requests now."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and return when it serves requests.

        Raises:
            ServiceFailed: it ended, or was not ready within `start_timeout_s`.
        """
        if self._process is not None:
            raise RuntimeError(f"{self.name} already runs: stop or kill it first")
        self._log_start_bytes = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.running.append(self)
        deadline_s = time.monotonic() + self.start_timeout_s
        try:
            while not self.is_ready():
                self._check_starting(deadline_s)
                time.sleep(0.05)
        except BaseException:
            self.kill()
            raise

    def _check_starting(self, deadline_s: float) -> None:
        assert self._process is not None
        if (status := self._process.poll()) is not None:
            raise ServiceFailed(f"{self.name} ended with status {status}:\n{self.log_tail()}")
        if time.monotonic() > deadline_s:
            raise ServiceFailed(
                f"{self.name} was not ready within {self.start_timeout_s:.0f} s:\n{self.log_tail()}"
            )

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and kill it if it does not. Nothing happens if it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._forget()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would. Nothing happens if it does not run."""
        if self._process is None:
            return
        self._process.kill()
        self._forget()

    def _forget(self) -> None:
        assert self._process is not None
        self._process.wait()
        self._process = None
        self.running.remove(self)

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return None if self._process is None else self._process.pid

    def log_since_start(self) -> str:
        """What it has logged since it was last started."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start_bytes)
            return log.read().decode(errors="replace")

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of its log, and where the rest is."""
        tail = self.log_path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([*tail, f"(the whole log: {self.log_path})"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def program(name: str) -> str:
    """The path of an installed program.

    Raises:
        ServiceFailed: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise ServiceFailed(f"{name} is not installed: run `deploy/prepare services`")
    return path

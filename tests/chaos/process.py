"""`burnline meter` and `burnline worker` as people run them, each with its own log."""

import os
import signal
import sys
from pathlib import Path

from stream.cli.main import main
from stream.shell.kafka import crash, process
from tests.chaos.bugs import BUGS
from tests.services.forked import Forked

METER, WORKER = "meter", "worker"
_PRELOADED = process  # the command imports it late; the fork server should have it


class Process(Forked):
    """One of ours. `crash_at` and `freeze_at` name points of `stream.shell.kafka.crash`: there it ends, or
    is stopped once (SIGSTOP). `bug` plants one of `tests.chaos.bugs`."""

    def __init__(
        self, command: str, config: Path, log: Path, *, crash_at: str = "", freeze_at: str = "", bug: str = ""
    ) -> None:
        self.command = command
        self.log = log
        super().__init__(_main, command, config, log, crash_at, freeze_at, bug)

    def last_line(self) -> str:
        """The end of what it said."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return lines[-1] if lines else ""


def _main(command: str, config: Path, log: Path, crash_at: str, freeze_at: str, bug: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if crash_at or freeze_at:
        os.environ["BURNLINE_CRASH_AT"] = crash_at or freeze_at
    if freeze_at:
        crash.passed = _freeze
    if bug:
        BUGS[bug].plant()
    sys.argv = ["burnline", command, "--config", str(config)]
    main()


def _freeze(stage: str, point: str) -> None:
    if crash.due(stage, point):
        del os.environ["BURNLINE_CRASH_AT"]
        os.kill(os.getpid(), signal.SIGSTOP)

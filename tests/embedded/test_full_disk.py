"""`burnline run` on a disk that is full: the sender is told, what was confirmed stays, and room mends it.

Two kinds of "full": a small file system of its own, where root may mount one, and a limit on the size of a
file (RLIMIT_FSIZE), which works for everyone, everywhere. Where mounting is refused both are the limit.
"""

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.running import Batch, Running, verdict
from tests.embedded.test_run_crash import batches

ROOM_BYTES = 2_000_000


class Disk:
    """A folder that takes `ROOM_BYTES`, until there is `more`."""

    def __init__(self, folder: Path, mount: bool) -> None:
        self.folder = folder
        command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "none", str(folder)]
        self.mounted = mount and subprocess.run(command, capture_output=True, check=False).returncode == 0

    def shrink(self, running: Running) -> None:
        assert running.process is not None
        if not self.mounted:
            limit = (ROOM_BYTES, resource.RLIM_INFINITY)
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, limit)

    def more(self) -> None:
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=200m", str(self.folder)], check=True)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


@pytest.fixture(params=["mount", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path, request.param == "mount")
    yield made
    made.close()


def test_a_full_disk(disk: Disk) -> None:
    running, durable = Running(disk.folder), list[Batch]()
    assert running.start()
    disk.shrink(running)
    for whole in batches(40):
        # Broken messages are kept as dead letters: they fill a disk soonest.
        batch = [*whole, b"{" + b"x" * 100_000]
        status = running.post(batch)
        if status != 202:
            break
        durable.append(batch)
    assert status == 503
    answered = running.said
    code, said = running.ended()
    assert code == 2
    assert said.startswith(f"burnline: {disk.folder}") and said.count("\n") == 1, said
    assert "make room" in said and "nothing that was acknowledged is lost" in said
    assert "make room" in answered and "start again" in answered
    disk.more()
    assert running.start()
    assert running.post(batch) == 202
    durable.append(batch)
    assert running.stop() == 0
    assert verdict(running, durable) == []

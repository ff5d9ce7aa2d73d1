"""Processes under a supervisor that starts again whatever ends, after any status."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Self

from stream.shell.kafka import crash
from tests.chaos.cluster import Pipeline
from tests.chaos.process import Process

_AGAIN_S: Final = 0.3


@dataclass
class Slot:
    """One place for a process; `harmed` is set where its end was our doing."""

    command: str
    process: Process
    harmed: bool = False
    ended_s: float | None = None


@dataclass
class Ends:
    """How processes ended: by our hand, by themselves (with the last line of their log), by status."""

    by_status: Counter[int] = field(default_factory=Counter)
    unasked: list[str] = field(default_factory=list)


class Fleet:
    """A number of meters and workers of one pipeline, all with the same planted bug, if any."""

    def __init__(self, pipeline: Pipeline, meters: int, workers: int, bug: str = "") -> None:
        self.ends = Ends()
        self.slots: list[Slot] = []
        self._pipeline = pipeline
        self._bug = bug
        self._commands = ["meter"] * meters + ["worker"] * workers

    async def __aenter__(self) -> Self:
        self.slots = [Slot(command, self.start(command)) for command in self._commands]
        self._task = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        for slot in self.slots:
            await asyncio.to_thread(slot.process.kill)

    def start(self, command: str, *, crash_at: str = "", freeze_at: str = "") -> Process:
        return self._pipeline.start(command, crash_at=crash_at, freeze_at=freeze_at, bug=self._bug)

    def of(self, command: str) -> list[Slot]:
        """Those of one kind that run and were not harmed yet."""
        return [
            slot
            for slot in self.slots
            if slot.command == command and slot.process.status is None and not slot.harmed
        ]

    async def replace(self, slot: Slot, *, crash_at: str = "", freeze_at: str = "") -> int:
        """Stop it cleanly and start another in its place; returns the exit status of the first."""
        slot.harmed = True
        slot.process.ask()
        status = await slot.process.wait()
        self.ends.by_status[status] += 1
        slot.process, slot.harmed = self.start(slot.command, crash_at=crash_at, freeze_at=freeze_at), False
        return status

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            now_s = asyncio.get_running_loop().time()
            for slot in self.slots:
                status = slot.process.status
                if status is None:
                    continue
                if slot.ended_s is None:
                    slot.ended_s = now_s
                    self._note(slot, status)
                elif now_s - slot.ended_s > _AGAIN_S:
                    slot.process, slot.harmed, slot.ended_s = self.start(slot.command), False, None

    def _note(self, slot: Slot, status: int) -> None:
        self.ends.by_status[status] += 1
        if not slot.harmed and status != crash.STATUS:
            self.ends.unasked.append(
                f"{slot.process.log.name} ended with {status}: {slot.process.last_line()}"
            )

"""The clock of the alerts stage: event time up to which every spend partition has spoken."""

from typing import Final

import msgspec

from stream.schema.signals import Evaluation

# A burn partition speaks every 10 s while buckets close. Six missed turns is silence, not slowness.
SILENT_MS: Final = 60_000


class Progress(msgspec.Struct):
    """How far one spend partition has got: event time, and its worker's clock when it last spoke."""

    time_s: int
    emitted_ms: int


class Clock(msgspec.Struct):
    """The least event time over the spend partitions; it never goes back.

    A partition whose last word is more than 60 s older than the newest of any is left out until it
    speaks again, so that one dead worker stops no alert of others. One never heard of counts as heard
    when the first one was.
    """

    now_s: int = 0
    partitions: int = 0
    first_ms: int | None = None
    heard: dict[int, Progress] = {}

    def hear(self, evaluation: Evaluation) -> None:
        if self.first_ms is None:
            self.first_ms = evaluation.emitted_ms
        self.partitions = evaluation.partitions
        known = self.heard.setdefault(
            evaluation.partition, Progress(evaluation.time_s, evaluation.emitted_ms)
        )
        known.time_s = max(known.time_s, evaluation.time_s)
        known.emitted_ms = evaluation.emitted_ms  # the last word: a clock that was wrong may be set back
        self._advance()

    def _advance(self) -> None:
        newest_ms = max(progress.emitted_ms for progress in self.heard.values())
        expected = [self.heard.get(partition) for partition in range(self.partitions)]
        assert self.first_ms is not None
        if None in expected and newest_ms - self.first_ms <= SILENT_MS:
            return
        speaking = [
            progress.time_s
            for progress in expected
            if progress is not None and newest_ms - progress.emitted_ms <= SILENT_MS
        ]
        self.now_s = max(self.now_s, min(speaking, default=0))

"""The clock of the alerts stage: event time up to which every spend partition has spoken."""

from typing import Final

import msgspec

from stream.schema.signals import Evaluation

# A burn partition speaks every 10 s while buckets close. Six missed turns is silence, not slowness.
SILENT_MS: Final = 60_000
# When nobody speaks for longer than two turns, it is not one partition that is silent: the broker was away.
LONGEST_TURN_MS: Final = 20_000


class Progress(msgspec.Struct):
    """How far a spend partition has got: event time, and the clock's `spoken_ms` when it last spoke."""

    time_s: int
    spoken_ms: int


class Clock(msgspec.Struct):
    """The least event time over the spend partitions; it never goes back.

    `spoken_ms` is for how long partitions have been heard, by the workers' clocks (`emitted_ms` is the
    last of them). A partition that said nothing while others spoke for over 60 s is left out until it speaks
    again, so that one dead worker stops no alert of others. After a time when all were silent, each has
    60 s again: they come back one by one, and the first must not go on without the rest. One never
    heard of counts as heard when the first one was.
    """

    now_s: int = 0
    partitions: int = 0
    emitted_ms: int = -1
    spoken_ms: int = 0
    heard: dict[int, Progress] = {}

    def hear(self, evaluation: Evaluation) -> None:
        if self.emitted_ms >= 0:
            self.spoken_ms += max(0, min(evaluation.emitted_ms - self.emitted_ms, LONGEST_TURN_MS))
        self.emitted_ms = evaluation.emitted_ms
        self.partitions = evaluation.partitions
        known = self.heard.setdefault(evaluation.partition, Progress(evaluation.time_s, self.spoken_ms))
        known.time_s = max(known.time_s, evaluation.time_s)
        known.spoken_ms = self.spoken_ms
        self._advance()

    @property
    def slowest_s(self) -> int:
        """Event time that every partition has reached, also those left out; 0 if one was never heard."""
        heard = (self.heard.get(partition) for partition in range(max(1, self.partitions)))
        return min(progress.time_s if progress is not None else 0 for progress in heard)

    def _advance(self) -> None:
        expected = [self.heard.get(partition) for partition in range(self.partitions)]
        if None in expected and self.spoken_ms <= SILENT_MS:
            return
        speaking = [
            progress.time_s
            for progress in expected
            if progress is not None and self.spoken_ms - progress.spoken_ms <= SILENT_MS
        ]
        self.now_s = max(self.now_s, min(speaking, default=0))

"""Files through the same stages, as fast as they go."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from stream.collect.reader import Excluded, Item, Rejected, UsageMessage
from stream.schema.alerts import Alert
from stream.shell.embedded.node import Node

# Between flushes the messages of one evaluation gather; a burst is cut so that memory stays bounded.
MOST_MESSAGES: Final = 20_000
COMMIT_S: Final = 1.0  # of wall time, as in a live node


class Replay:
    """Feeds a node and hands out the transitions of alerts as they come.

    Time is what the file says: a batch ends wherever the next message arrives in another evaluation
    step, so the same buckets are judged as would have been live. Commits come by `clock`; None is that of
    the file, as if all had been live.
    """

    def __init__(self, node: Node, clock: Callable[[], float] | None = time.monotonic) -> None:
        self._node = node
        self.now_ms = 0
        self._clock = clock or (lambda: self.now_ms / 1000)
        self._step_ms = node.config.burn.evaluate_every_s * 1000
        self._values: list[bytes] = []
        self._times_ms: list[int] = []
        self._committed_s = self._clock()

    def feed(self, name: str, items: Iterable[Item]) -> Iterator[Alert]:
        """Play one file's items. What stays open at the end is closed by `finish`."""
        for item in items:
            if isinstance(item, UsageMessage):
                yield from self.message(item.value, item.timestamp_ms)
            elif isinstance(item, Rejected):
                self._node.refuse(name, item.row, item.raw, item.reason, self.now_ms)
            else:
                assert isinstance(item, Excluded)  # counted by the reading itself

    def message(self, value: bytes, timestamp_ms: int) -> Iterator[Alert]:
        if self._values and (
            timestamp_ms // self._step_ms != self.now_ms // self._step_ms
            or len(self._values) >= MOST_MESSAGES
        ):
            yield from self._flush()
        self._values.append(value)
        self._times_ms.append(timestamp_ms)
        self.now_ms = max(self.now_ms, timestamp_ms)

    def _flush(self) -> Iterator[Alert]:
        if self._values:
            self._node.usage(self._values, self._times_ms)
            self._values, self._times_ms = [], []
        if self._clock() - self._committed_s >= COMMIT_S:
            yield from self.commit()
        else:
            self._node.flush(self.now_ms)

    def commit(self) -> list[Alert]:
        """Make what has been played durable."""
        if self._values:
            self._node.usage(self._values, self._times_ms)
            self._values, self._times_ms = [], []
        told = self._node.commit(self.now_ms)
        self._committed_s = self._clock()
        return told

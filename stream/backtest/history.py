"""The files of a history as one, in order of time."""

import heapq
from collections.abc import Iterator, Sequence

from stream.collect.reader import Item, UsageMessage
from stream.collect.reading import Reading


def merged(readings: Sequence[Reading]) -> Iterator[tuple[Reading, Item]]:
    """Every item with the file that it is of. Bills of two providers for one month interleave, as live usage
    would; what is no message (a row that can't be read) comes as soon as it is met."""
    waiting: list[tuple[int, int, UsageMessage]] = []
    rests = [iter(reading) for reading in readings]

    def advance(number: int) -> Iterator[tuple[Reading, Item]]:
        for item in rests[number]:
            if isinstance(item, UsageMessage):
                heapq.heappush(waiting, (item.timestamp_ms, number, item))
                return
            yield readings[number], item

    for number in range(len(readings)):
        yield from advance(number)
    while waiting:
        _, number, item = heapq.heappop(waiting)
        yield readings[number], item
        yield from advance(number)

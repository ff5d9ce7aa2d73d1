"""What the meter complains of sources: that they lost their labels, or lag. Told as long as they do."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from detectors import late_source, lost_labels
from detectors.late_source import LateSource
from detectors.lost_labels import LostLabels
from stream.burn import blind
from stream.schema.signals import Signal
from stream.schema.sources import Source
from stream.scopes import partition_of, source_scope


class Complaint(NamedTuple):
    since_s: int
    score: float
    usd_per_hour: float
    reason: str


Finder = Callable[[Source], Complaint | None]


class Complaints:
    """Those of one kind that are told from one spend partition; `find` says what a source gives cause for."""

    def __init__(self, detector: str, find: Finder, partition: int, partitions: int) -> None:
        self._detector = detector
        self._find = find
        self._partition = partition
        self._partitions = partitions
        self._found: dict[str, Complaint] = {}
        self._due = blind.Due()

    def hear(self, words: Iterable[Source]) -> None:
        for word in words:
            found = None if word.gone else self._find(word)
            if found is None:
                self._found.pop(word.name, None)
            elif partition_of(source_scope(word.name), self._partitions) == self._partition:
                self._found[word.name] = found

    def restore(self, word: Source) -> None:
        self.hear([word])
        if word.name in self._found:
            self._due.was_told(word.name)

    def signals(self, time_s: int, refresh_s: int) -> Iterator[Signal]:
        """What is due to be told."""
        for name in self._due.ended(self._found):
            yield blind.over(source_scope(name), self._detector, time_s)
        for name in self._due.of(self._found, time_s, refresh_s):
            found = self._found[name]
            yield blind.signal(
                source_scope(name),
                self._detector,
                time_s,
                found.since_s,
                firing=True,
                score=found.score,
                usd_per_hour=found.usd_per_hour,
                reason=found.reason,
            )


def lost_labels_of(kind: LostLabels) -> Finder:
    def find(word: Source) -> Complaint | None:
        lost = word.lost
        if lost is None or not kind.params.enabled:
            return None
        rates = lost.usual_owned, lost.usual_unowned, lost.owned, lost.unowned
        usd_per_hour = min(lost.usual_owned - lost.owned, lost.unowned - lost.usual_unowned)
        reason = lost_labels.reason(word.name, *rates, lost.fed)
        return Complaint(lost.since_s, kind.score(*rates), usd_per_hour, reason)

    return find


def lag_of(kind: LateSource) -> Finder:
    def find(word: Source) -> Complaint | None:
        late = word.late
        if late is None or not kind.params.enabled:
            return None
        reason = late_source.reason(word.name, late.usual_s, late.lag_s, word.usd_per_hour)
        return Complaint(late.since_s, kind.score(late.usual_s, late.lag_s), word.usd_per_hour, reason)

    return find

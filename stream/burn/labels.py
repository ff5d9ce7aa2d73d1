"""Sources that lost their labels, told as long as they lack them."""

from collections.abc import Iterable, Iterator

from detectors import lost_labels
from detectors.lost_labels import LostLabels
from stream.burn import blind
from stream.schema.signals import Signal
from stream.schema.sources import Lost, Source
from stream.scopes import partition_of, source_scope


class Labels:
    """Those whose alerts are told from one spend partition."""

    def __init__(self, kind: LostLabels, partition: int, partitions: int) -> None:
        self._kind = kind
        self._partition = partition
        self._partitions = partitions
        self._lost: dict[str, Lost] = {}
        self._due = blind.Due()

    def hear(self, words: Iterable[Source]) -> None:
        for word in words:
            if word.lost is None or word.gone or not self._kind.params.enabled:
                self._lost.pop(word.name, None)
            elif partition_of(source_scope(word.name), self._partitions) == self._partition:
                self._lost[word.name] = word.lost

    def restore(self, word: Source) -> None:
        self.hear([word])
        if word.name in self._lost:
            self._due.was_told(word.name)

    def signals(self, time_s: int, refresh_s: int) -> Iterator[Signal]:
        """What is due to be told."""
        for name in self._due.ended(self._lost):
            yield blind.over(source_scope(name), LostLabels.name, time_s)
        for name in self._due.of(self._lost, time_s, refresh_s):
            yield self._signal(name, self._lost[name], time_s)

    def _signal(self, name: str, lost: Lost, time_s: int) -> Signal:
        rates = lost.usual_owned, lost.usual_unowned, lost.owned, lost.unowned
        return blind.signal(
            source_scope(name),
            LostLabels.name,
            time_s,
            lost.since_s,
            firing=True,
            score=self._kind.score(*rates),
            usd_per_hour=min(lost.usual_owned - lost.owned, lost.unowned - lost.usual_unowned),
            reason=lost_labels.reason(name, *rates, lost.fed),
        )

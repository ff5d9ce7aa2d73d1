"""What is not metered now: silent sources, and what their scopes are taken to spend meanwhile."""

from collections.abc import Iterable, Iterator
from typing import Final

from detectors import metering_gap
from detectors.contract import WINDOWS_S
from detectors.metering_gap import MeteringGap, MeteringGapParams
from stream.burn import blind
from stream.burn.windows import Windows
from stream.schema import sources as wire
from stream.schema import windows as schema
from stream.schema.signals import Signal
from stream.schema.sources import Source
from stream.scopes import partition_of, source_scope
from stream.stage import StateRow

RECENT_S: Final = 300
HOUR_S: Final = 3600
# Below this share of what a scope spent, what is silent is not why it spends less.
MATTERS: Final = 0.1
_NANO: Final = 1e9

Interim = dict[str, dict[int, float]]


class Sources:
    """The sources of all usage partitions, with the rates of the scopes of one spend partition."""

    def __init__(self, params: MeteringGapParams, partition: int, partitions: int) -> None:
        self._params = params
        self._partition = partition
        self._partitions = partitions
        self._known: dict[str, Source] = {}
        self._changed: dict[str, None] = {}
        self._silent: dict[str, Source] = {}
        self._due = blind.Due()

    def hear(self, words: Iterable[Source]) -> None:
        for word in words:
            self._changed[word.name] = None
            self._silent.pop(word.name, None)
            if word.gone:
                self._known.pop(word.name, None)
                continue
            self._known[word.name] = word
            if word.silent and self._params.enabled:
                self._silent[word.name] = word

    def restore(self, source: Source) -> None:
        self.hear([source])
        self._changed.clear()
        if source.name in self._silent:
            self._due.was_told(source.name)

    def changes(self) -> Iterator[StateRow]:
        for name in self._changed:
            known = self._known.get(name)
            yield StateRow(schema.SOURCE_PREFIX + name.encode(), wire.encode(known) if known else None)
        self._changed.clear()

    def signals(self, time_s: int, refresh_s: int) -> Iterator[Signal]:
        """What is due to be told of the sources whose alerts come from this partition."""
        for name in self._due.ended(self._silent):
            yield blind.over(source_scope(name), MeteringGap.name, time_s)
        mine = [
            name
            for name in self._silent
            if partition_of(source_scope(name), self._partitions) == self._partition
        ]
        for name in self._due.of(mine, time_s, refresh_s):
            yield self._signal(name, self._silent[name], time_s)

    def missing(self, windows: Windows, scope: str) -> str | None:
        """The silent source that fed a scope most, if that was so much that its rate says nothing now."""
        fed = [
            (rate, one.name, one.until_ms // 1000)
            for one in self._silent.values()
            for fed_scope, rate in one.rates
            if fed_scope == scope
        ]
        if not fed:
            return None
        rate, name, since_s = max(fed)
        return name if rate >= MATTERS * _before_usd_per_hour(windows, scope, since_s) else None

    def interim(self, windows: Windows, time_s: int) -> Interim:
        """What scopes are taken to spend that nobody meters: by scope and window."""
        found: Interim = {}
        for scope, silences in self._silences().items():
            start_s, until_s, rate = self._gap(windows, scope, silences, time_s)
            for window_s in WINDOWS_S if rate else ():
                overlap_s = until_s - max(start_s, time_s - window_s)
                if overlap_s > 0:
                    found.setdefault(scope, {})[window_s] = rate * overlap_s / window_s
        return found

    def gap(self, windows: Windows, scope: str, time_s: int) -> tuple[int, int, float]:
        """Since when, until when and at which rate a scope is taken to spend what nobody meters."""
        silences = self._silences().get(scope)
        return self._gap(windows, scope, silences, time_s) if silences else (time_s, time_s, 0.0)

    def _silences(self) -> dict[str, list[tuple[int, float]]]:
        """By scope: since when each silent source that fed it is silent, and its last rate."""
        found: dict[str, list[tuple[int, float]]] = {}
        for one in self._silent.values():
            for scope, rate in one.rates:
                found.setdefault(scope, []).append((one.until_ms // 1000, rate))
        return found

    def _gap(
        self, windows: Windows, scope: str, silences: list[tuple[int, float]], time_s: int
    ) -> tuple[int, int, float]:
        """From when a source fell silent its last rate goes on, but no more of it than the scope has fallen
        since: where another source has taken over, or late estimates came, nothing is missing."""
        start_s = min(since_s for since_s, _ in silences)
        until_s = min(time_s, max(since_s for since_s, _ in silences) + self._params.carry_for_s)
        if until_s <= start_s:
            return start_s, start_s, 0.0
        missing = min(sum(rate for _, rate in silences), self._fallen(windows, scope, start_s, time_s))
        return start_s, until_s, max(0.0, missing)

    @staticmethod
    def _fallen(windows: Windows, scope: str, since_s: int, time_s: int) -> float:
        """By how many dollars an hour a scope spends less than in the minutes before `since_s`."""
        start_s = max(since_s, time_s - RECENT_S)
        now = windows.spent_nusd(scope, start_s, time_s) * HOUR_S / (time_s - start_s) / _NANO
        return _before_usd_per_hour(windows, scope, since_s) - now

    def _signal(self, name: str, source: Source, time_s: int) -> Signal:
        since_s = source.until_ms // 1000
        reason = metering_gap.reason(
            name,
            time_s - since_s,
            source.cadence_s,
            source.usd_per_hour,
            since_s + self._params.carry_for_s - time_s,
            source.most,
            source.count,
        )
        return blind.signal(
            source_scope(name),
            MeteringGap.name,
            time_s,
            since_s,
            firing=True,
            score=(time_s - since_s) / source.silent_after_s if source.silent_after_s else 1.0,
            usd_per_hour=source.usd_per_hour,
            reason=reason,
        )


def _before_usd_per_hour(windows: Windows, scope: str, since_s: int) -> float:
    return windows.spent_nusd(scope, since_s - RECENT_S, since_s) * HOUR_S / RECENT_S / _NANO


def held(source: str) -> str:
    """Why an alert is not told to be over."""
    return f"What this costs is not metered now: {source} has been silent, so nothing says that it is over."

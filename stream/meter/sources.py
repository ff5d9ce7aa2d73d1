"""Who sends: how often each source speaks, what it last cost an hour, and whether it has gone silent.

All here is about sources, not about money: no total depends on it. What happens for each estimate is one look
up and one note, most of the time not even that; the rest is done a commit, or when 5 minutes have passed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.late_source import LateSource
from detectors.lost_labels import LostLabels
from detectors.metering_gap import REMEMBERED, MeteringGap
from stream.meter.habits import Lag, Owned
from stream.meter.series import SeriesTable
from stream.meter.unit_prices import UnitPrices
from stream.schema.prices import Moved
from stream.schema.sources import Late, Lost, Source
from stream.schema.spend import DRIVER
from stream.schema.usage import FILE
from stream.scopes import BILLING, POLICY, TOTAL, partition_of
from stream.stage import StateRow

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PREFIX: Final = b"watched/"
# Each costs 1 kB, and 100 bytes a scope that it feeds. What is over it is not watched, and counted.
MOST_SOURCES: Final = 1_000
MOST_SCOPES: Final = 2_000  # of one source: those that it feeds most
MOST_SHOWN: Final = 3
WINDOW_MS: Final = 300_000
MINUTE_MS: Final = 60_000
NOTED_EVERY: Final = 5  # minutes
NOTED_MINUTES: Final = 2
# A log that was empty for so long has nothing left to read: from then on the clock says how late it is.
CAUGHT_UP_MS: Final = 5_000
_NOBODY: Final = -1
_NEVER: Final = 2**62
_NOT_WATCHED: Final = (f"{BILLING}=", f"{POLICY}=")
_HOUR_NUSD: Final = 3_600_000 / 1e9  # nano-dollars a millisecond -> dollars an hour


class _Watched(msgspec.Struct, array_like=True):
    """One source; its state row. `moved_ms` is when what arrived last moved its time on, to `until_ms`.

    `rates` are dollars an hour by scope over its last window, `most` the narrowest that it fed most."""

    name: str
    moved_ms: int
    until_ms: int
    gaps_ms: list[int]
    silent: bool = False
    usd_per_hour: float = 0.0
    rates: dict[str, float] = {}
    most: list[str] = []
    count: int = 0
    owned: Owned = msgspec.field(default_factory=Owned)
    lag: Lag = msgspec.field(default_factory=Lag)


class _Window:
    """What a source has spent, in nano-dollars, since its time was `begin_ms`."""

    def __init__(self, begin_ms: int) -> None:
        self.begin_ms = begin_ms
        self.total = 0.0
        self.unowned = 0.0
        self.lag_ms = _NEVER  # the least
        self.scopes: dict[str, float] = {}
        self.narrowest: dict[str, float] = {}


class Sources:
    """The sources of one usage partition."""

    def __init__(
        self,
        kind: MeteringGap,
        lags: LateSource,
        labels: LostLabels,
        prices: UnitPrices,
        table: SeriesTable,
        spend_partitions: int,
    ) -> None:
        self.unwatched = 0  # names that were too many, since the last commit
        self.moved: list[Moved] = []  # prices, since they were last taken
        self._kind = kind
        self._lags = lags
        self._labels = labels
        self._prices = prices
        self._table = table
        self._partitions = spend_partitions
        self._numbers: dict[str, int] = {}
        self._watched: dict[int, _Watched] = {}
        self._windows: dict[int, _Window] = {}
        self._gone: list[str] = []
        # By number; the last place takes what nobody in particular sent.
        self._heard_ms: Ints = np.full(MOST_SOURCES + 1, -1)
        self._until_ms: Ints = np.full(MOST_SOURCES + 1, -1)
        self._seen_ms: Ints = np.full(MOST_SOURCES + 1, -1)  # `until_ms` as of the last commit
        self._missed_ms: Ints = np.full(MOST_SOURCES + 1, _NEVER)  # how long each may be silent
        self._by_series: Ints = np.full(1024, _NOBODY)
        self._spent_nusd = np.zeros(1024)
        self._used = np.zeros(1024)
        self._noted_from = -1
        self._seldom: Bools = np.ones(MOST_SOURCES + 1, np.bool_)
        self._seldom[_NOBODY] = False
        self._gathered_ms = -1
        self._of_message: Ints = np.zeros(0, np.int64)
        self._scanned: tuple[list[str], Ints] = ([], np.zeros(0, np.int64))
        self._since_ms: int | None = None
        self._reached_ms = -1
        self._arrived_ms = -1
        self._quiet_since_ms: int | None = None
        self._turn = -1
        self._changed: list[int] = []

    # What the intake says, for each batch.

    def begin(self, messages: int) -> None:
        """A batch of so many messages is being read."""
        self._of_message = np.full(messages, _NOBODY)

    def spoke(self, message: int, source: str) -> None:
        """Who sent that message of the batch."""
        self._of_message[message] = self._number(source)

    def spoke_all(self, messages: Ints, numbers: Ints, names: list[str]) -> None:
        """The same of many: `numbers` index `names`, a list that only grows while it is the same one."""
        known, mine = self._scanned
        if names is not known or len(names) != len(mine):
            fresh = names[len(mine) :] if names is known else names
            found = np.array([self._number(name) for name in fresh], np.int64)
            mine = np.concatenate((mine, found)) if names is known else found
            self._scanned = names, mine
        self._of_message[messages] = mine[numbers]

    def sent(self, message: Ints, series: Ints, end_ms: Ints, times_ms: Ints) -> None:
        """The batch's estimates: from which message and of which series each is, and when it ends, -1 if that
        moves no time on; and when messages arrived."""
        room = len(self._by_series)
        most = int(series.max(initial=0)) + 2  # the last place is that of series -1
        if most > room:
            grown = max(2 * room, most)
            self._by_series = np.concatenate((self._by_series, np.full(grown - room, _NOBODY)))
            self._spent_nusd = np.concatenate((self._spent_nusd, np.zeros(grown - room)))
            self._used = np.concatenate((self._used, np.zeros(grown - room)))
        self._heard_ms[self._of_message] = times_ms
        if self._notes(int(times_ms[-1]) // MINUTE_MS):
            self._by_series[series] = self._of_message[message]
        # Of each message, the last one: what is collected together ends together.
        last = np.append(np.flatnonzero(message[1:] != message[:-1]), len(message) - 1)
        np.maximum.at(self._until_ms, self._of_message[message[last]], end_ms[last])
        self._arrived_ms = max(self._arrived_ms, int(times_ms.max(initial=-1)))

    def _notes(self, minute: int) -> bool:
        """Whether it is noted which source sends which series: in the first minutes, then one minute in five,
        and whenever one speaks that does so more seldom. That is enough, and costs a fifth."""
        if self._noted_from < 0:
            self._noted_from = minute
        first = minute - self._noted_from < NOTED_MINUTES
        return first or minute % NOTED_EVERY == 0 or bool(self._seldom[self._of_message].any())

    # What the ledger says, for each commit.

    def spent(self, series: Ints, cost_nusd: Ints, quantity: NDArray[np.float64]) -> None:
        """What groups of estimates cost, and used."""
        np.add.at(self._spent_nusd, series, cost_nusd)
        np.add.at(self._used, series, quantity)

    # What the meter asks, for each commit.

    def settle(self, now_ms: int, watermark_ms: int, moved: bool) -> list[list[Source]]:
        """What there is to say of sources, a list for each spend partition."""
        self._reach(now_ms, moved)
        told: dict[int, None] = {}
        for number in np.flatnonzero(self._until_ms[:-1] > self._seen_ms[:-1]).tolist():
            if self._moved_on(number):
                told[number] = None
        if watermark_ms // WINDOW_MS != self._turn and moved:
            self._turn = watermark_ms // WINDOW_MS
            told |= dict.fromkeys(self._turned(watermark_ms))
        for number in np.flatnonzero(self._reached_ms - self._heard_ms[:-1] > self._missed_ms[:-1]).tolist():
            if self._misses(number):
                told[number] = None
        self._changed = list(told)
        return self._words(told)

    def changes(self) -> Iterator[StateRow]:
        """State rows of what was told last."""
        for number in self._changed:
            if number in self._watched:
                watched = self._watched[number]
                yield StateRow(PREFIX + watched.name.encode(), msgspec.msgpack.encode(watched))
        for name in self._gone:
            if name not in self._numbers:
                yield StateRow(PREFIX + name.encode(), None)
        self._gone = []
        self._changed = []

    def restore(self, row: StateRow) -> None:
        if row.value is None or len(self._watched) >= MOST_SOURCES:
            return
        watched = msgspec.msgpack.decode(row.value, type=_Watched)
        number = self._number(watched.name)
        self._watched[number] = watched
        self._heard_ms[number] = watched.moved_ms
        self._until_ms[number] = self._seen_ms[number] = watched.until_ms
        self._learn(number)

    def forget_series(self) -> None:
        """The table is about to be cleared: its numbers mean nothing any more."""
        self._gather(None)
        self._prices.forget_series()
        self._noted_from = -1
        self._by_series[:] = _NOBODY
        self._scanned = ([], np.zeros(0, np.int64))

    def _number(self, name: str) -> int:
        if not name or name.startswith(FILE):
            return _NOBODY
        number = self._numbers.get(name)
        if number is None:
            if len(self._numbers) >= MOST_SOURCES:
                self.unwatched += 1
                return _NOBODY
            number = len(self._numbers)
            if number in self._numbers.values():
                taken = set(self._numbers.values())
                number = next(each for each in range(MOST_SOURCES) if each not in taken)
            self._numbers[name] = number
        return number

    def _reach(self, now_ms: int, moved: bool) -> None:
        """Up to when of the log's time everything has been read."""
        if moved:
            self._quiet_since_ms = None
            self._reached_ms = max(self._reached_ms, self._arrived_ms)
        elif self._quiet_since_ms is None:
            self._quiet_since_ms = now_ms
        elif now_ms - self._quiet_since_ms >= CAUGHT_UP_MS:
            self._reached_ms = max(self._reached_ms, now_ms)
        if self._since_ms is None and self._reached_ms >= 0:
            # Nobody could be heard while burnline was away, and who tries again does so after a while.
            self._since_ms = self._reached_ms
            for number, watched in self._watched.items():
                if not watched.silent:
                    self._heard_ms[number] = max(int(self._heard_ms[number]), self._since_ms)

    def _moved_on(self, number: int) -> bool:
        """Its time has moved on; tells whether it had been silent."""
        heard_ms, until_ms = int(self._heard_ms[number]), int(self._until_ms[number])
        self._seen_ms[number] = until_ms
        watched = self._watched.get(number)
        if watched is None:
            name = next(name for name, each in self._numbers.items() if each == number)
            self._watched[number] = _Watched(name, heard_ms, until_ms, [])
            return False
        was_silent, watched.silent = watched.silent, False
        if not was_silent and heard_ms > watched.moved_ms:
            watched.gaps_ms = [*watched.gaps_ms, heard_ms - watched.moved_ms][-REMEMBERED:]
        watched.moved_ms, watched.until_ms = heard_ms, until_ms
        if (window := self._windows.get(number)) is not None:
            window.lag_ms = min(window.lag_ms, max(0, heard_ms - until_ms))
        self._learn(number)
        return was_silent

    def _learn(self, number: int) -> None:
        watched = self._watched[number]
        after_s = self._kind.silent_after_s([gap_ms / 1000 for gap_ms in watched.gaps_ms])
        self._missed_ms[number] = _NEVER if after_s is None else int(after_s * 1000)
        self._seldom[number] = after_s is None or max(watched.gaps_ms) > MINUTE_MS // 2

    def _misses(self, number: int) -> bool:
        """It has been silent for too long; tells whether that is news."""
        watched = self._watched[number]
        params = self._kind.params
        silent_ms = self._reached_ms - int(self._heard_ms[number])
        if silent_ms > params.forget_after_s * 1000 + int(self._missed_ms[number]):
            self._forget(number)
            return watched.silent
        if watched.silent or watched.usd_per_hour < params.floor_usd_per_hour:
            return False
        watched.silent = True
        return True

    def _forget(self, number: int) -> None:
        watched = self._watched.pop(number)
        self._windows.pop(number, None)
        del self._numbers[watched.name]
        for column in (self._heard_ms, self._until_ms, self._seen_ms):
            column[number] = -1
        self._missed_ms[number] = _NEVER
        self._seldom[number] = True
        self._by_series[self._by_series == number] = _NOBODY
        self._scanned = ([], np.zeros(0, np.int64))
        self._gone.append(watched.name)

    def _turned(self, watermark_ms: int) -> Iterator[int]:
        """5 minutes have passed: work out what each source has cost an hour since its last window."""
        self._gather(watermark_ms)
        for number, watched in self._watched.items():
            window = self._windows.get(number)
            if window is None:
                self._windows[number] = _Window(watched.until_ms)
                continue
            lasted_ms = watched.until_ms - window.begin_ms
            if lasted_ms >= WINDOW_MS // 2:
                largest = sorted(window.scopes.items(), key=_most)[:MOST_SCOPES]
                watched.rates = {scope: nusd * _HOUR_NUSD / lasted_ms for scope, nusd in largest}
                watched.usd_per_hour = window.total * _HOUR_NUSD / lasted_ms
                unowned = window.unowned * _HOUR_NUSD / lasted_ms
                owned = watched.usd_per_hour - unowned
                from_s = window.begin_ms // 1000
                watched.owned.window(self._labels, owned, unowned, from_s, watched.most)
                watched.lag.window(self._lags, window.lag_ms / 1000, watched.usd_per_hour, from_s)
                narrowest = sorted(window.narrowest.items(), key=_most)
                watched.most = [scope for scope, _ in narrowest[:MOST_SHOWN]]
                watched.count = len(narrowest)
                self._windows[number] = _Window(watched.until_ms)
                yield number

    def _gather(self, watermark_ms: int | None) -> None:
        """Add what each series has spent to its source's window, and look at unit prices, where a window ends
        at `watermark_ms`."""
        series = np.flatnonzero(self._spent_nusd)
        nusd = self._spent_nusd[series]
        self._spent_nusd[series] = 0.0
        if watermark_ms is not None:
            if self._gathered_ms >= 0:
                used = self._used[series]
                self.moved += self._prices.turned(series, nusd, used, self._gathered_ms, watermark_ms)
            self._gathered_ms = watermark_ms
        self._used[:] = 0.0
        source = self._by_series[series]
        series, nusd, source = (column[source != _NOBODY] for column in (series, nusd, source))
        if not len(series):
            return
        key = self._table.attributed(series) * (MOST_SOURCES + 1) + source
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        for index, spent in zip(first.tolist(), np.bincount(place, nusd).tolist(), strict=True):
            window = self._windows.get(int(source[index]))
            if window is not None:
                found = self._table.series[int(series[index])].attribution
                window.total += spent
                window.unowned += spent if found.unmapped else 0.0
                narrowest = found.narrowest or TOTAL
                window.narrowest[narrowest] = window.narrowest.get(narrowest, 0.0) + spent
                for row in found.rows:
                    if row.role == DRIVER and not row.scope.startswith(_NOT_WATCHED):
                        window.scopes[row.scope] = window.scopes.get(row.scope, 0.0) + spent

    def _words(self, told: Iterable[int]) -> list[list[Source]]:
        words: list[list[Source]] = [[] for _ in range(self._partitions)]
        for number in told:
            watched = self._watched.get(number)
            if watched is None:
                continue
            after_ms = int(self._missed_ms[number])
            shares: list[list[tuple[str, float]]] = [[] for _ in words]
            for scope, rate in watched.rates.items():
                shares[partition_of(scope, self._partitions)].append((scope, rate))
            for partition, share in enumerate(shares):
                words[partition].append(
                    Source(
                        name=watched.name,
                        until_ms=watched.until_ms,
                        silent=watched.silent,
                        gone=False,
                        cadence_s=_median_s(watched.gaps_ms),
                        silent_after_s=0.0 if after_ms == _NEVER else after_ms / 1000,
                        usd_per_hour=watched.usd_per_hour,
                        most=watched.most,
                        count=watched.count,
                        rates=share,
                        lost=_lost(watched.owned),
                        late=_late(watched.lag),
                    )
                )
        for name in self._gone:
            for word in words:
                word.append(_gone(name))
        return words


def _gone(name: str) -> Source:
    return Source(
        name=name, until_ms=0, silent=False, gone=True, cadence_s=0.0, silent_after_s=0.0, usd_per_hour=0.0,
        most=[], count=0, rates=[],
    )  # fmt: skip


def _lost(owned: Owned) -> Lost | None:
    if not owned.lost:
        return None
    return Lost(
        usual_owned=owned.usual_owned, usual_unowned=owned.usual_unowned, owned=owned.owned,
        unowned=owned.unowned, since_s=owned.since_s, fed=owned.fed,
    )  # fmt: skip


def _late(lag: Lag) -> Late | None:
    return Late(usual_s=lag.usual_s, lag_s=lag.lag_s, since_s=lag.since_s) if lag.late else None


def _most(item: tuple[str, float]) -> tuple[float, str]:
    return -item[1], item[0]


def _median_s(gaps_ms: Sequence[int]) -> float:
    return float(np.median(gaps_ms)) / 1000 if gaps_ms else 0.0

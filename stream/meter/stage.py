"""The meter: raw estimates in, money per scope and bucket out.

decode -> price -> attribute -> spread -> combine, over columns. One instance per partition of `usage`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from detectors.late_source import LateSource
from detectors.lost_labels import LostLabels
from detectors.metering_gap import MeteringGap
from detectors.price_change import PriceChange
from detectors.registry import settings_of
from stream.config import Config
from stream.meter.attribute import Attributor
from stream.meter.calibrate import Factors
from stream.meter.columns import Pack
from stream.meter.counters import Counters
from stream.meter.intake import Intake
from stream.meter.ledger import Ledger
from stream.meter.price import PriceBook
from stream.meter.sequence import PREFIX, Sequences
from stream.meter.series import SeriesTable
from stream.meter.sources import PREFIX as WATCHED
from stream.meter.sources import Sources
from stream.meter.unit_prices import ROW as PRICES
from stream.meter.unit_prices import UnitPrices
from stream.schema import dead_letters, spend, topics
from stream.schema.prices import Moved
from stream.schema.sources import Source
from stream.scopes import partition_of, price_scope
from stream.stage import Batch, Commit, Output, StateRow

HEARTBEAT_MS: Final = 1000
COUNTERS: Final = b"counters"  # key of the row that holds them, JSON
_PLACE: Final = b"place"


def attributor_of(config: Config) -> Attributor:
    return Attributor(
        config.scopes, config.owners, config.owner_label, config.meter.max_label_sets, config.policies
    )


class Meter:
    """A stage over one partition of `usage`; `prices` is the book for estimates without a cost.

    Meters of one configuration may share an `attributor`: what it remembers depends on nothing else.
    """

    def __init__(
        self,
        partition: int,
        config: Config,
        spend_partitions: int,
        prices: PriceBook,
        attributor: Attributor | None = None,
    ) -> None:
        self.partition = partition
        self._spend_partitions = spend_partitions
        self._factors = Factors()
        self._table = SeriesTable(
            attributor or attributor_of(config),
            prices,
            self._factors,
            config.meter.max_label_sets,
            spend_partitions,
        )
        self._sequences = Sequences()
        gap = MeteringGap(settings_of(MeteringGap, config.detectors))
        late = LateSource(settings_of(LateSource, config.detectors))
        lost = LostLabels(settings_of(LostLabels, config.detectors))
        moved = PriceChange(settings_of(PriceChange, config.detectors))
        self._prices = UnitPrices(moved, self._table)
        self._sources = Sources(gap, late, lost, self._prices, self._table, spend_partitions)
        self._intake = Intake(config.meter, self._table, self._sequences, self._sources)
        self._ledger = Ledger(self._table, self._factors, self._sources)
        self._previous = 0
        self._position = 0
        self._moved = False
        self._beat_ms: int | None = None

    @property
    def counters(self) -> Counters:
        return self._intake.counters

    @property
    def watermark_ms(self) -> int:
        """The newest time up to which this partition has seen estimates; -1 before the first."""
        return self._intake.watermark_ms

    def calibrate(self, value: bytes) -> str | None:
        """Take one `calibrations` record; estimates that follow use it. Returns why it was ignored."""
        return self._factors.update(value)

    def restore(self, rows: Iterable[StateRow]) -> None:
        for row in rows:
            if row.value is None:
                continue
            if row.key.startswith(PREFIX):
                self._sequences.restore(row)
            elif row.key.startswith(WATCHED):
                self._sources.restore(row)
            elif row.key == PRICES:
                self._prices.restore(row.value)
            elif row.key == COUNTERS:
                self._intake.counters = msgspec.json.decode(row.value, type=Counters)
            elif row.key == _PLACE:
                kept = tuple[int, int, list[int]]
                watermark_ms, self._position, rest_ausd = msgspec.json.decode(row.value, type=kept)
                self._intake.watermark_ms, self._previous = watermark_ms, self._position
                self._ledger.rest_ausd = rest_ausd

    def take(self, batch: Batch) -> None:
        self._intake.take(batch)
        self._position = batch.next_offset
        self._moved = True

    def refuse(self, batch: Batch, detail: str) -> None:
        """Make dead letters of rows that a file reader could not read; they count as rejected."""
        self._intake.refuse(batch, detail)
        self._moved = True

    def commit(self, now_ms: int) -> Commit:
        """Price, spread and combine what was taken. Without input, a heartbeat once a second."""
        if not self._moved and self._beat_ms is not None and now_ms - self._beat_ms < HEARTBEAT_MS:
            return Commit()
        self._beat_ms = now_ms
        packs = self._intake.packs
        rows = None
        if packs:
            rows = self._ledger.book(Pack.joined(packs), self.watermark_ms, self.counters)
        words = self._sources.settle(now_ms, self.watermark_ms, self._moved)
        moved, self._sources.moved = self._sources.moved, []
        commit = Commit(outputs=self._records(rows, words, moved, now_ms))
        for letter in self._intake.letters:
            key = f"{letter.topic}/{letter.partition}".encode()
            commit.outputs.append(Output(topics.DEAD_LETTERS, key, dead_letters.encode(letter), 0))
        if self._moved:
            commit.positions = {(topics.USAGE, self.partition): self._position}
            place = self.watermark_ms, self._position, self._ledger.rest_ausd
            commit.state = [
                *self._sequences.changes(),
                StateRow(COUNTERS, msgspec.json.encode(self.counters)),
                StateRow(_PLACE, msgspec.json.encode(place)),
            ]
        commit.state += [*self._sources.changes(), *self._prices.changes()]
        self._previous = self._position
        self._moved = False
        self._intake.clear()
        if self._table.full:
            self._sources.forget_series()
            self._table.clear()
            self._intake.forget()
        return commit

    def _records(
        self, rows: spend.Rows | None, words: list[list[Source]], moved: list[Moved], now_ms: int
    ) -> list[Output]:
        """One record to every spend partition, also where it has no rows: it carries the watermark."""
        empty = np.zeros(0, np.int64)
        nothing = spend.Rows([], empty, empty, empty, empty, empty.astype(float), empty)
        shares = [nothing] * self._spend_partitions
        if rows is not None:
            begin = np.flatnonzero(np.diff(rows.key, prepend=-1))  # rows come in order of name
            length = np.diff(begin, append=len(rows.key))
            names = rows.key[begin]
            home = self._table.homes[names]
            for partition in range(self._spend_partitions):
                mine = np.flatnonzero(home == partition)
                key = np.repeat(np.arange(len(mine)), length[mine])
                skipped = begin[mine] - (np.cumsum(length[mine]) - length[mine])
                take = np.arange(len(key)) + skipped[key]
                shares[partition] = spend.Rows(
                    [rows.names[number] for number in names[mine].tolist()],
                    key,
                    rows.width[take],
                    rows.bucket[take],
                    rows.cost_nusd[take],
                    rows.quantity[take],
                    rows.count[take],
                )
        prices: list[list[Moved]] = [[] for _ in shares]
        for each in moved:
            scope = price_scope(each.provider, each.region, each.driver, each.sku)
            prices[partition_of(scope, self._spend_partitions)].append(each)
        return [
            Output(
                topics.SPEND,
                None,
                spend.encode(
                    spend.Spend(
                        self.partition,
                        self._previous,
                        self._position,
                        self.watermark_ms,
                        now_ms,
                        share,
                        said,
                        told,
                    )
                ),
                partition,
            )
            for partition, (share, said, told) in enumerate(zip(shares, words, prices, strict=True))
        ]

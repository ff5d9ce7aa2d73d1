"""The meter: raw estimates in, money per scope and bucket out.

decode -> price -> attribute -> spread -> combine, over columns. One instance per partition of `usage`.
"""

from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.config import Config
from stream.meter.attribute import Attributor
from stream.meter.calibrate import Factors
from stream.meter.combine import group
from stream.meter.counters import Counters
from stream.meter.intake import Intake, Pack
from stream.meter.money import NANO, multiply
from stream.meter.price import PriceBook
from stream.meter.sequence import PREFIX, Sequences
from stream.meter.series import ACCEPTED, UNOWNED, SeriesTable
from stream.meter.spread import spread, whole_bucket
from stream.schema import dead_letters, spend, topics
from stream.stage import Batch, Commit, Output, StateRow

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HEARTBEAT_MS: Final = 1000
_ROLES: Final = 3  # which list of names a group adds to: without a price, with one, or only a remark
_NOTE: Final = 2
COUNTERS: Final = b"counters"  # key of the row that holds them, JSON
_PLACE: Final = b"place"


class Meter:
    """A stage over one partition of `usage`; `prices` is the book for estimates without a cost."""

    def __init__(self, partition: int, config: Config, spend_partitions: int, prices: PriceBook) -> None:
        self.partition = partition
        self._spend_partitions = spend_partitions
        self._factors = Factors()
        attributor = Attributor(config.scopes, config.owners, config.owner_label)
        self._table = SeriesTable(
            attributor, prices, self._factors, config.meter.max_label_sets, spend_partitions
        )
        self._sequences = Sequences()
        self._intake = Intake(config.meter, self._table, self._sequences)
        self._rest_ausd = [0, 0]
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
            elif row.key == COUNTERS:
                self._intake.counters = msgspec.json.decode(row.value, type=Counters)
            elif row.key == _PLACE:
                kept = tuple[int, int, list[int]]
                watermark_ms, self._position, self._rest_ausd = msgspec.json.decode(row.value, type=kept)
                self._intake.watermark_ms, self._previous = watermark_ms, self._position

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
        commit = Commit(outputs=self._records(self._combined(), now_ms))
        for letter in self._intake.letters:
            key = f"{letter.topic}/{letter.partition}".encode()
            commit.outputs.append(Output(topics.DEAD_LETTERS, key, dead_letters.encode(letter), 0))
        if self._moved:
            commit.positions = {(topics.USAGE, self.partition): self._position}
            commit.state = [
                *self._sequences.changes(),
                StateRow(COUNTERS, msgspec.json.encode(self.counters)),
                StateRow(_PLACE, msgspec.json.encode((self.watermark_ms, self._position, self._rest_ausd))),
            ]
        self._previous = self._position
        self._moved = False
        self._intake.clear()
        if self._table.full:
            self._table.clear()
        return commit

    def _combined(self) -> spend.Rows | None:
        """Everything taken since the last commit as one row per name, width and bucket."""
        packs = self._intake.packs
        if not packs:
            return None
        pack = Pack(*(np.concatenate([getattr(pack, name) for pack in packs]) for name in Pack.__slots__))
        # Quantities are added up before they are priced, and each sum is rounded once.
        whole_start, whole_end = whole_bucket(pack.start, pack.end)
        order, first = group(pack.series, pack.duplicate, pack.has_cost, pack.late, whole_start, whole_end)
        series, start, end = pack.series[order][first], whole_start[order][first], whole_end[order][first]
        duplicate, has_cost = pack.duplicate[order][first], pack.has_cost[order][first]
        late = pack.late[order][first]
        count = np.diff(np.append(first, len(order)))
        quantity = np.add.reduceat(pack.quantity[order], first)
        whole = pack.cost_nusd + self._carry(pack.rest_ausd, pack.duplicate)
        cost = np.add.reduceat(whole[order], first)
        priced = self._price(series, start, quantity, has_cost == 1, cost)
        uncalibrated = cost.copy()
        self._calibrate(series, cost)
        self._count(series, cost, count, duplicate == 1, late == 1, priced)
        keep = duplicate == 0
        if not keep.any():
            return None
        columns = (series, start, end, cost, cost - uncalibrated, quantity, count, priced.astype(np.int64))
        return self._attribute(*(column[keep] for column in columns))

    def _carry(self, rest_ausd: Ints, duplicate: Ints) -> Ints:
        """Whole nano-dollars out of what costs have below one. What is left over waits for the next:
        the total is the exact sum rounded once, however many rows it came in. In order of arrival, so that
        neither batches nor restarts change which estimate gets the nano-dollar."""
        whole = np.zeros(len(rest_ausd), np.int64)
        if not rest_ausd.any():
            return whole
        for repeat in (0, 1):
            mine = duplicate == repeat
            running = np.cumsum(rest_ausd[mine]) + self._rest_ausd[repeat]
            if len(running):
                rounded = (running + NANO // 2) // NANO
                whole[mine] = np.diff(rounded, prepend=0)
                self._rest_ausd[repeat] = int(running[-1] - rounded[-1] * NANO)
        return whole

    def _price(
        self, series: Ints, start: Ints, quantity: Floats, has_cost: NDArray[np.bool_], cost: Ints
    ) -> NDArray[np.bool_]:
        """Fill in `cost` where none was sent; tells which groups have one in the end."""
        missing = np.flatnonzero(~has_cost)
        prices = self._table.prices(series[missing], start[missing])
        known = ~np.isnan(prices)
        to_price = missing[known]

        def exact(index: int) -> Fraction:
            member = int(to_price[index])
            return self._table.price(int(series[member]), int(start[member])) or Fraction(0)

        cost[to_price] = multiply(quantity[to_price], prices[known], exact)
        priced = has_cost.copy()
        priced[to_price] = True
        return priced

    def _calibrate(self, series: Ints, cost: Ints) -> None:
        if self._factors:
            for number in np.unique(series):
                factor = self._table.factor(int(number))
                if factor != 1:
                    members = np.flatnonzero(series == number)
                    cost[members] = multiply(cost[members], float(factor), partial(_same, factor))

    def _count(
        self,
        series: Ints,
        cost: Ints,
        count: Ints,
        duplicate: NDArray[np.bool_],
        late: NDArray[np.bool_],
        priced: NDArray[np.bool_],
    ) -> None:
        """The intake counted the events sent; their dollars are known only now."""
        counters = self.counters
        counters.sent_nusd += int(cost.sum())
        counters.duplicate_events += int(count[duplicate].sum())
        counters.duplicate_nusd += int(cost[duplicate].sum())
        counters.late_events += int(count[late & ~duplicate].sum())
        counters.late_nusd += int(cost[late & ~duplicate].sum())
        counters.unpriced_events += int(count[~priced & ~duplicate].sum())

    def _attribute(
        self,
        series: Ints,
        start: Ints,
        end: Ints,
        cost: Ints,
        calibrated: Ints,
        quantity: Floats,
        count: Ints,
        priced: Ints,
    ) -> spend.Rows:
        """Add each span to every scope it belongs to, then spread what has come together.

        In this order, because the estimates of one collection share their span: thousands of pods are
        a few hundred names before any of them is cut into buckets.
        """
        columns = self._fan_out(series * _ROLES + priced, start, end, cost, quantity, count)
        noted = np.flatnonzero(calibrated)
        if len(noted):
            kind = series[noted] * _ROLES + _NOTE
            nothing = np.zeros(len(noted), np.int64)
            notes = self._fan_out(
                kind, start[noted], end[noted], calibrated[noted], nothing.astype(np.float64), nothing
            )
            columns = [np.concatenate(pair) for pair in zip(columns, notes, strict=True)]
        key, start, end, cost, quantity, count = columns
        order, first = group(key, start, end)
        key, start, end = key[order][first], start[order][first], end[order][first]
        cost = np.add.reduceat(cost[order], first)
        quantity = np.add.reduceat(quantity[order], first)
        count = np.add.reduceat(count[order], first)
        parts = spread(start, end, cost, quantity, self.watermark_ms)
        counted = np.where(parts.first, count[parts.span], 0)
        key = key[parts.span]
        order, first = group(key, parts.width, parts.bucket)
        rows = spend.Rows(
            names=self._table.names,
            key=key[order][first],
            width=parts.width[order][first],
            bucket=parts.bucket[order][first],
            cost_nusd=np.add.reduceat(parts.cost_nusd[order], first),
            quantity=np.add.reduceat(parts.quantity[order], first),
            count=np.add.reduceat(counted[order], first),
        )
        self._count_accepted(rows)
        return rows

    def _fan_out(
        self, kind: Ints, start: Ints, end: Ints, cost: Ints, quantity: Floats, count: Ints
    ) -> list[NDArray[Any]]:
        """Columns name, start, end, cost, quantity, count: one row for each name a group adds to. A
        kind is a series and which of its lists of names is meant."""
        distinct, inverse = np.unique(kind, return_inverse=True)
        members = [self._table.names_of(int(number) // _ROLES, int(number) % _ROLES) for number in distinct]
        each = np.array([len(names) for names in members], np.int64)
        length = each[inverse]
        within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
        name = np.concatenate(members)[np.repeat((np.cumsum(each) - each)[inverse], length) + within]
        again = np.repeat(np.arange(len(kind)), length)
        return [name, start[again], end[again], cost[again], quantity[again], count[again]]

    def _count_accepted(self, rows: spend.Rows) -> None:
        """By the rows that leave: every accepted estimate adds to `total`, once, under its driver."""
        counted = np.array(self._table.counted)[rows.key]
        accepted = counted == ACCEPTED
        self.counters.accepted_nusd += int(rows.cost_nusd[accepted].sum())
        self.counters.accepted_events += int(rows.count[accepted].sum())
        self.counters.unmapped_nusd += int(rows.cost_nusd[counted == UNOWNED].sum())

    def _records(self, rows: spend.Rows | None, now_ms: int) -> list[Output]:
        """One record to every spend partition, also where it has no rows: it carries the watermark."""
        empty = np.zeros(0, np.int64)
        nothing = spend.Rows([], empty, empty, empty, empty, empty.astype(float), empty)
        shares = [nothing] * self._spend_partitions
        if rows is not None:
            distinct, inverse = np.unique(rows.key, return_inverse=True)
            names = [rows.names[number] for number in distinct]
            home = np.array(self._table.homes)[distinct]
            for partition in range(self._spend_partitions):
                mine = np.flatnonzero(home == partition)
                position = np.cumsum(home == partition) - 1
                mask = home[inverse] == partition
                shares[partition] = spend.Rows(
                    [names[number] for number in mine],
                    position[inverse][mask],
                    rows.width[mask],
                    rows.bucket[mask],
                    rows.cost_nusd[mask],
                    rows.quantity[mask],
                    rows.count[mask],
                )
        return [
            Output(
                topics.SPEND,
                None,
                spend.encode(
                    spend.Spend(
                        self.partition, self._previous, self._position, self.watermark_ms, now_ms, share
                    )
                ),
                partition,
            )
            for partition, share in enumerate(shares)
        ]


def _same(factor: Fraction, index: int) -> Fraction:
    return factor

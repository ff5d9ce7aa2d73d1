"""Everything taken since the last commit, as one row per name, width and bucket."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream.meter.calibrate import Factors
from stream.meter.columns import DUPLICATE, HAS_COST, LATE, Pack
from stream.meter.combine import add_up
from stream.meter.counters import Counters
from stream.meter.money import NANO, multiply
from stream.meter.series import ACCEPTED, NOTE, UNOWNED, SeriesTable
from stream.meter.sources import Sources
from stream.meter.spread import FINE_MS, Parts, cut_short, spread, whole_bucket
from stream.schema.spend import WIDTHS_S, Rows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Column = NDArray[Any]
_Columns = tuple[Ints, Ints, Ints, Ints, Floats, Ints]  # name, width, bucket, cost, quantity, count

_FINE_S: Final = WIDTHS_S[0]


class Ledger:
    """Prices, calibrates, attributes, spreads and adds up.

    `rest_ausd` (1e-18 USD) is what costs had below a nano-dollar and what is not booked yet: of estimates
    that were new, and of those that came twice.
    """

    def __init__(self, table: SeriesTable, factors: Factors, sources: Sources) -> None:
        self.rest_ausd = [0, 0]
        self._sources = sources
        self._table = table
        self._factors = factors

    def book(self, pack: Pack, watermark_ms: int, counters: Counters) -> Rows | None:
        """The rows that these estimates add to `spend`, in order of name; `counters` count them besides.

        A short span is cut before it is added to its scopes. A long one is first added to the scopes it
        belongs to, since the estimates of one collection share their span: thousands of pods are a few
        hundred names before any of them is cut into many buckets. What must be priced first is not cut
        before: quantities are added up, and each sum is rounded once.
        """
        cost_nusd = pack.cost_nusd + self._carry(pack.rest_ausd, pack.flags & DUPLICATE != 0)
        has_cost = pack.flags & HAS_COST != 0
        short, long = cut_short(pack.start, pack.end, cost_nusd, pack.quantity, has_cost, watermark_ms)
        found = self._short(pack, short, counters)
        if len(long):
            cut_late = self._long(pack, long, cost_nusd, watermark_ms, counters)
            both = [columns for columns in (found, cut_late) if columns is not None]
            found = _met(both) if both else None
        if found is None:
            return None
        rows = Rows(self._table.names, *found)
        self._count_accepted(rows, counters)
        return rows

    def _short(self, pack: Pack, short: Parts, counters: Counters) -> _Columns | None:
        if not len(short.span):
            return None
        added = self._add_up(
            [pack.series[short.span], pack.flags[short.span], short.bucket],
            [short.cost_nusd, short.quantity, short.first.astype(np.int64)],
            FINE_MS,
            counters,
        )
        if added is None:
            return None
        (name, bucket), (cost, quantity, count) = added
        return name, np.full(len(name), _FINE_S, np.int64), bucket, cost, quantity, count

    def _long(
        self, pack: Pack, long: Ints, cost_nusd: Ints, watermark_ms: int, counters: Counters
    ) -> _Columns | None:
        start, end = whole_bucket(pack.start[long], pack.end[long])
        added = self._add_up(
            [pack.series[long], pack.flags[long], start, end],
            [cost_nusd[long], pack.quantity[long], np.ones(len(long), np.int64)],
            1,
            counters,
        )
        if added is None:
            return None
        (name, start, end), (cost, quantity, count) = added
        parts = spread(start, end, cost, quantity, watermark_ms)
        counted = np.where(parts.first, count[parts.span], 0)
        return name[parts.span], parts.width, parts.bucket, parts.cost_nusd, parts.quantity, counted

    def _add_up(
        self, keys: Sequence[Ints], sums: Sequence[Column], unit_ms: int, counters: Counters
    ) -> tuple[list[Ints], list[Column]] | None:
        """From columns series, flags and times (in `unit_ms`) to names and times, with cost, quantity and
        count added up. None where all of it came twice."""
        (series, flags, *times), (cost, quantity, count) = add_up(keys, sums)
        priced = self._price(series, times[0] * unit_ms, quantity, flags & HAS_COST != 0, cost)
        fresh = flags & DUPLICATE == 0
        self._sources.spent(series, cost * fresh, quantity * fresh)
        change = self._calibrate(series, cost)
        _count(flags, cost, count, priced, counters)
        keep = flags & DUPLICATE == 0
        if not keep.any():
            return None
        lists = self._table.lists(series, priced.astype(np.int64))
        columns = [column[keep] for column in (lists, *times, cost, quantity, count)]
        noted = keep & (change != 0)
        if noted.any():
            nothing = np.zeros(int(noted.sum()), np.int64)
            notes = [self._table.lists(series, NOTE)[noted], *(time[noted] for time in times)]
            more = [*notes, change[noted], nothing.astype(np.float64), nothing]
            columns = [np.concatenate(pair) for pair in zip(columns, more, strict=True)]
        return self._fan_out(columns[:-3], columns[-3:])

    def _fan_out(self, keys: Sequence[Ints], sums: Sequence[Column]) -> tuple[list[Ints], list[Column]]:
        """From lists of names to names."""
        (lists, *times), sums = add_up(keys, sums)
        row, name = self._table.targets.fan_out(lists)
        return add_up([name, *(time[row] for time in times)], [column[row] for column in sums])

    def _carry(self, rest_ausd: Ints, duplicate: Bools) -> Ints:
        """Whole nano-dollars out of what costs have below one. What is left over waits for the next:
        the total is the exact sum rounded once, however many rows it came in. In order of arrival, so that
        neither batches nor restarts change which estimate gets the nano-dollar."""
        whole = np.zeros(len(rest_ausd), np.int64)
        if not rest_ausd.any():
            return whole
        for repeat in (False, True):
            mine = duplicate == repeat
            running = np.cumsum(rest_ausd[mine]) + self.rest_ausd[repeat]
            if len(running):
                rounded = (running + NANO // 2) // NANO
                whole[mine] = np.diff(rounded, prepend=0)
                self.rest_ausd[repeat] = int(running[-1] - rounded[-1] * NANO)
        return whole

    def _price(self, series: Ints, start_ms: Ints, quantity: Floats, has_cost: Bools, cost: Ints) -> Bools:
        """Fill in `cost` where none was sent; tells which groups have one in the end."""
        missing = np.flatnonzero(~has_cost)
        if not len(missing):
            return has_cost
        prices = self._table.prices(series[missing], start_ms[missing])
        known = ~np.isnan(prices)
        to_price = missing[known]

        def exact(index: int) -> Fraction:
            member = int(to_price[index])
            return self._table.price(int(series[member]), int(start_ms[member])) or Fraction(0)

        cost[to_price] = multiply(quantity[to_price], prices[known], exact)
        priced = has_cost.copy()
        priced[to_price] = True
        return priced

    def _calibrate(self, series: Ints, cost: Ints) -> Ints:
        """Multiply `cost` with what invoices have said; returns by how much that changed it."""
        before = cost.copy()
        if self._factors:
            numbers, inverse = np.unique(series, return_inverse=True)
            factors = [self._table.factor(number) for number in numbers.tolist()]
            for factor in dict.fromkeys(factors):
                if factor != 1:
                    has = np.array([each == factor for each in factors])
                    members = np.flatnonzero(has[inverse])
                    cost[members] = multiply(cost[members], float(factor), partial(_same, factor))
        return cost - before

    def _count_accepted(self, rows: Rows, counters: Counters) -> None:
        """By the rows that leave: every accepted estimate adds to `total`, once, under its driver."""
        counted = np.array(self._table.counted)[rows.key]
        accepted = counted == ACCEPTED
        counters.accepted_nusd += int(rows.cost_nusd[accepted].sum())
        counters.accepted_events += int(rows.count[accepted].sum())
        counters.unmapped_nusd += int(rows.cost_nusd[counted == UNOWNED].sum())


def _met(parts: Sequence[_Columns]) -> _Columns:
    """Spans of different lengths meet in a bucket."""
    columns = [np.concatenate([part[at] for part in parts]) for at in range(6)]
    (name, width, bucket), (cost, quantity, count) = add_up(columns[:3], columns[3:])
    return name, width, bucket, cost, quantity, count


def _count(flags: Ints, cost: Ints, count: Ints, priced: Bools, counters: Counters) -> None:
    """The intake counted the events sent; their dollars are known only now."""
    duplicate = flags & DUPLICATE != 0
    late = (flags & LATE != 0) & ~duplicate
    counters.sent_nusd += int(cost.sum())
    counters.duplicate_events += int(count[duplicate].sum())
    counters.duplicate_nusd += int(cost[duplicate].sum())
    counters.late_events += int(count[late].sum())
    counters.late_nusd += int(cost[late].sum())
    counters.unpriced_events += int(count[~priced & ~duplicate].sum())


def _same(factor: Fraction, index: int) -> Fraction:
    return factor

"""One file being read: its rows, counted, become charges, and these become messages."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from stream.collect.inputfile import InputFile, Row, Table
from stream.collect.packing import Packer, in_order_of_end
from stream.collect.reader import (
    LONGEST_CHARGE_MS,
    LONGEST_PIECE_MS,
    ROW_LIMIT,
    Charge,
    Excluded,
    Format,
    Item,
    Options,
    Rejected,
    Tally,
    UsageMessage,
)
from stream.collect.values import COST_LIMIT_USD, EXACT, number, plain
from stream.errors import UserError
from stream.schema import usage

# The meter's limits on a label set.
LABELS_A_ROW: Final = 64
LABEL_NAME_CHARS: Final = 128
LABEL_VALUE_CHARS: Final = 1024
NAMES_LIMIT_CHARS: Final = 1_000


class Reading(Tally):
    """Iterate once; the counters of `Tally` and `bytes_read` hold at every moment.

    The same file with the same options gives the same messages. Errors: `UserError` for the file itself
    (not found, damaged, no rows, wrong columns); what is wrong with a row comes out as `Rejected`.
    """

    def __init__(self, path: Path, file_format: Format, options: Options) -> None:
        super().__init__()
        self.path = path
        self.format = file_format
        self.options = options
        self.source = f"{usage.FILE}{path.name}"
        self.file = InputFile(path)
        self.first_rejected: Rejected | None = None
        self._label_sets: dict[bytes, msgspec.Raw] = {}
        piece_ms = options.piece_s * 1000 if options.piece_s else file_format.piece_ms
        self._piece_ms = min(piece_ms, LONGEST_PIECE_MS)

    @property
    def size_bytes(self) -> int:
        return self.file.size_bytes

    @property
    def bytes_read(self) -> int:
        """Bytes of the file as stored. A sorted file is read to its end before its first message."""
        return self.file.bytes_read

    def __iter__(self) -> Iterator[Item]:
        with self.file:
            for item in self._packed() if self.format.arrival_order else self._sorted():
                self._count(item)
                yield item
        if self.rows == 0:
            raise UserError(f"{self.path.name} has no rows: there is nothing to replay.")

    def _count(self, item: Item) -> None:
        if isinstance(item, UsageMessage):
            self.messages += 1
        elif isinstance(item, Rejected):
            self.rejected += 1
            self.first_rejected = self.first_rejected or item
        else:
            self.excluded[item.reason] += 1

    def _sorted(self) -> Iterator[Item]:
        held: list[Charge] = []
        for item in self.format.read(self):
            if not isinstance(item, Charge):
                yield item
            else:
                held.append(item)
        packer = Packer(self.source, self)
        for piece in in_order_of_end(held, self._piece_ms):
            yield from packer.add(piece)
        yield from packer.flush()

    def _packed(self) -> Iterator[Item]:
        packer = Packer(self.source, self)
        for item in self.format.read(self):
            if isinstance(item, Charge):
                yield from packer.add(item)
            else:
                yield item
        yield from packer.flush()

    # What the readers of a format use.

    def table(self, needed: frozenset[str], nulls: frozenset[str]) -> Table:
        table = Table(self.file, nulls)
        table.require(needed, self.format.name)
        return table

    def charges(self, table: Table, to_charge: Callable[[Row], Charge | Excluded]) -> Iterator[Charge | Item]:
        """A charge for each row of the table; `ValueError` of `to_charge` is the reason of a rejection."""
        for row in self.rows_of(table):
            yield row if isinstance(row, Rejected) else self.charge_of(row, to_charge)

    def charge_of(self, row: Row, to_charge: Callable[[Row], Charge | Excluded]) -> Charge | Item:
        try:
            charge = to_charge(row)
            if isinstance(charge, Charge):
                self._accept(charge)
        except ValueError as error:
            return row.rejected(str(error))
        return charge

    def rows_of(self, table: Table) -> Iterator[Row | Rejected]:
        """The rows of the table, counted."""
        for row in table:
            self.rows += 1
            if self.rows > ROW_LIMIT and not self.format.arrival_order:
                raise UserError(f"{self.path.name} has over {ROW_LIMIT:,} rows. Split it by day or month.")
            yield row

    def labels(self, labels: Mapping[str, str | None]) -> msgspec.Raw:
        """The JSON of a label set without its nulls; equal sets share one object.

        What the meter would not take is cut off: a label too long must not cost its row.
        """
        given = {name: value for name, value in labels.items() if value is not None}
        kept = {
            name[:LABEL_NAME_CHARS]: value[:LABEL_VALUE_CHARS]
            for name, value in islice(given.items(), LABELS_A_ROW)
        }
        if kept != given:
            self.notes["labels too long or too many, cut"] += 1
        encoded = msgspec.json.encode(kept)
        return self._label_sets.setdefault(encoded, msgspec.Raw(encoded))

    def quantity(self, text: str | None, column: str) -> Decimal | None:
        """A quantity; a negative one (a correction) is left out, its cost counts all the same."""
        if text is None:
            return None
        quantity = number(text, column)
        if quantity < 0:
            self.notes["negative quantity left out, its cost kept"] += 1
            return None
        return quantity

    def cost_usd(self, text: str, column: str, currency: str | None) -> str:
        """The cost as decimal text in USD: as it stands, or times the exchange rate, exactly."""
        text = plain(text, column)
        cost = Decimal(text)
        currency = (currency or self.options.currency or "").upper()
        if not currency:
            raise ValueError("no currency is named: give the option `currency`")
        self.native[currency] = EXACT.add(self.native.get(currency, Decimal(0)), cost)
        if currency != "USD":
            rate = self.options.fx.get(currency)
            if rate is None:
                raise ValueError(f"currency {currency} is not USD: give an exchange rate (option `fx`)")
            cost = EXACT.multiply(cost, rate)
            text = str(cost)
            self.notes[f"{currency} taken as {rate} USD"] += 1
        if abs(cost) > COST_LIMIT_USD:
            raise ValueError(f"{column} is {text[:40]} USD, over the limit of {COST_LIMIT_USD:,}")
        return text

    def _accept(self, charge: Charge) -> None:
        span_ms = charge.end_ms - charge.start_ms
        if span_ms < 0:
            raise ValueError("it ends before it starts")
        if span_ms > LONGEST_CHARGE_MS:
            raise ValueError("it lasts longer than 10 years")
        if self.format.arrival_order and span_ms > LONGEST_PIECE_MS:
            raise ValueError("it lasts longer than 31 days")
        for meter in charge.meters:
            if len(meter.driver) + len(meter.sku or "") > NAMES_LIMIT_CHARS:
                raise ValueError(f"its unit and SKU are over {NAMES_LIMIT_CHARS:,} characters")
            if meter.cost_usd is not None:
                self.accepted_usd = EXACT.add(self.accepted_usd, Decimal(meter.cost_usd))

    @contextmanager
    def beside(self, path: Path, needed: frozenset[str]) -> Iterator[Table]:
        """A second file that belongs to this one."""
        with InputFile(path) as file:
            table = Table(file, frozenset({""}))
            table.require(needed, self.format.name)
            yield table

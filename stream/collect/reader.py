"""Reading real usage and billing files: what a reader of a format is, and what comes out of a file.

A file becomes one ordered iterator of items (`Reading`):

- `UsageMessage`: one message in the native `usage` format, as a producer would have sent it;
- `Rejected`: a row that cannot be read, with the reason and its bytes. It is never dropped silently;
- `Excluded`: a row that by rule costs nothing (a pod that was never scheduled), with the reason.

So rows = accepted + rejected + excluded, and `Reading` counts them. Money never passes through a float:
`cost_usd` carries the decimal text as it stands in the file.

Order. Bills come unordered, so they are held in memory and given out in order of `end`; at most
`ROW_LIMIT` rows (about 1 GB; a bigger file must be split). Formats that are written in order of arrival
are passed on in file order, without a limit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from stream.collect.reading import Reading

DAY_MS: Final = 86_400_000
# The meter takes spans up to 35 days. 31 days keep a month's line whole; what is longer is cut.
LONGEST_PIECE_MS: Final = 31 * DAY_MS
# No usage lasts longer; a time that says so is in the wrong unit, and would be cut without end.
LONGEST_CHARGE_MS: Final = 10 * 366 * DAY_MS
ROW_LIMIT: Final = 1_000_000
# Files without a date begin here: a Monday, so that hours of the week come out right.
DEFAULT_DAY: Final = date(2024, 1, 1)
DEFAULT_START: Final = datetime(2024, 1, 1, tzinfo=UTC)


class UsageMessage(NamedTuple):
    """One message for the `usage` topic.

    `timestamp_ms`: when it would have arrived: the latest `end` so far, never decreasing.
    `row`: the input row of its last estimate, counted from 1 without the header.
    """

    value: bytes
    timestamp_ms: int
    row: int


class Rejected(NamedTuple):
    """A row that cannot be read: why, and its original bytes."""

    row: int
    reason: str
    raw: bytes


class Excluded(NamedTuple):
    """A row that costs nothing by rule. `reason` is one of a few fixed texts, to be counted."""

    row: int
    reason: str


class Meter(NamedTuple):
    """One measured thing of a charge. Without `cost_usd` the meter's price book prices it by `sku`."""

    driver: str
    quantity: Decimal | None
    cost_usd: str | None
    sku: str | None


class Charge(NamedTuple):
    """What one row says: these meters over `[start_ms, end_ms)`; `labels` is JSON (`Reading.labels`)."""

    end_ms: int
    row: int
    start_ms: int
    labels: msgspec.Raw
    meters: tuple[Meter, ...]


Item = UsageMessage | Rejected | Excluded


@dataclass(frozen=True, slots=True)
class Options:
    """What a person can say about a file; each format reads its own.

    cost_column: the FOCUS column that is the cost. BilledCost, since EffectiveCost is 0 in many exports.
    currency: the currency of a file (or row) that names none.
    fx: US dollars for one unit of another currency. Without it such rows are rejected, never taken as USD.
    day: the day of `azure-functions` counts.
    epoch_start: second 0 of `pods` and `azure-invocations`; an aware time.
    run, mem: the files beside `azure-functions` counts, where their names do not tell.
    piece_s: cut what is longer into pieces of at most so many seconds; None is the format's own. What is
        in order of arrival is never cut.
    """

    cost_column: str = "BilledCost"
    currency: str | None = None
    fx: Mapping[str, Decimal] = field(default_factory=dict)
    day: date = DEFAULT_DAY
    epoch_start: datetime = DEFAULT_START
    run: Path | None = None
    mem: Path | None = None
    piece_s: int | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file.

    about, recognised_by: one line each, for help and documentation.
    headers: the file is recognised by a CSV header that holds all of one of these (lower case).
    read: turns the file into charges (or, for `jsonl`, messages), rejected and excluded rows.
    arrival_order: the file's order is the order of arrival; else it is sorted by `end`.
    piece_ms: longer charges are cut into pieces of at most this.
    """

    name: str
    about: str
    recognised_by: str
    headers: tuple[frozenset[str], ...]
    read: "Callable[[Reading], Iterator[Charge | Item]]"
    arrival_order: bool = False
    piece_ms: int = LONGEST_PIECE_MS


class Tally:
    """What happened to the rows so far. `rows = accepted + rejected + excluded`, in every moment.

    native: the sum of the costs that could be read, by the file's own currency, accepted or not.
    accepted_usd: the sum of `cost_usd` of what was accepted.
    notes: what was read with a remark: a currency converted, a negative quantity left out.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.rejected = 0
        self.excluded: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.native: dict[str, Decimal] = {}
        self.accepted_usd = Decimal(0)
        self.estimates = 0
        self.messages = 0

    @property
    def accepted(self) -> int:
        return self.rows - self.rejected - self.excluded.total()

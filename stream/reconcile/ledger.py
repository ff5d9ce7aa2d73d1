"""All invoice lines that hold now: a newer delivery of a billing period takes the place of the older."""

from collections.abc import Iterable, Iterator

from stream.schema.invoices import InvoiceLine, Snapshot

_Row = tuple[str, int]


class Ledger:
    """Lines by snapshot. Taking the same delivery twice changes nothing.

    Give all lines of a delivery in one call: what a replacing delivery leaves out of a snapshot is gone.
    Values never tell rows apart, since two equal rows are two charges; (delivery, row) does.
    """

    def __init__(self) -> None:
        self._snapshots: dict[Snapshot, dict[_Row, InvoiceLine]] = {}

    def take(self, lines: Iterable[InvoiceLine]) -> None:
        fresh: dict[Snapshot, dict[_Row, InvoiceLine]] = {}
        for line in lines:
            fresh.setdefault(line.snapshot, {})[line.delivery, line.row] = line
        for snapshot, rows in fresh.items():
            if any(line.replaces for line in rows.values()):
                self._snapshots[snapshot] = rows
            else:
                self._snapshots.setdefault(snapshot, {}).update(rows)

    def __iter__(self) -> Iterator[InvoiceLine]:
        return (line for rows in self._snapshots.values() for line in rows.values())

"""Small input files for tests, and what a reading of one gives."""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from stream.collect.formats import open_reading
from stream.collect.reader import Excluded, Options, Rejected, UsageMessage
from stream.collect.reading import Reading
from stream.meter.decode import decode


def csv_file(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], end: str = "\n") -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(header)
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


@dataclass
class Outcome:
    """Everything that came out of a file, the messages taken apart into estimates."""

    reading: Reading
    messages: list[UsageMessage]
    rejected: list[Rejected]
    excluded: list[Excluded]

    @cached_property
    def estimates(self) -> list[dict[str, Any]]:
        return [estimate for message in self.messages for estimate in envelope(message)["estimates"]]

    @property
    def cost_usd(self) -> Decimal:
        return sum((Decimal(e["cost_usd"]) for e in self.estimates if "cost_usd" in e), Decimal(0))

    def quantity(self, driver: str) -> Decimal:
        return sum((e["quantity"] for e in self.estimates if e["driver"] == driver), Decimal(0))


class Estimate(msgspec.Struct, forbid_unknown_fields=True):
    start: int
    end: int
    driver: str
    labels: dict[str, str]
    quantity: Decimal | None = None
    cost_usd: str | None = None
    sku: str | None = None


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    source: str
    epoch: int
    seq: int
    labels: dict[str, str]
    estimates: list[Estimate]


def envelope(message: UsageMessage) -> dict[str, Any]:
    """The message, its quantities as the exact decimals written in it."""
    decoded = msgspec.json.decode(message.value, type=Envelope)
    found: dict[str, Any] = msgspec.structs.asdict(decoded)
    found["estimates"] = [
        {name: value for name, value in msgspec.structs.asdict(each).items() if value is not None}
        for each in decoded.estimates
    ]
    return found


def outcome(path: Path, format_name: str | None = None, **options: Any) -> Outcome:
    """Read the whole file, and hold it to what is promised of every file."""
    reading = open_reading(path, format_name, Options(**options))
    items = list(reading)
    found = Outcome(
        reading,
        [item for item in items if isinstance(item, UsageMessage)],
        [item for item in items if isinstance(item, Rejected)],
        [item for item in items if isinstance(item, Excluded)],
    )
    if reading.format.name != "jsonl":
        _hold_to_contract(found)
    return found


def _hold_to_contract(found: Outcome) -> None:
    reading, clock_ms = found.reading, 0
    assert reading.rejected == len(found.rejected)
    assert reading.excluded.total() == len(found.excluded)
    assert reading.accepted_usd == found.cost_usd
    assert reading.estimates == len(found.estimates)
    assert reading.bytes_read == reading.size_bytes == reading.path.stat().st_size
    for number, message in enumerate(found.messages):
        sent = envelope(message)
        assert (sent["source"], sent["epoch"], sent["seq"]) == (f"file/{reading.path.name}", 0, number)
        assert 1 <= len(sent["estimates"]) <= 100
        clock_ms = max(clock_ms, *(estimate["end"] for estimate in sent["estimates"]))
        assert message.timestamp_ms == clock_ms
        assert all(e["start"] <= e["end"] <= e["start"] + 31 * 86_400_000 for e in sent["estimates"])
        assert not decode(message.value, 1_000_000).faults
    if not reading.format.arrival_order:
        ends = [estimate["end"] for estimate in found.estimates]
        assert ends == sorted(ends)

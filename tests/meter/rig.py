"""A meter on its own: what it is fed, what it hands back, and what a restart finds."""

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from stream.config import Config
from stream.meter import price
from stream.meter.stage import Meter
from stream.schema import dead_letters, spend, topics
from stream.schema.dead_letters import DeadLetter
from stream.schema.spend import Name, Spend
from stream.stage import Batch, Commit, StateRow

START = 1_767_225_600_000  # 2026-01-01 00:00 UTC
NOW = START + 120_000
NANO = 10**9
BOOK = price.load(None)


def estimate(**changes: Any) -> dict[str, Any]:
    """One dollar over the first minute of 2026; a field changed to None is left out."""
    fields = {
        "start": START, "end": START + 60_000, "driver": "pod_hours", "cost_usd": "1",
        "labels": {"team": "pay", "namespace": "shop", "service": "web"},
    } | changes  # fmt: skip
    return {name: value for name, value in fields.items() if value is not None}


def envelope(*estimates: Any, **fields: Any) -> bytes:
    return msgspec.json.encode(fields | {"estimates": estimates})


def nusd(cost: str) -> Fraction:
    return Fraction(cost) * NANO


class Rig:
    """Feeds a meter and adds up what leaves it. `state` is what a compacted topic would hold."""

    def __init__(self, config: Config | None = None, spend_partitions: int = 1) -> None:
        self._config = config or Config()
        self._partitions = spend_partitions
        self._offset = 0
        self.state: dict[bytes, bytes] = {}
        self.letters: list[DeadLetter] = []
        self.records: list[tuple[int | None, Spend]] = []
        self.cost: Counter[Name] = Counter()
        self.buckets: Counter[tuple[Name, int, int]] = Counter()
        self.quantity: dict[Name, float] = {}
        self.count: Counter[Name] = Counter()
        self.meter = self._new()

    def _new(self) -> Meter:
        return Meter(0, self._config, self._partitions, BOOK)

    def take(self, *values: bytes, at_ms: int = NOW) -> None:
        """One batch of messages, all of which arrived at `at_ms`."""
        first = self._offset
        self._offset += len(values)
        offsets = range(first, self._offset)
        times_ms = [at_ms] * len(values)
        self.meter.take(Batch(topics.USAGE, 0, self.sequence(values), offsets, times_ms, self._offset))

    def sequence(self, values: tuple[bytes, ...]) -> Sequence[bytes]:
        """The messages as a shell would hand them over."""
        return list(values)

    def commit(self, now_ms: int = NOW) -> Commit:
        commit = self.meter.commit(now_ms)
        for row in commit.state:
            if row.value is None:
                self.state.pop(row.key, None)
            else:
                self.state[row.key] = row.value
        for output in commit.outputs:
            if output.topic == topics.DEAD_LETTERS:
                self.letters.append(dead_letters.decode(output.value))
            else:
                record = spend.decode(output.value)
                self.records.append((output.partition, record))
                self._add(record)
        return commit

    def _add(self, record: Spend) -> None:
        rows = record.rows
        columns = (rows.key, rows.width, rows.bucket, rows.cost_nusd, rows.quantity, rows.count)
        for key, width, bucket, cost, quantity, count in zip(*(c.tolist() for c in columns), strict=True):
            name = rows.names[key]
            self.cost[name] += cost
            self.buckets[name, width, bucket] += cost
            self.quantity[name] = self.quantity.get(name, 0.0) + quantity
            self.count[name] += count

    def restart(self) -> None:
        """What was not committed is lost, and the rest is found again."""
        self.meter = self._new()
        self.meter.restore([StateRow(key, value) for key, value in self.state.items()])

    def spent(self, scope: str, role: int = spend.DRIVER) -> int:
        return sum(cost for name, cost in self.cost.items() if name.scope == scope and name.role == role)

    def scopes(self) -> dict[str, int]:
        names = {name.scope for name in self.cost}
        return {scope: self.spent(scope) for scope in names}

    @property
    def balanced(self) -> bool:
        """The identity, and that what is counted as accepted is what left for `total`."""
        counters = self.meter.counters
        left = sum(count for name, count in self.count.items() if name.scope == "total" and not name.role)
        return (
            counters.balanced
            and counters.accepted_nusd == self.spent("total")
            and counters.accepted_events == left
            and counters.rejected_events == sum(counters.rejected_by_reason.values())
        )


def run(values: Iterable[bytes], at_ms: int = NOW) -> Rig:
    """A rig that has taken these messages in one batch and committed."""
    rig = Rig()
    rig.take(*values, at_ms=at_ms)
    rig.commit()
    return rig


def original(letter: DeadLetter) -> bytes:
    return base64.b64decode(letter.original)

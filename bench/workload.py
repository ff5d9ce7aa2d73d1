"""Seeded estimates as they would arrive, with the sums that they must come to.

An estate of 2,000 services of 50 teams with 10,000 label sets (5 pods a service), some much busier than
others. Time moves on by 10 s every 30,000 estimates. A quarter of the label sets are pods, metered over
the whole 10 s; the others are calls, egress and logs, metered over up to 3 s that may cross into the next.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np

LABEL_SETS: Final = 10_000
SERVICES: Final = 2_000
TEAMS: Final = 50
NAMESPACES: Final = 100
ACCOUNTS: Final = 10
COLLECTORS: Final = 20
NODES: Final = 100
ENVELOPE: Final = 100
IN_COLUMNS: Final = 1_000
PER_BUCKET: Final = 30_000  # a whole number of envelopes
BUCKET_MS: Final = 10_000
START_MS: Final = 1_767_614_400_000  # 2026-01-05 12:00:00 UTC
# What is metered in a bucket arrives in the second after it.
COLLECTED_MS: Final = 1_000
MAX_SPAN_MS: Final = 3_000
NANO: Final = 10**9
DRIVERS: Final = ("pod_hours", "invocations", "egress_bytes", "log_bytes")


class Variant(StrEnum):
    """How estimates are packed into messages."""

    SHARED = "shared"  # envelopes of 100 from one pod, which share its labels
    OWN = "own"  # envelopes of 100 from one collector, each estimate with its own labels
    ARRAY = "array"  # arrays of 100 from one collector, each estimate with its own labels
    SINGLE = "single"  # one message an estimate
    COLUMNS = (
        "columns"  # envelopes in columns of 1,000 from one of 100 nodes, which has 100 of the label sets
    )

    @property
    def envelope(self) -> int:
        """Estimates that come together."""
        return IN_COLUMNS if self is Variant.COLUMNS else ENVELOPE


class Oracle(msgspec.Struct):
    """What any right answer adds up to: estimates, and nano-dollars of the total, each team and service."""

    estimates: int
    scopes_nusd: dict[str, int]


class Workload(msgspec.Struct):
    """Messages in order of arrival, as columns."""

    variant: Variant
    oracle: Oracle
    arrived_ms: list[int]
    keys: list[bytes]
    values: list[bytes]

    def without_first(self, messages: int) -> Self:
        """What is left when they are lost; what a right answer adds up to stays."""
        columns = (self.arrived_ms[messages:], self.keys[messages:], self.values[messages:])
        return type(self)(self.variant, self.oracle, *columns)

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.msgpack.encode(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        return msgspec.msgpack.decode(path.read_bytes(), type=cls)


@dataclass(frozen=True, slots=True)
class _LabelSet:
    key: bytes
    scopes: tuple[str, str, str]
    driver: str
    labels: str


def _label_set(number: int) -> _LabelSet:
    service = number % SERVICES
    namespace, team = f"ns-{service % NAMESPACES:02d}", f"team-{service % TEAMS:02d}"
    name = f"svc-{service:04d}"
    labels = (
        f'{{"provider":"aws","account":"1000000000{service % ACCOUNTS:02d}","region":"eu-west-1",'
        f'"cluster":"eu-{service % 4}","team":"{team}","namespace":"{namespace}",'
        f'"service":"{name}","pod":"{name}-{number * 7919 % 0xFFFFF:05x}"}}'
    )
    scopes = ("total", f"team={team}", f"service={namespace}/{name}")
    return _LabelSet(name.encode(), scopes, DRIVERS[number // SERVICES % len(DRIVERS)], labels)


def generate(variant: Variant, estimates: int, start_ms: int = START_MS, seed: int = 1) -> Workload:
    """`estimates` is rounded up to whole envelopes. The same arguments always give the same bytes."""
    random = np.random.default_rng(seed)
    sets = [_label_set(number) for number in range(LABEL_SETS)]
    weight = random.lognormal(0.0, 1.0, LABEL_SETS)
    weight /= weight.sum()
    nodes = np.random.default_rng(seed).permutation(LABEL_SETS).reshape(NODES, -1)
    envelopes = -(-estimates // variant.envelope)
    scopes_nusd: Counter[str] = Counter()
    work = Workload(variant, Oracle(envelopes * variant.envelope, scopes_nusd), [], [], [])
    sent: Counter[int] = Counter()
    for envelope in range(envelopes):
        bucket, within = divmod(envelope * variant.envelope, PER_BUCKET)
        bucket_ms = start_ms + bucket * BUCKET_MS
        arrived_ms = bucket_ms + BUCKET_MS + within * COLLECTED_MS // PER_BUCKET
        if variant is Variant.COLUMNS:
            source = envelope % NODES
            mine = nodes[source]
            places = random.choice(len(mine), variant.envelope, p=weight[mine] / weight[mine].sum()).tolist()
            chosen = [sets[mine[place]] for place in places]
        else:
            one = variant is Variant.SHARED
            numbers = random.choice(LABEL_SETS, 1 if one else ENVELOPE, p=weight).tolist()
            chosen = [sets[number] for number in numbers * (ENVELOPE if one else 1)]
            source = numbers[0] if one else envelope % COLLECTORS
        drawn = list(_draw(random, chosen, bucket_ms))
        for label_set, (_, _, cost_nusd) in zip(chosen, drawn, strict=True):
            for scope in label_set.scopes:
                scopes_nusd[scope] += cost_nusd
        if variant is Variant.COLUMNS:
            series = [sets[number] for number in mine]
            _pack_columns(work, series, places, drawn, arrived_ms, bucket_ms, source, sent[source])
        else:
            name = f"{'agent' if one else 'collector'}/{source}"
            _pack(work, chosen, drawn, arrived_ms, name, sent[source])
        sent[source] += 1
    return work


def _draw(
    random: np.random.Generator, chosen: list[_LabelSet], start_ms: int
) -> Iterator[tuple[int, int, int]]:
    """Start, end and nano-dollars of each: a few micro-dollars mostly, now and then a cent."""
    offsets_ms = random.integers(0, BUCKET_MS, len(chosen)).tolist()
    spans_ms = random.integers(1, MAX_SPAN_MS, len(chosen)).tolist()
    costs_nusd = (random.lognormal(9.0, 2.0, len(chosen)) + 1).astype(np.int64).tolist()
    for label_set, offset, span, cost in zip(chosen, offsets_ms, spans_ms, costs_nusd, strict=True):
        if label_set.driver == "pod_hours":
            yield start_ms, start_ms + BUCKET_MS, cost
        else:
            yield start_ms + offset, start_ms + offset + span, cost


def _pack(
    work: Workload,
    chosen: list[_LabelSet],
    drawn: list[tuple[int, int, int]],
    arrived_ms: int,
    source: str,
    sequence: int,
) -> None:
    bodies = [
        f'"start":{start},"end":{end},"driver":"{label_set.driver}","quantity":{cost / 4096:.6g},'
        f'"cost_usd":"{cost // NANO}.{cost % NANO:09d}"'
        for label_set, (start, end, cost) in zip(chosen, drawn, strict=True)
    ]
    if work.variant is not Variant.SHARED:
        pairs = zip(bodies, chosen, strict=True)
        bodies = [f'{body},"labels":{label_set.labels}' for body, label_set in pairs]
    if work.variant is Variant.SINGLE:
        work.values += [f"{{{body}}}".encode() for body in bodies]
        work.keys += [label_set.key for label_set in chosen]
        work.arrived_ms += [arrived_ms] * len(chosen)
        return
    work.keys.append(source.encode())
    work.arrived_ms.append(arrived_ms)
    estimates = ",".join(f"{{{body}}}" for body in bodies)
    if work.variant is Variant.ARRAY:
        work.values.append(f"[{estimates}]".encode())
        return
    shared = chosen[0].labels if work.variant is Variant.SHARED else '{"collected_by":"bench"}'
    work.values.append(
        f'{{"source":"{source}","epoch":1,"seq":{sequence},"labels":{shared},"estimates":[{estimates}]}}'.encode()
    )


def _pack_columns(
    work: Workload,
    series: list[_LabelSet],
    places: list[int],
    drawn: list[tuple[int, int, int]],
    arrived_ms: int,
    bucket_ms: int,
    node: int,
    sequence: int,
) -> None:
    work.keys.append(b"node/%d" % node)
    work.arrived_ms.append(arrived_ms)
    common = [f'{{"driver":"{each.driver}","labels":{each.labels}}}' for each in series]
    columns: dict[str, Sequence[object]] = {
        "series": places,
        "start": [start - bucket_ms for start, _, _ in drawn],
        "end": [end - bucket_ms for _, end, _ in drawn],
        "quantity": [f"{cost / 4096:.6g}" for _, _, cost in drawn],
        "cost_nusd": [cost for _, _, cost in drawn],
    }
    lists = ",".join(f'"{name}":[{",".join(map(str, column))}]' for name, column in columns.items())
    work.values.append(
        f'{{"source":"node/{node}","epoch":1,"seq":{sequence},"series":[{",".join(common)}],'
        f'"origin":{bucket_ms},"columns":{{{lists}}}}}'.encode()
    )

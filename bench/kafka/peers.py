"""Engines of others on the meter's messages: on its topic, or the slow ones each on a topic of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from bench.contest import Entry, NotRun, Ratio
from bench.peers import known
from bench.peers.known import Peer
from bench.process import Measured
from bench.workload import Variant, Workload, generate
from stream.config import Kafka
from stream.schema.topics import USAGE

# The slow ones take up to 100 µs an estimate: of all the messages, they would be at work for minutes.
FEW_SHARE: Final = 10


def ratios(peers: Sequence[Peer], meter: str) -> list[Ratio]:
    names = [peer.contender.name for peer in peers]
    return [Ratio(f"kafka: meter / {name}", meter, name, "single messages") for name in names]


def installed(peers: Sequence[Peer], told: Callable[[str], None]) -> dict[Peer, str]:
    """Why a peer could not be installed; empty for one that is."""
    found = {}
    for peer in peers:
        told(f"installing {peer.contender.name}, if it is not yet")
        try:
            known.prepare(peer)
            found[peer] = ""
        except NotRun as reason:
            found[peer] = str(reason)
    return found


def works(peers: Sequence[Peer], single: Workload, start_ms: int, drop: int) -> dict[str, Workload]:
    """By topic, what is to be filled beside the meter's own. A slow one's topic is of its own because it may
    write there. The code of a peer has no planted loss: its topic lacks the first messages."""
    found = {_mark(peer, drop): single for peer in peers}
    if any(peer.few for peer in peers):
        few = generate(Variant.SINGLE, single.oracle.estimates // FEW_SHARE, start_ms)
        found |= {_mark(peer, drop): few for peer in peers if peer.few}
    return {mark: work.without_first(drop) if drop else work for mark, work in found.items()}


def _mark(peer: Peer, drop: int) -> str:
    mark = f"few-{peer.folder}" if peer.few else str(Variant.SINGLE)
    return f"less-{mark}" if drop else mark


def entries(
    peers: Mapping[Peer, str], filled: Mapping[str, tuple[Kafka, Workload]], drop: int
) -> Iterator[Entry]:
    """`filled` has the topics of `works`."""
    for peer, missing in peers.items():
        kafka, work = filled[_mark(peer, drop)]
        yield Entry(peer.contender, partial(_measure, peer, missing, kafka, len(work.values)), work.oracle)


def _measure(peer: Peer, missing: str, kafka: Kafka, messages: int) -> Measured:
    if missing:
        raise NotRun(missing)
    return known.measure(peer, kafka.bootstrap, kafka.topic_prefix, kafka.topic_prefix + USAGE, messages)

"""The peers there are, how each is installed and started, and how far it keeps what it has."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contest import Contender, NotRun
from bench.peers import process, sums
from bench.process import Failed, Measured
from stream.errors import UserError

ROOT: Final = Path(__file__).parents[2]
_SUMS: Final = ("team", "service")
_PYTHON: Final = ("{home}/bin/python", "-m", "bench.peers.{folder}.peer")
# The heap and collector that were fastest of those tried on two cores.
_JAVA: Final = ("java", "-Xmx2g", "-XX:+UseParallelGC", "-cp", "{home}/classes:{home}/libs/*")
# Flink's serializers and its Kafka transactions reach into Java's own classes.
_OPEN: Final = ("--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED")


@dataclass(frozen=True, slots=True)
class Peer:
    """`few`: too slow for all of the messages, it gets a tenth."""

    contender: Contender
    folder: str
    command: tuple[str, ...]
    few: bool = False


PEERS: Final = (
    Peer(
        Contender("confluent read", "the limit of librdkafka: consume() only, single messages"),
        "confluent",
        _PYTHON,
    ),
    Peer(
        Contender("Kafka Streams", "4.1.0, exactly once, two sums, single messages", _SUMS),
        "kafka_streams",
        (*_JAVA, "KafkaStreamsPeer"),
    ),
    Peer(
        Contender("Flink SQL", "1.20.3, exactly once, two sums, single messages", _SUMS),
        "flink_sql",
        (*_JAVA, *_OPEN, "FlinkSqlPeer"),
    ),
    Peer(
        Contender("Bytewax", "0.21.1, at least once, two sums, single messages", _SUMS),
        "bytewax",
        _PYTHON,
        few=True,
    ),
    Peer(
        Contender("Quix Streams", "3.28.1, exactly once, two sums, single messages", _SUMS),
        "quix",
        _PYTHON,
        few=True,
    ),
    Peer(
        Contender("Pathway", "0.33.0, nothing kept for a restart, two sums, single messages", _SUMS),
        "pathway",
        _PYTHON,
    ),
)


FOLDERS: Final = tuple(peer.folder for peer in PEERS)


def chosen(names: str) -> list[Peer]:
    """Of names with commas between them, `all` or `none`."""
    if names in ("all", "none"):
        return list(PEERS) if names == "all" else []
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in FOLDERS:
            raise UserError(
                f"--peers: no peer is named {name!r}; there are {', '.join(FOLDERS)}, all and none"
            )
    return [peer for peer in PEERS if peer.folder in wanted]


def prepare(peer: Peer) -> None:
    """Install it, if it is not yet. Raises `NotRun` with what pip, Maven or the script itself said."""
    done = subprocess.run(
        ["deploy/prepare", "peer", peer.folder], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        errors = [line for line in said if "ERROR" in line]
        raise NotRun((errors[:1] or said[-1:] or [f"deploy/prepare ended with status {done.returncode}"])[0])


def measure(peer: Peer, bootstrap: str, prefix: str, usage: str, messages: int) -> Measured:
    """Let it drain `usage`, and read what it has written. Its group, and topics it makes, have the prefix."""
    written, group = f"{prefix}{peer.folder}-sums", f"{prefix}{peer.folder}"
    if peer.contender.scopes:
        sums.make_topic(bootstrap, written)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "work").mkdir()
        places = {"home": ROOT / ".local" / "bench" / peer.folder, "folder": peer.folder}
        command = [part.format_map(places) for part in peer.command]
        command += [bootstrap, usage, written, group, str(messages), str(folder / "work")]
        try:
            measured = process.run(command, messages, folder)
        except (Failed, OSError) as failure:
            raise NotRun(str(failure)) from failure
    if peer.contender.scopes:
        measured.scopes_nusd = sums.read(bootstrap, written)
    return measured

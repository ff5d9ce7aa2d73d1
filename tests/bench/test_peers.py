"""A peer is measured from outside, is right or named, and has a row also when it can not be run."""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from bench import report
from bench.contest import Contender, Entry, NotRun, Ratio, Results, Row, Spread, fault, play
from bench.kafka.preload import preload
from bench.peers import known, sums
from bench.peers.process import Sample, Usage, last_words, run, summary
from bench.process import Failed, Measured
from bench.report import Machine, Report
from bench.workload import BUCKET_MS, Oracle, Variant, generate
from stream.config import Kafka
from stream.errors import UserError
from stream.schema.topics import USAGE

ROOT = Path(__file__).parents[2]

# A peer of three processes, of which two end and are waited for before the last count. Each burns 0.2 s.
FAMILY = """
import os, subprocess, sys, time

def burn(seconds):
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass

print("count 0", flush=True)
one = [sys.executable, "-c", "import time\\nwhile time.process_time() < 0.2: pass"]
subprocess.run(one)
other = subprocess.Popen(one)
burn(0.1)
print("count 3", flush=True)
burn(0.1)
other.wait()
print("count 9", flush=True)
print("done", flush=True)
time.sleep(60)
"""


def started(program: str, folder: Path, messages: int = 9) -> Measured:
    return run([sys.executable, "-c", program], messages, folder)


def test_cpu_time_is_that_of_the_whole_process_group_also_of_those_that_have_ended(tmp_path: Path) -> None:
    measured = started(FAMILY, tmp_path)
    assert measured.counted == 9
    assert measured.cpu_s + 0.05 >= 0.6  # a clock tick of each process may be lost
    assert measured.steady is not None
    assert measured.steady.counted == 6
    assert measured.steady.cpu_s < measured.cpu_s


def test_another_process_is_not_in_the_group() -> None:
    assert Usage.of(os.getpgid(0)).cpu_s > 0
    nobody = Usage.of(2**30)
    assert (nobody.cpu_s, nobody.held_bytes, nobody.peak_bytes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise OSError('no broker')", "ended with status 1 before it was done: OSError: no broker"),
        ("print('count 5')", "ended with status 0 before it was done: it said nothing"),
        ("print('count 5\\ndone')", "did not tell its count from 0 on"),
        ("print('count 0\\ndone')", "did not tell its count from 0 on"),
    ],
)
def test_a_peer_that_does_not_keep_to_the_rules_says_which(program: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=why):
        started(program, tmp_path)


def test_of_a_stack_trace_the_innermost_cause_is_told() -> None:
    log = "Exception in thread main X\n\tat a.b\nCaused by: java.io.IOException: no disk\n\tat c.d"
    assert last_words(log) == "Caused by: java.io.IOException: no disk"
    assert last_words("starting\nno heap\n") == "no heap"


def samples(counts: Sequence[int]) -> list[Sample]:
    return [
        Sample(count, second, Usage(second * 2, 100, 100 + second)) for second, count in enumerate(counts)
    ]


def test_the_measure_is_from_the_last_zero_to_the_end_and_steady_from_a_third_on() -> None:
    measured = summary(samples([0, 0, 10, 30, 60, 90, 90]), 90)
    assert (measured.counted, measured.wall_s, measured.cpu_s, measured.peak_bytes) == (90, 5, 10, 6)
    assert measured.steady is not None
    assert (measured.steady.counted, measured.steady.cpu_s) == (60, 6)


def test_a_peer_that_is_done_in_one_step_has_no_steady_part() -> None:
    assert summary(samples([0, 90, 90]), 90).steady is None


def test_of_a_scope_and_bucket_the_last_sum_counts_and_what_is_taken_back_does_not() -> None:
    records = [
        b'{"scope":"team=a","bucket":0,"nusd":1}',
        b'{"scope":"team=a","bucket":10000,"nusd":10,"diff":1,"time":4}',
        b'{"scope":"team=a","bucket":0,"nusd":3}',
        b'{"scope":"team=a","bucket":10000,"nusd":12,"diff":1,"time":6}',
        b'{"scope":"team=a","bucket":10000,"nusd":10,"diff":-1,"time":6}',
    ]
    assert sums.add_up(records) == {"team=a": 15}


def entry(name: str, measured: Measured | Exception) -> Entry:
    def measure() -> Measured:
        if isinstance(measured, Exception):
            raise measured
        return measured

    return Entry(Contender(name, "about", ("team",)), measure, Oracle(4, {"team=a": 30}))


class Rounds:
    """Each round plays what is given for it."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries

    def __call__(self) -> "Rounds":
        return self

    def __enter__(self) -> list[Entry]:
        return self._entries

    def __exit__(self, *_: object) -> None:
        return None


def right(wall_s: float = 1.0, cpu_s: float = 1.0) -> Measured:
    return Measured(4, wall_s, cpu_s, 0, {"team=a": 30})


def test_a_wrong_sum_of_a_peer_is_named() -> None:
    wrong = Measured(4, 1.0, 1.0, 0, {"team=a": 31})
    results = play([Rounds([entry("peer", wrong)])], [], lambda name: None)
    assert results.rows[0].wrong.endswith("team=a 31 instead of 30")


def test_a_peer_that_cannot_be_run_in_a_round_has_a_row_with_the_reason_and_no_ratio() -> None:
    rounds = [
        Rounds([entry("meter", right()), entry("peer", right()), entry("other", right(4.0, 2.0))]),
        Rounds([entry("meter", right()), entry("peer", NotRun("no Java")), entry("other", right(4.0, 2.0))]),
    ]
    ratios = [Ratio(f"meter / {name}", "meter", name, "") for name in ("peer", "other")]
    results = play(rounds, ratios, lambda name: None)
    peer = next(row for row in results.rows if row.name == "peer")
    assert (peer.not_run, peer.wrong, peer.per_cpu_s) == ("no Java", "", None)
    assert results.ratios == {"meter / other": Spread(2.0, 2.0, 2.0)}
    assert results.ratios_wall == {"meter / other": Spread(4.0, 4.0, 4.0)}
    text = shown(results)
    assert "not run: no Java" in text
    assert "meter / peer" not in text


def shown(results: Results) -> str:
    console = Console(file=StringIO(), width=150)
    report.show(Report(Machine("x", 2, 1, "y", "3"), {}, results), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_recorded_peer_that_is_not_run_now_counts_as_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = Spread(2.0, 2.0, 2.0)
    known_ = Results([Row("peer", "", per_cpu_s=fine)], {"a / b": fine}, {}, {"a / b": fine}, {"a / b": fine})
    machine = Machine("x", 2, 1, "y", "3")
    monkeypatch.setattr(report, "RECORDED", tmp_path / "recorded.json")
    (tmp_path / "recorded.json").write_bytes(report.encode(Report(machine, {}, known_)))
    bad = Spread(0.9, 0.9, 0.9)
    found = Results([Row("peer", "", not_run="no Java")], {"a / b": bad}, {}, {"a / b": bad}, {"a / b": bad})
    assert report.regressions(Report(machine, {}, found)) == [
        "a / b: 0.9 × now, recorded 2 × (2 – 2)",
        "a / b, steady: 0.9 × now, recorded 2 × (2 – 2)",
        "a / b, by wall clock: 0.9 × now, recorded 2 × (2 – 2)",
        "peer: recorded, but not run now",
    ]


def test_peers_are_chosen_by_name_and_an_unknown_name_is_told_what_there_is() -> None:
    assert [peer.folder for peer in known.chosen("quix, kafka_streams")] == ["kafka_streams", "quix"]
    assert known.chosen("none") == []
    with pytest.raises(UserError, match=r"no peer is named 'flink'; there are .*flink_sql.*, all and none"):
        known.chosen("flink")


def test_every_peer_has_what_it_is_installed_from() -> None:
    folders = {path.name for path in (ROOT / "bench" / "peers").iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == set(known.FOLDERS)
    for folder in known.FOLDERS:
        source = ROOT / "bench" / "peers" / folder
        assert (source / "pom.xml").exists() != (source / "requirements.txt").exists()


def test_a_peer_that_cannot_be_installed_says_why() -> None:
    lost = known.Peer(Contender("lost", ""), "lost", ())
    with pytest.raises(NotRun, match="no peer is named lost"):
        known.prepare(lost)


def test_what_a_peer_loses_is_missing_from_its_topic_and_not_from_what_it_must_come_to() -> None:
    work = generate(Variant.SINGLE, 100)
    less = work.without_first(1)
    assert less.values == work.values[1:]
    assert less.oracle == work.oracle


@pytest.mark.timeout(300)  # a peer is installed
def test_a_real_peer_is_exact_and_what_it_loses_is_found(kafka: str) -> None:
    peer = next(peer for peer in known.PEERS if peer.folder == "bytewax")
    known.prepare(peer)
    now_ms = time.time_ns() // 1_000_000 // BUCKET_MS * BUCKET_MS
    work = generate(Variant.SINGLE, 2_000, now_ms - BUCKET_MS)
    for lost, expected in ((0, ""), (1, "counted 1,999 estimates instead of 2,000")):
        settings = Kafka(bootstrap=kafka, topic_prefix=f"peer-{uuid.uuid4().hex[:8]}-")
        asyncio.run(preload(settings, work.without_first(lost)))
        measured = known.measure(
            peer, kafka, settings.topic_prefix, settings.topic_prefix + USAGE, 2_000 - lost
        )
        assert fault(peer.contender, measured, work.oracle) == expected
        wrong = fault(peer.contender, replace(measured, counted=2_000), work.oracle)
        assert wrong.startswith("2 of ") if lost else not wrong  # of its service and its team

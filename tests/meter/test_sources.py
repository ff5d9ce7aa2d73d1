"""What the meter knows of who sends: cadence, last rate, silence."""

from typing import Any

import msgspec
import pytest

from stream.config import Config
from stream.schema.sources import Source
from tests.meter.rig import START, Rig, envelope, estimate

EVERY_S = 30


class Feed:
    """Sources that send an envelope every 30 s, each at $36/h: $0.30 an estimate."""

    def __init__(self, config: dict[str, Any] | None = None, spend_partitions: int = 1) -> None:
        self.rig = Rig(Config.model_validate(config or {}), spend_partitions)
        self.now_s = 0

    def go_on(self, *sources: str, for_s: int, seq: bool = True, cost_usd: str = "0.30") -> None:
        for _ in range(for_s // EVERY_S):
            self.now_s += EVERY_S
            end_ms = START + self.now_s * 1000
            values = []
            for source in sources:
                one = estimate(
                    start=end_ms - EVERY_S * 1000, end=end_ms, cost_usd=cost_usd,
                    labels={"team": "pay", "namespace": "shop", "service": source},
                )  # fmt: skip
                fields: dict[str, Any] = {"source": source}
                if seq:
                    fields |= {"epoch": 1, "seq": self.now_s}
                values.append(envelope(one, **fields))
            if values:
                self.rig.take(*values, at_ms=end_ms + 1000)
            self.rig.commit(end_ms + 1000)

    def said(self, partition: int = 0) -> list[Source]:
        return [word for number, record in self.rig.records if number == partition for word in record.sources]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("seq", [True, False])
def test_the_last_rate_by_scope_and_then_silence(compiled: bool, seq: bool) -> None:
    feed = Feed({"meter": {"compiled": compiled}})
    feed.go_on("a", "b", for_s=1200, seq=seq)
    assert not [word for word in feed.said() if word.silent]
    silent_since_ms = START + feed.now_s * 1000
    feed.go_on("a", for_s=90, seq=seq)
    assert not [word for word in feed.said() if word.silent]
    feed.go_on("a", for_s=30, seq=seq)
    [word] = [word for word in feed.said() if word.silent]
    assert (word.name, word.until_ms, word.cadence_s, word.silent_after_s) == ("b", silent_since_ms, 30, 90)
    assert word.usd_per_hour == pytest.approx(36)
    assert (word.most, word.count) == (["service=shop/b"], 1)
    assert dict(word.rates) == pytest.approx(
        dict.fromkeys(("total", "team=pay", "namespace=shop", "service=shop/b"), 36)
    )
    assert feed.rig.balanced
    feed.go_on("a", "b", for_s=30, seq=seq)
    assert [word.name for word in feed.said()[-1:]] == ["b"]
    assert not feed.said()[-1].silent


def test_a_file_ends_and_nobody_waits_for_more_of_it() -> None:
    feed = Feed()
    feed.go_on("a", "file/a.csv", for_s=1200)
    feed.go_on("a", for_s=600)
    assert not [word for word in feed.said() if word.silent]


def test_all_silent_is_seen_by_the_clock() -> None:
    feed = Feed()
    feed.go_on("a", for_s=900)
    feed.go_on(for_s=120)
    assert [word.name for word in feed.said() if word.silent] == ["a"]


def test_a_restart_forgets_nothing_and_blames_nobody_for_its_own_absence() -> None:
    feed = Feed()
    feed.go_on("a", "b", for_s=900)
    feed.now_s += 1800  # burnline is away
    feed.rig.restart()
    feed.go_on("a", for_s=90)
    assert not [word for word in feed.said() if word.silent]
    feed.go_on("a", for_s=60)
    assert [word.name for word in feed.said() if word.silent] == ["b"]
    feed.rig.restart()
    feed.go_on("a", for_s=300)
    feed.go_on("a", "b", for_s=30)
    assert [word.silent for word in feed.said() if word.name == "b"][-2:] == [True, False]


def test_each_partition_hears_of_its_own_scopes() -> None:
    feed = Feed(spend_partitions=3)
    feed.go_on("a", "b", for_s=1200)
    feed.go_on("a", for_s=120)
    scopes = []
    for partition in range(3):
        [word] = [word for word in feed.said(partition) if word.silent]
        scopes += [scope for scope, _ in word.rates]
    assert sorted(scopes) == ["namespace=shop", "service=shop/b", "team=pay", "total"]


def test_what_is_below_the_floor_is_not_missed_and_later_forgotten() -> None:
    feed = Feed({"detectors": {"metering-gap": {"forget_after_s": 600}}})
    feed.go_on("a", for_s=300)
    feed.go_on("a", "pod", for_s=1200, cost_usd="0.005")  # $0.60/h
    feed.go_on("a", for_s=900)
    assert not [word for word in feed.said() if word.silent]
    assert [word.name for word in feed.said() if word.gone] == ["pod"]
    assert not [key for key in feed.rig.state if key.endswith(b"pod")][1:]  # but for its last sequences


def test_who_comes_and_goes_is_not_missed_after_a_minute() -> None:
    feed = Feed()
    for pause_s in (30, 300, 60, 90, 30, 600, 30, 30, 240, 30):
        feed.go_on("a", "builds", for_s=30)
        feed.go_on("a", for_s=pause_s)
    feed.go_on("a", for_s=3600)
    assert not [word for word in feed.said() if word.silent]


def test_a_late_catch_up_is_no_silence() -> None:
    """Kafka holds what came while no meter ran: time is the log's, not the clock's."""
    feed = Feed()
    feed.go_on("a", "b", for_s=900)
    values = []
    for step in range(1, 21):
        end_ms = START + (feed.now_s + step * EVERY_S) * 1000
        labels = {"team": "pay", "namespace": "shop", "service": "a"}
        one = estimate(start=end_ms - 1000, end=end_ms, labels=labels)
        values.append((envelope(one, source="a", epoch=1, seq=10**6 + step), end_ms))
    feed.rig.restart()
    for value, at_ms in values[:2]:
        feed.rig.take(value, at_ms=at_ms)
        feed.rig.commit(START + 10**8)
    assert not [word for word in feed.said() if word.silent]


def test_too_many_are_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.meter.sources.MOST_SOURCES", 2)
    feed = Feed()
    feed.go_on("a", "b", "c", for_s=900)
    feed.go_on("a", "b", for_s=300)
    assert {word.name for word in feed.said()} == {"a", "b"}
    assert feed.rig.balanced


def test_columns_name_their_source_too() -> None:
    rig = Rig()
    for step in range(1, 41):
        at_ms = START + step * 30_000
        if step <= 36:
            envelope_ = {
                "source": "node", "epoch": 1, "seq": step,
                "series": [{"driver": "pod_hours", "labels": {"team": "pay", "service": "web"}}],
                "columns": {"series": [0], "start": at_ms - 30_000, "end": at_ms, "cost_usd": [0.3]},
            }  # fmt: skip
            rig.take(msgspec.json.encode(envelope_), at_ms=at_ms)
        rig.commit(at_ms)
    words = [word for _, record in rig.records for word in record.sources if word.silent]
    assert [(word.name, round(word.usd_per_hour, 6)) for word in words] == [("node", 36)]

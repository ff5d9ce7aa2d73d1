"""What the meter sees of a source that loses its labels or lags, and what it takes for neither."""

from typing import Any

import pytest

from stream.config import Config
from stream.schema.sources import Late, Lost
from tests.meter.rig import START, Rig, envelope, estimate

EVERY_S = 60
OWNED = {"team": "pay", "namespace": "shop", "service": "web"}
BARE = {"namespace": "shop"}


class Feed:
    """One source, `a`, that sends an envelope a minute: dollars an hour, each with its labels."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.rig = Rig(Config.model_validate(config or {}))
        self.now_s = 0
        self.lag_s = 1

    def go_on(self, *rates: tuple[float, dict[str, str]], minutes: int) -> None:
        for _ in range(minutes):
            self.now_s += EVERY_S
            end_ms = START + self.now_s * 1000
            many = [
                estimate(
                    start=end_ms - EVERY_S * 1000, end=end_ms, cost_usd=f"{rate / 60:.9f}", labels=labels
                )
                for rate, labels in rates
            ]
            self.rig.take(
                envelope(*many, source="a", epoch=1, seq=self.now_s), at_ms=end_ms + self.lag_s * 1000
            )
            self.rig.commit(end_ms + self.lag_s * 1000)

    def said(self) -> list[Lost | None]:
        return [word.lost for _, record in self.rig.records for word in record.sources]

    def late(self) -> list[Late | None]:
        return [word.late for _, record in self.rig.records for word in record.sources]

    def lost(self) -> list[Lost]:
        return [lost for lost in self.said() if lost is not None]


@pytest.mark.parametrize("compiled", [True, False])
def test_labels_that_go_are_missed_within_a_quarter_of_an_hour(compiled: bool) -> None:
    feed = Feed({"meter": {"compiled": compiled}})
    feed.go_on((30, OWNED), (1, BARE), minutes=60)
    assert not feed.lost()
    lost_s = START // 1000 + feed.now_s
    feed.go_on((12, OWNED), (19, BARE), minutes=16)
    lost = feed.lost()[-1]
    assert (lost.usual_owned, lost.usual_unowned) == pytest.approx((30, 1))
    assert (lost.owned, lost.unowned) == pytest.approx((12, 19))
    assert (lost.since_s, lost.fed) == (lost_s, ["service=shop/web", "namespace=shop"])
    assert feed.rig.balanced


def test_it_is_over_when_they_are_back_also_after_a_restart() -> None:
    feed = Feed()
    feed.go_on((30, OWNED), minutes=60)
    feed.go_on((30, BARE), minutes=16)
    assert feed.lost()
    feed.rig.restart()
    feed.go_on((30, BARE), minutes=16)
    assert feed.said()[-1] is not None
    feed.go_on((30, OWNED), minutes=16)
    assert feed.said()[-1] is None


def test_after_a_day_that_is_how_it_is() -> None:
    feed = Feed({"detectors": {"lost-labels": {"told_for_s": 3600}}})
    feed.go_on((30, OWNED), minutes=60)
    feed.go_on((30, BARE), minutes=120)
    assert feed.lost()
    assert feed.said()[-1] is None
    told = len(feed.lost())
    feed.go_on((30, BARE), minutes=120)
    assert len(feed.lost()) == told


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([(30, OWNED)], [(30, OWNED), (60, BARE)]),  # a job without labels begins
        ([(30, OWNED), (5, BARE)], [(3, OWNED), (5, BARE)]),  # work ends
        ([(30, OWNED), (30, BARE)], [(90, OWNED), (90, BARE)]),  # all grows
        ([(3, OWNED)], [(2.2, OWNED), (0.8, BARE)]),  # less than a dollar an hour
        ([(30, BARE)], [(30, {"service": "web"})]),  # never had any
    ],
)
def test_what_is_no_loss(before: list[tuple[float, Any]], after: list[tuple[float, Any]]) -> None:
    feed = Feed()
    feed.go_on(*before, minutes=60)
    feed.go_on(*after, minutes=60)
    assert not feed.lost()


def test_one_that_is_new_is_not_judged() -> None:
    feed = Feed()
    feed.go_on((30, OWNED), minutes=20)
    feed.go_on((30, BARE), minutes=60)
    assert not feed.lost()


def test_switched_off_it_says_nothing() -> None:
    feed = Feed({"detectors": {"lost-labels": {"enabled": False}}})
    feed.go_on((30, OWNED), minutes=60)
    feed.go_on((30, BARE), minutes=60)
    assert not feed.lost()


@pytest.mark.parametrize("compiled", [True, False])
def test_what_arrives_much_later_than_usual_is_late_until_it_does_not(compiled: bool) -> None:
    feed = Feed({"meter": {"compiled": compiled}})
    feed.go_on((30, OWNED), minutes=60)
    assert not any(feed.late())
    since_s = START // 1000 + feed.now_s
    feed.lag_s = 1500
    feed.go_on((30, OWNED), minutes=17)
    late = feed.late()[-1]
    assert late is not None
    assert (late.usual_s, late.lag_s) == pytest.approx((1, 1500))
    assert 0 <= late.since_s - since_s <= 300
    feed.rig.restart()
    feed.go_on((30, OWNED), minutes=11)
    assert feed.late()[-1] == late
    feed.lag_s = 2
    feed.go_on((30, OWNED), minutes=11)
    assert feed.late()[-1] is None


def test_after_a_day_that_is_how_late_it_is() -> None:
    feed = Feed({"detectors": {"late-source": {"told_for_s": 3600}}})
    feed.go_on((30, OWNED), minutes=60)
    feed.lag_s = 1500
    feed.go_on((30, OWNED), minutes=180)
    assert any(feed.late())
    assert feed.late()[-1] is None


@pytest.mark.parametrize(
    ("usd_per_hour", "usual_s", "lag_s"),
    [
        (30, 1, 400),  # a page is late by less than is told
        (30, 7200, 10_800),  # slow by nature
        (0.5, 1, 7200),  # less than a dollar an hour
        (30, 7200, 1),  # earlier than usual
    ],
)
def test_what_is_not_late(usd_per_hour: float, usual_s: int, lag_s: int) -> None:
    feed = Feed()
    feed.lag_s = usual_s
    feed.go_on((usd_per_hour, OWNED), minutes=60)
    feed.lag_s = lag_s
    feed.go_on((usd_per_hour, OWNED), minutes=60)
    assert not any(feed.late())


def test_old_estimates_beside_new_ones_are_no_lag() -> None:
    feed = Feed()
    feed.go_on((30, OWNED), minutes=60)
    for seq in range(30):
        feed.go_on((30, OWNED), minutes=1)
        old = estimate(start=START + seq * 60_000, end=START + (seq + 1) * 60_000, labels=OWNED)
        at_ms = START + feed.now_s * 1000 + 1000
        feed.rig.take(envelope(old, source="a", epoch=2, seq=seq), at_ms=at_ms)
        feed.rig.commit(at_ms)
    assert not any(feed.late())


def test_lags_that_are_switched_off_are_not_told() -> None:
    feed = Feed({"detectors": {"late-source": {"enabled": False}}})
    feed.go_on((30, OWNED), minutes=60)
    feed.lag_s = 1500
    feed.go_on((30, OWNED), minutes=30)
    assert not any(feed.late())

"""What the meter sees of a source that loses its labels, and what it does not take for a loss."""

from typing import Any

import pytest

from stream.config import Config
from stream.schema.sources import Lost
from tests.meter.rig import START, Rig, envelope, estimate

EVERY_S = 60
OWNED = {"team": "pay", "namespace": "shop", "service": "web"}
BARE = {"namespace": "shop"}


class Feed:
    """One source, `a`, that sends an envelope a minute: dollars an hour, each with its labels."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.rig = Rig(Config.model_validate(config or {}))
        self.now_s = 0

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
            self.rig.take(envelope(*many, source="a", epoch=1, seq=self.now_s), at_ms=end_ms + 1000)
            self.rig.commit(end_ms + 1000)

    def said(self) -> list[Lost | None]:
        return [word.lost for _, record in self.rig.records for word in record.sources]

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

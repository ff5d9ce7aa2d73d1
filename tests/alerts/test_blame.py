"""Which deploy is blamed, and how surely: a probability that comes true as often as it says."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from stream.alerts.blame import BEFORE_S, Onset, blame
from stream.schema.deploys import Deploy

ONSET_S = 1_767_276_000
ONSET = Onset(ONSET_S, window_s=60)
SCOPE = {"namespace": "shop", "service": "checkout"}
DAY_S = 86_400


def deploy(before_s: int, what: str = "v1", end_s: int | None = None, **labels: str) -> Deploy:
    return Deploy(time_s=ONSET_S - before_s, end_s=end_s, kind="deploy", what=what, labels=labels or SCOPE)


def test_the_odds_are_those_of_the_docstring() -> None:
    found = blame([deploy(120)], ONSET, SCOPE)
    assert found is not None
    odds = 0.5 / 300 * (1 + 120 / 300) ** -1.5 / (0.5 / DAY_S)
    assert odds == pytest.approx(174, abs=0.5)
    assert found.probability == pytest.approx(odds / (1 + odds), abs=1e-3)


def test_the_nearest_before_the_onset() -> None:
    found = blame([deploy(1700, "old"), deploy(120, "near"), deploy(300, "older")], ONSET, SCOPE)
    assert found is not None
    assert found.what == "near"


def test_one_of_very_many_is_none() -> None:
    """When something is deployed every few minutes, one just before the onset says little."""
    busy = [deploy(120 + 288 * number, f"v{number}") for number in range(300)]
    assert blame(busy, ONSET, SCOPE) is None
    assert blame(busy[:1], ONSET, SCOPE) is not None


@pytest.mark.parametrize(
    ("before_s", "blamed"), [(BEFORE_S + 1, False), (3600, True), (0, True), (-60, True)]
)
def test_from_hours_before_to_a_minute_after(before_s: int, blamed: bool) -> None:
    assert (blame([deploy(before_s)], ONSET, SCOPE) is not None) is blamed


def test_one_just_after_the_onset_is_less_likely_than_one_just_before() -> None:
    found = blame([deploy(-60, "after"), deploy(60, "before")], ONSET, SCOPE)
    assert found is not None
    assert found.what == "before"


def test_after_the_onset_by_as_much_as_that_is_sure() -> None:
    """A window of hours puts the beginning to five minutes at best."""
    late = [deploy(-400)]
    assert blame(late, ONSET, SCOPE) is None
    assert blame(late, Onset(ONSET_S, window_s=3600), SCOPE) is not None


def test_a_rollout_is_near_for_as_long_as_it_lasts() -> None:
    long, short = deploy(3600, "canary", end_s=ONSET_S - 30), deploy(600, "quick")
    found = blame([short, long], ONSET, SCOPE)
    assert found is not None
    assert found.what == "canary"


@pytest.mark.parametrize(
    ("labels", "fits"),
    [
        ({"namespace": "shop", "service": "checkout", "cluster": "eu-1"}, 1.0),
        ({"namespace": "shop"}, 0.5),
        ({"namespace": "shop", "service": "cart"}, None),
        ({"cluster": "eu-1"}, None),
    ],
)
def test_labels_must_meet_and_not_contradict(labels: dict[str, str], fits: float | None) -> None:
    found = blame([deploy(0, "v1", None, **labels)], ONSET, SCOPE)
    assert (found is not None) == (fits is not None)
    if found is not None and fits is not None:
        odds = fits * 0.5 / 300 / (0.5 / DAY_S)
        assert found.probability == pytest.approx(odds / (1 + odds), abs=1e-3)


def test_a_wide_scope_asks_where_it_burns() -> None:
    checkout, cart = deploy(60, "checkout"), deploy(60, "cart", namespace="shop", service="cart")
    parts = [(SCOPE, 0.9), ({"namespace": "shop", "service": "cart"}, 0.1)]
    for labels in ({}, {"namespace": "shop"}):
        found = blame([checkout, cart], ONSET, labels, parts)
        assert found is not None
        assert found.what == "checkout"
        assert 0.8 < found.probability < 1
    assert blame([checkout], ONSET, {"namespace": "web"}, parts) is None


def test_a_scope_without_labels_or_parts_blames_nobody() -> None:
    assert blame([deploy(60)], ONSET, {}) is None


def test_changes_of_scale_are_no_suspects() -> None:
    scale = Deploy(time_s=ONSET_S - 60, kind="scale", what="3 to 40", labels=SCOPE)
    assert blame([scale], ONSET, SCOPE) is None


def worlds(seed: int, count: int, caused: float) -> Iterator[tuple[str, list[Deploy]]]:
    """Alerts with what is truly to blame ("" for none), and all deploys of the day.

    A service is deployed every third day up to 100 times a day. What a deploy breaks shows log-normally:
    after 3 minutes at the median, over 40 in one of twenty. The onset is found to half a minute.
    """
    chance = np.random.default_rng(seed)
    for _ in range(count):
        a_day = math.exp(chance.uniform(math.log(1 / 3), math.log(100)))
        times = chance.uniform(-DAY_S, 1800, chance.poisson(a_day * (DAY_S + 1800) / DAY_S))
        known = [deploy(-int(at_s), f"v{number}") for number, at_s in enumerate(times)]
        guilty = ""
        if chance.random() < caused:
            guilty = "guilty"
            lag_s = 180 * math.exp(1.6 * chance.standard_normal())
            known.append(deploy(int(lag_s + 30 * chance.standard_normal()), guilty))
        yield guilty, known


def reliability(caused: float) -> list[tuple[float, float, int]]:
    """By how sure it was: what it said on average, how often it was right, and in how many alerts."""
    said: list[tuple[float, bool]] = []
    for guilty, known in worlds(seed=7, count=4000, caused=caused):
        found = blame(known, ONSET, SCOPE)
        if found is not None:
            said.append((found.probability, found.what == guilty))
    bins = []
    for low, high in ((0.0, 0.5), (0.5, 0.7), (0.7, 0.85), (0.85, 0.95), (0.95, 1.01)):
        within = [(probability, right) for probability, right in said if low <= probability < high]
        stated = sum(probability for probability, _ in within) / len(within)
        bins.append((stated, sum(right for _, right in within) / len(within), len(within)))
    return bins


def test_what_it_says_comes_true_as_often() -> None:
    for stated, right, count in reliability(caused=0.5):
        assert right == pytest.approx(stated, abs=0.08 + 2 * math.sqrt(stated * (1 - stated) / count))


@pytest.mark.parametrize("caused", [0.3, 0.7])
def test_where_deploys_cause_more_or_less_than_half_only_the_unsure_are_off(caused: float) -> None:
    for stated, right, count in reliability(caused):
        bias = 0.05 if stated > 0.85 else 0.3
        assert right == pytest.approx(stated, abs=bias + 2 * math.sqrt(stated * (1 - stated) / count))

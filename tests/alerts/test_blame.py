"""Which deploy is blamed, and how surely."""

import math

import pytest

from stream.alerts.blame import blame
from stream.schema.deploys import Deploy

ONSET_S = 1_767_276_000
SCOPE = {"namespace": "shop", "service": "checkout"}


def deploy(before_s: int, what: str = "v1", **labels: str) -> Deploy:
    return Deploy(time_s=ONSET_S - before_s, kind="deploy", what=what, labels=labels or SCOPE)


def test_the_nearest_before_the_onset() -> None:
    found = blame([deploy(1700, "old"), deploy(120, "near"), deploy(300, "older")], ONSET_S, SCOPE)
    assert found is not None
    assert found.what == "near"
    assert found.probability == pytest.approx(0.9 * math.exp(-120 / 600), abs=1e-3)


@pytest.mark.parametrize(
    ("before_s", "blamed"), [(1801, False), (1800, True), (0, True), (-120, True), (-121, False)]
)
def test_only_from_half_an_hour_before_to_two_minutes_after(before_s: int, blamed: bool) -> None:
    assert (blame([deploy(before_s)], ONSET_S, SCOPE) is not None) is blamed


def test_one_just_after_the_onset_is_less_likely_than_one_just_before() -> None:
    found = blame([deploy(-60, "after"), deploy(60, "before")], ONSET_S, SCOPE)
    assert found is not None
    assert found.what == "before"


@pytest.mark.parametrize(
    ("labels", "probability"),
    [
        ({"namespace": "shop", "service": "checkout", "cluster": "eu-1"}, 0.9),
        ({"namespace": "shop"}, 0.45),
        ({"namespace": "shop", "service": "cart"}, None),
        ({"cluster": "eu-1"}, None),
    ],
)
def test_labels_must_meet_and_not_contradict(labels: dict[str, str], probability: float | None) -> None:
    found = blame([deploy(0, **labels)], ONSET_S, SCOPE)
    assert (found and found.probability) == probability


def test_a_scope_without_labels_blames_nobody() -> None:
    assert blame([deploy(60)], ONSET_S, {}) is None

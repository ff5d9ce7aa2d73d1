"""NAB's score, held against its definition: cases worked out by hand, and others that it publishes."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evaluation.nab import (
    NOTHING,
    PROFILES,
    Floats,
    Labels,
    Profile,
    best_threshold,
    label,
    learning_rows,
    scale,
    tally,
)

FLAT = Profile("flat", false_positive=1.0, false_negative=1.0)
STANDARD, LOW_FP, LOW_FN = PROFILES


def series(rows: int, *windows: tuple[int, int]) -> Labels:
    """A series whose times are its row numbers, without a learning period."""
    labels = label(np.arange(rows, dtype=float), windows)
    return Labels(labels.window, labels.worth, np.ones(rows, dtype=np.bool_), labels.windows)


def detect(labels: Labels, *rows: int) -> Floats:
    scores = np.zeros(len(labels.worth))
    scores[list(rows)] = 1.0
    return scores


def score(labels: Labels, *rows: int, profile: Profile = FLAT) -> float:
    return tally(labels, detect(labels, *rows), 0.5, profile).score


def sigma(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


def test_the_weights_of_the_three_profiles() -> None:
    found = {one.name: (one.false_positive, one.false_negative) for one in PROFILES}
    assert found == {"standard": (0.11, 1.0), "low-FP": (0.22, 1.0), "low-FN": (0.11, 2.0)}


@pytest.mark.parametrize(("rows", "learning"), [(6, 0), (100, 15), (101, 15), (5000, 750), (6000, 750)])
def test_fifteen_percent_are_for_learning_up_to_750_rows(rows: int, learning: int) -> None:
    assert learning_rows(rows) == learning
    assert int((~label(np.arange(rows, dtype=float), []).counts).sum()) == learning


def test_the_first_row_of_a_window_earns_all_whatever_its_width() -> None:
    for width in (1, 2, 3, 50):
        assert score(series(100, (40, 39 + width)), 40) == 1.0


def test_a_row_inside_earns_by_its_distance_from_the_end() -> None:
    # The published 0.98661 at the left edge and 0.84828 half-way, before they are divided by the former.
    labels = series(100, (40, 49))
    assert sigma(-1) == pytest.approx(0.98661, abs=1e-5)
    assert score(labels, 45) == pytest.approx(0.84828 / 0.98661, abs=1e-5)
    assert score(labels, 49) == pytest.approx(sigma(-0.1) / sigma(-1))


def test_only_the_first_detection_in_a_window_counts() -> None:
    labels = series(100, (40, 59))
    assert score(labels, 45, 50, 59) == score(labels, 45)
    assert score(labels, 45) > score(labels, 46)


def test_the_end_of_a_window_is_about_zero_from_both_sides() -> None:
    labels = series(1000, (400, 499))
    assert score(labels, 499) + score(labels, 500) + 1 == pytest.approx(0, abs=1e-3)


def test_a_missed_window_costs_once() -> None:
    labels = series(100, (40, 49), (70, 79))
    assert score(labels) == -2
    assert score(labels, profile=LOW_FN) == -4


def test_a_false_positive_costs_all_before_any_window_and_far_behind_one() -> None:
    labels = series(100, (40, 49))
    assert score(labels, 10) == -1 - 1
    assert score(labels, 49 + 27) == -1 - 1  # 27 = 3 × (10 - 1)
    assert score(labels, 50) == pytest.approx(-1 + sigma(1 / 9))
    assert score(labels, 58) == pytest.approx(-1 - 0.98661, abs=1e-5)
    assert score(labels, 10, 11) == -1 - 2
    assert score(series(100), 5) == -1
    assert score(series(100), 5, profile=LOW_FP) == -0.22


def test_a_false_positive_is_measured_from_the_last_window_before_it() -> None:
    labels = series(200, (40, 49), (70, 89))
    assert score(labels, 90) == pytest.approx(-2 + sigma(1 / 19))


def test_learning_rows_count_neither_for_nor_against() -> None:
    labels = label(np.arange(100.0), [(10, 19), (40, 49)])  # the first 15 rows are for learning
    assert score(labels, 3, 12) == -2
    assert score(labels, 15) == pytest.approx(sigma(-0.5) / sigma(-1) - 1)


def test_nothing_is_0_and_perfection_100_in_every_profile() -> None:
    corpus = [series(100, (40, 49), (70, 79)), series(50), series(80, (20, 29))]
    nothing = [detect(one) for one in corpus]
    perfect = [detect(corpus[0], 40, 70), detect(corpus[1]), detect(corpus[2], 20)]
    for profile in PROFILES:
        for scores, points in ((nothing, 0.0), (perfect, 100.0)):
            at = best_threshold(corpus, scores, profile)
            assert total(corpus, scores, at, profile) == pytest.approx(points)


def test_a_window_in_the_learning_period_can_not_be_earned_but_counts_for_perfection() -> None:
    labels = label(np.arange(100.0), [(2, 9), (40, 49)])
    assert total([labels], [detect(labels, 2, 40)], 0.5, STANDARD) == pytest.approx(100 * (1 + 1) / (2 + 1))


def test_a_corpus_without_windows_has_no_scale() -> None:
    assert math.isnan(scale(-1.0, [series(100)], STANDARD))


def test_the_threshold_sweep_of_the_definition() -> None:
    # Two windows: 0.2 earns 20 and 0.3 earns 10 in the first, 0.5 earns 5 in the second; 0.5 outside costs 3.
    window = np.asarray([-1, 0, 0, 1, -1])
    worth = np.asarray([-3.0, 20.0, 10.0, 5.0, -3.0])
    labels = Labels(window, worth, np.ones(5, dtype=np.bool_), 2)
    scores = np.asarray([0.0, 0.2, 0.3, 0.5, 0.5])
    profile = Profile("cases", false_positive=1.0, false_negative=5.0)
    found = {at: tally(labels, scores, at, profile).score for at in (1.1, 0.5, 0.3, 0.2, 0.0)}
    assert found == {1.1: -10, 0.5: 5 - 3 - 5, 0.3: 5 - 3 + 10, 0.2: 5 - 3 + 20, 0.0: 5 - 3 + 20 - 3}
    assert best_threshold([labels], [scores], profile) == 0.2


def test_nothing_is_detected_where_that_is_best() -> None:
    labels = series(100, (40, 49))
    assert best_threshold([labels], [detect(labels, *range(30))], STANDARD) == NOTHING
    assert best_threshold([labels], [np.full(100, np.nan)], STANDARD) == NOTHING
    assert best_threshold([series(100)], [detect(series(100), 5)], STANDARD) == NOTHING


def test_a_score_that_is_not_a_number_detects_nothing() -> None:
    labels = series(100, (40, 49))
    scores = np.full(100, np.nan)
    scores[44] = 0.3
    assert best_threshold([labels], [scores], STANDARD) == 0.3
    assert tally(labels, scores, 0.3, STANDARD).found == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=60, max_size=60))
def test_no_threshold_is_better_than_the_best(pairs: list[tuple[int, int]]) -> None:
    corpus = [series(60, (10, 14), (40, 49)), series(60, (20, 29))]
    scores = [np.asarray([pair[which] / 10 for pair in pairs]) for which in (0, 1)]
    for profile in PROFILES:
        best = total(corpus, scores, best_threshold(corpus, scores, profile), profile)
        tried = [total(corpus, scores, at, profile) for at in (*np.arange(10) / 10, NOTHING)]
        assert best == pytest.approx(max(tried))


def test_repeated_times_and_steps_back_keep_rows_and_windows_in_order() -> None:
    times_s = np.asarray([0, 1, 2, 2, 3, 4, 3, 5, 6, 6, 7, 8], dtype=float)
    assert label(times_s, [(2, 5)]).window.tolist() == [-1, -1, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1]
    assert label(times_s, [(2, 6)]).window.tolist() == [-1, -1, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1]


def test_limits_between_rows_and_behind_the_end() -> None:
    times_s = np.asarray([0, 10, 20, 30, 40], dtype=float)
    assert label(times_s, [(5, 25)]).window.tolist() == [-1, 0, 0, -1, -1]
    assert label(times_s, [(25, 99)]).window.tolist() == [-1, -1, -1, 0, 0]


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ([(200, 300)], "window 1 holds no row"),
        ([(5, 6)], "window 1 holds no row"),
        ([(30, 10)], "window 1 holds no row"),
        ([(10, 30), (30, 40)], "window 2 overlaps the one before it"),
    ],
)
def test_windows_that_can_not_be(windows: list[tuple[float, float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        label(np.asarray([0, 10, 20, 30, 40], dtype=float), windows)


def total(corpus: Sequence[Labels], scores: Sequence[Floats], at: float, profile: Profile) -> float:
    return scale(
        sum(tally(one, rows, at, profile).score for one, rows in zip(corpus, scores, strict=True)),
        corpus,
        profile,
    )

"""`step`: given a series of 10-second buckets, at these times, expect these pages."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from detectors.contract import NONE, PAGE, Scores, View
from detectors.step import Step, StepParams
from detectors.views import START_S, Event, synthetic_views
from tests.detectors.steady import steady

JUMP_S = 600


def judge(view: View, **params: float) -> Scores:
    return Step(StepParams.model_validate(params)).observe(view)


def recent(*rates: float) -> list[float]:
    """The last 30 buckets of a scope at $10 an hour that ended with these."""
    return [10.0] * (30 - len(rates)) + list(rates)


def bucket_rates(rates: Sequence[float], **columns: float) -> View:
    return steady(**{"recent_usd_per_hour": rates, **columns})  # type: ignore[arg-type]


def first_pages(
    factor: float, *, jump_s: int = JUMP_S, watch_s: int = 600, **world: Any
) -> tuple[list[int], list[int]]:
    """For 20 scopes that jump at `jump_s`: seconds from jump to page, and from jump to the onset told."""
    detector = Step(StepParams())
    paged: dict[int, int] = {}
    onset: dict[int, int] = {}
    jump = Event(jump_s, jump_s + watch_s, factor=factor)
    for view in synthetic_views(scopes=20, duration_s=jump_s + watch_s, events=[jump], **world):
        scores = detector.observe(view)
        for index in np.flatnonzero(scores.severity == PAGE).tolist():
            paged.setdefault(index, view.time_s - START_S - jump_s)
            onset.setdefault(index, int(scores.onset_s[index]) - START_S - jump_s)
    assert len(paged) == 20, f"only {len(paged)} of 20 scopes paged"
    return list(paged.values()), list(onset.values())


def test_a_10x_burn_pages_within_30_seconds_of_10_second_data() -> None:
    paged, onset = first_pages(10)
    assert min(paged) > 0
    assert max(paged) <= 30
    assert max(map(abs, onset)) <= 10


def test_a_10x_burn_pages_with_its_first_60_second_sample() -> None:
    paged, onset = first_pages(10, sample_s=60)
    assert set(paged) == {60}
    assert set(onset) == {0}


def test_a_10x_burn_pages_within_60_seconds_of_its_data_when_samples_come_a_minute_late() -> None:
    # Nothing of [0, 60) can be known before 60 + 60 = 120 s.
    paged, onset = first_pages(10, sample_s=60, late_s=60)
    assert set(paged) == {120}
    assert set(onset) == {0}


def test_a_10x_burn_in_the_middle_of_a_sample_pages_at_the_next_one_at_the_latest() -> None:
    paged, _ = first_pages(10, jump_s=JUMP_S + 30, sample_s=60)
    assert set(paged) <= {30, 90}


@pytest.mark.parametrize(
    "late", [{}, {"sample_s": 60}, {"sample_s": 60, "late_s": 60}], ids=["10 s", "60 s", "late"]
)
def test_a_3x_burn_pages_within_6_minutes(late: dict[str, int]) -> None:
    paged, _ = first_pages(3, **late)
    assert max(paged) <= 360


def test_ten_seconds_say_nothing_yet_and_twenty_do() -> None:
    assert judge(bucket_rates(recent(100.0))).severity[0] == NONE
    # Three buckets 10, 100, 100 without the highest: a mean of 55, an excess of 45 over the least, 15.
    scores = judge(bucket_rates(recent(100.0, 100.0)))
    assert scores.score[0] == pytest.approx(3.0)
    assert scores.severity[0] == PAGE
    assert scores.window_s[0] == 30
    assert scores.tiers[scores.tier[0]] == "fast"


@pytest.mark.parametrize("at", range(30))
def test_one_noisy_bucket_never_pages_wherever_it_is(at: int) -> None:
    rates = recent()
    rates[at] = 1e6
    assert judge(bucket_rates(rates)).severity[0] == NONE


def test_newest_buckets_may_be_empty_for_two_minutes() -> None:
    assert judge(bucket_rates(recent(*[100.0] * 6, *[0.0] * 12))).severity[0] == PAGE
    assert judge(bucket_rates(recent(*[100.0] * 6, *[0.0] * 19))).severity[0] == NONE


def test_the_newest_minute_of_many_sources_may_be_partly_filled() -> None:
    # 60 s samples of many pods at all phases: a bucket that is a seconds old holds a / 60 of its spend.
    filling = [1 - (age_s + 5) / 60 for age_s in range(0, 60, 10)]
    assert judge(bucket_rates(recent(*[100.0] * 6, *(100 * part for part in filling)))).severity[0] == PAGE


def test_a_burst_is_over_80_seconds_after_it_ended() -> None:
    # The newest minute may be partly filled, and one of the last three buckets may be noise.
    burst = [100.0] * 12
    assert judge(bucket_rates(recent(*burst, *[10.0] * 7))).severity[0] == PAGE
    assert judge(bucket_rates(recent(*burst, *[10.0] * 8))).severity[0] == NONE


def test_what_the_spread_allows_does_not_page() -> None:
    # 8 standard deviations of $5/h are $40/h: over 3 minutes $30/h more is within, $41/h more is not.
    noisy = {"spread_usd_per_hour": 5.0, "bucket_spread_usd_per_hour": 5.0}
    assert judge(bucket_rates([40.0] * 30, **noisy)).score[0] == pytest.approx(30 / 40)
    scores = judge(bucket_rates([51.0] * 30, **noisy))
    assert scores.score[0] == pytest.approx(41 / 40)
    assert scores.window_s[0] == 120


def test_one_sample_alone_needs_half_as_much_again() -> None:
    # 12 × $5/h = $60/h for a minute alone; 8 × $5/h × √0.375 = $24/h would do over 2 minutes of samples.
    noisy = {"spread_usd_per_hour": 0.0, "bucket_spread_usd_per_hour": 5.0}
    assert (
        judge(bucket_rates(recent(*[69.0] * 6), **noisy)).score[0]
        < judge(bucket_rates(recent(*[71.0] * 6), **noisy)).score[0]
    )
    long = judge(bucket_rates(recent(*[36.0] * 12), **noisy))
    assert long.window_s[0] == 120
    assert long.score[0] == pytest.approx(26 / (8 * 5 * 0.375**0.5))


def test_two_and_a_half_times_the_rate_is_the_threshold_of_a_calm_scope() -> None:
    assert judge(bucket_rates([25.0] * 30)).score[0] == pytest.approx(1.0)


def test_a_batch_that_runs_at_another_hour_does_not_page() -> None:
    """$10/h is normal now, $50/h in the night: only what is beyond the night's is news."""
    known = {"peak_usd_per_hour": 50.0}
    assert judge(bucket_rates([49.0] * 30, **known)).severity[0] == NONE
    assert judge(bucket_rates([90.0] * 30, **known)).score[0] == pytest.approx(2.0)
    assert judge(bucket_rates([90.0] * 30, peak_usd_per_hour=np.nan)).score[0] == pytest.approx(80 / 15)
    assert judge(bucket_rates([19.9] * 30)).severity[0] == NONE
    assert judge(bucket_rates([25.0] * 30), ratio=3).score[0] == pytest.approx(15 / 20)


def test_40_cents_an_hour_never_page() -> None:
    view = bucket_rates([0.41] * 30, baseline_usd_per_hour=0.01, peak_usd_per_hour=0.01)
    assert judge(view).score[0] == pytest.approx(0.40)
    assert judge(view, floor_usd_per_hour=0.4).score[0] == pytest.approx(1.0)


def test_scaling_to_zero_scores_zero() -> None:
    assert judge(bucket_rates([0.0] * 30)).score[0] == 0
    assert judge(bucket_rates(recent(*[-50.0] * 10))).score[0] == 0


@pytest.mark.parametrize(
    "column", ["baseline_usd_per_hour", "spread_usd_per_hour", "bucket_spread_usd_per_hour"]
)
def test_no_opinion_without_baseline_or_spread(column: str) -> None:
    scores = judge(bucket_rates([1000.0] * 30, **{column: np.nan}))
    assert np.isnan(scores.score[0])
    assert scores.severity[0] == NONE


@pytest.mark.parametrize(
    ("rates", "seconds_ago"),
    [
        (recent(*[100.0] * 7), 70),
        (recent(*[100.0] * 3, 12.0, *[100.0] * 6), 60),  # the run since the dip
        (recent(*[100.0] * 6, *[0.0] * 6), 120),  # the newest minute has not arrived
        ([100.0] * 30, 300),  # five minutes or more
    ],
    ids=["run", "dip", "late", "full"],
)
def test_the_onset_is_the_first_bucket_of_the_run(rates: list[float], seconds_ago: int) -> None:
    view = bucket_rates(rates)
    assert view.time_s - judge(view).onset_s[0] == seconds_ago


def test_the_reason_tells_the_dollars() -> None:
    view = bucket_rates(recent(100.0, 100.0, 100.0))
    detector = Step(StepParams())
    assert detector.reason(view, detector.observe(view), 0) == (
        "Spends $100.00/h over 30 s, $90.00/h more than the $10.00/h that is normal now,"
        " where $15.00/h more would already be too much."
    )

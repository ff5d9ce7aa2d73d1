"""The made-up views add up, so that what a detector says of them means something."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest

from detectors.contract import WINDOWS_S, View
from detectors.views import START_S, Event, arrays, pick, synthetic_views


def last(**world: object) -> View:
    *_, view = synthetic_views(**world)  # type: ignore[arg-type]
    return view


def test_the_same_seed_gives_the_same_views_and_another_one_others() -> None:
    one, same, other = (last(seed=seed, duration_s=60) for seed in (1, 1, 2))
    for (_, a), (_, b) in zip(arrays(one), arrays(same), strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    assert not np.array_equal(one.recent_usd_per_hour, other.recent_usd_per_hour)


def test_every_view_is_a_bucket_on_and_its_buckets_move_along() -> None:
    for before, after in pairwise(synthetic_views(duration_s=600)):
        assert after.time_s == before.time_s + 10
        assert np.array_equal(before.recent_usd_per_hour[:, 1:], after.recent_usd_per_hour[:, :-1])


def test_the_windows_are_means_of_the_buckets() -> None:
    view = last(duration_s=3600)
    assert view.burn_usd_per_hour[300] == pytest.approx(view.recent_usd_per_hour.mean(axis=1))
    means = [v.recent_usd_per_hour.mean(axis=1) for v in synthetic_views(duration_s=3600, every_s=300)]
    assert view.burn_usd_per_hour[3600] == pytest.approx(np.mean(means, axis=0))


def test_without_noise_the_spend_is_what_the_baseline_expects() -> None:
    view = last(noise=0, duration_s=7200)
    for window_s in WINDOWS_S:
        assert view.burn_usd_per_hour[window_s] == pytest.approx(
            view.expected_usd_per_hour[window_s], rel=1e-4
        )
    share = view.month_elapsed_s / view.month_s
    assert view.month_to_date_usd == pytest.approx(view.budget_usd / 1.25 * share, rel=0.05)
    assert view.projection_day_usd == pytest.approx(view.budget_usd / 1.25, rel=0.05)


def test_the_spread_is_that_of_the_series() -> None:
    off = [
        v.burn_usd_per_hour[300] / v.baseline_usd_per_hour
        for v in synthetic_views(duration_s=86400, every_s=300)
    ]
    told = last().spread_usd_per_hour / last().baseline_usd_per_hour
    assert np.std(off, axis=0) == pytest.approx(told, rel=0.2)


def test_an_event_changes_its_scopes_in_its_time() -> None:
    event = Event(start_s=100, end_s=200, factor=0, add_usd_per_hour=7, scopes=(1,))
    view = last(scopes=3, duration_s=300, events=[event])
    assert view.recent_usd_per_hour[1, 10:20] == pytest.approx(7)
    assert (view.recent_usd_per_hour[1, [9, 20]] != 7).all()
    assert (view.recent_usd_per_hour[[0, 2]] != 7).all()


def test_a_late_sample_shows_up_as_a_whole() -> None:
    filled = [
        int((view.recent_usd_per_hour[0] != 0).sum())
        for view in synthetic_views(scopes=1, duration_s=180, sample_s=60, late_s=60)
    ]
    # At 10 s: 30 buckets less the 7 since the last sample that is a minute old. At 60 s: one more sample.
    assert filled == [23, 22, 21, 20, 19, 24] * 3


def test_a_young_scope_has_no_long_windows() -> None:
    view = last(history_s=3600, duration_s=1800)
    assert np.isfinite(view.burn_usd_per_hour[3600]).all()
    assert np.isnan(view.burn_usd_per_hour[7200]).all()


def test_without_a_baseline_all_that_comes_from_it_is_unknown() -> None:
    view = last(baseline="none", budget_ratio=None)
    for values in (view.baseline_usd_per_hour, view.spread_usd_per_hour, view.expected_usd_per_hour[3600]):
        assert np.isnan(values).all()
    assert np.isnan(view.budget_usd).all()
    assert view.baseline_kind.tolist() == [0] * 5


def test_a_new_month_starts_from_nothing() -> None:
    # START_S is 2026-01-10; February begins 22 days on.
    turn_s = START_S + 22 * 86400
    at = {v.time_s: v for v in synthetic_views(scopes=1, duration_s=23 * 86400, every_s=3600)}
    before, after = at[turn_s], at[turn_s + 3600]
    assert (before.month_s, before.month_elapsed_s) == (31 * 86400, 31 * 86400)
    assert (after.month_s, after.month_elapsed_s) == (28 * 86400, 3600)
    assert after.month_to_date_usd == pytest.approx(after.burn_usd_per_hour[3600])


def test_picking_rows_keeps_every_column_aligned() -> None:
    view = last()
    picked = pick(view, [3, 0])
    assert list(picked.scopes) == [view.scopes[3], view.scopes[0]]
    assert {field.name for field in fields(View)} == set(View.__slots__)
    for (name, whole), (_, rows) in zip(arrays(view), arrays(picked), strict=True):
        if not name.startswith("drivers."):
            assert np.array_equal(rows, whole[[3, 0]], equal_nan=True)


def test_picking_rows_takes_their_drivers_along() -> None:
    view = last()
    picked = pick(view, [3, 0])
    for scope, row in ((3, 0), (0, 1)):
        of_view, of_picked = view.drivers.scope == scope, picked.drivers.scope == row
        assert of_picked.sum() == of_view.sum() == 2
        for name in ("driver", "minutes", "hours", "hours_usd"):
            whole, some = getattr(view.drivers, name)[of_view], getattr(picked.drivers, name)[of_picked]
            assert np.array_equal(whole, some, equal_nan=True)


def test_the_drivers_are_what_the_scopes_spend() -> None:
    view = last(duration_s=3600, history_s=2 * 86400)
    drivers = view.drivers
    rates = np.bincount(drivers.scope, drivers.burn_usd_per_hour[300])
    assert rates == pytest.approx(view.burn_usd_per_hour[300])
    egress = drivers.named(["egress_bytes"])
    assert drivers.minutes[egress, -60:].sum(axis=1) * 0.09e-9 == pytest.approx(
        0.3 * view.burn_usd_per_hour[3600], rel=1e-4
    )
    assert drivers.hours_usd.sum() == pytest.approx(24 * view.burn_usd_per_hour[86400].sum(), rel=1e-6)


def test_drivers_are_shown_when_a_minute_has_turned() -> None:
    assert [len(view.drivers.scope) for view in synthetic_views(scopes=1, duration_s=120)] == (
        [0, 0, 0, 0, 0, 2] * 2
    )


def test_a_price_event_changes_the_cost_and_not_the_quantity() -> None:
    dearer = Event(0, 3600, price=3, driver="pod_hours")
    changed, plain = last(duration_s=3600, events=[dearer]), last(duration_s=3600, events=[Event(0, 10)])
    pods = plain.drivers.named(["pod_hours"])
    assert np.array_equal(changed.drivers.minutes, plain.drivers.minutes)
    times = changed.drivers.hours_usd[:, -1] / plain.drivers.hours_usd[:, -1]
    assert times == pytest.approx(np.where(pods, 3, 1))


def test_a_doubling_event_doubles() -> None:
    growth = Event(0, 1200, doubling_s=300, driver="pod_hours")
    view = last(duration_s=1200, noise=0, season=0, events=[growth])
    minutes = view.drivers.minutes[view.drivers.named(["pod_hours"])]
    assert minutes[:, -5] / minutes[:, -10] == pytest.approx(2, rel=1e-3)


def test_the_arrays_are_read_only() -> None:
    assert not any(values.flags.writeable for _, values in arrays(last()))

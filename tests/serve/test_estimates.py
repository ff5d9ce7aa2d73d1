"""Estimates as an invoice line goes by: what factors added stands apart, as long as the money is held."""

from collections.abc import Mapping
from typing import Any

import msgspec

from stream.schema import calibrations
from stream.schema.calibrations import Calibration
from stream.serve.views import DAYS_HELD, Views
from tests.serve.rig import Shop

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 20_000 * DAY_MS
KEY = {"provider": "aws", "account": "111", "service": "Amazon EC2"}
LABELS = {"provider": "aws", "account": "111", "cloud_service": "Amazon EC2", "service": "checkout"}
CALIBRATION = Calibration(
    **KEY, factor="1.0800", measured="1.0800", spread="0.0000", days=3,
    first_day="2024-09-01", last_day="2024-09-03", computed_ms=0,
)  # fmt: skip


def day(shop: Shop, number: int, labels: Mapping[str, str] = LABELS) -> None:
    """One dollar an hour."""
    start_ms = START_MS + number * DAY_MS
    hours = range(start_ms, start_ms + DAY_MS, HOUR_MS)
    estimates = [
        {"start": at, "end": at + HOUR_MS, "driver": "pod_hours", "quantity": 1, "cost_usd": "1"}
        for at in hours
    ]
    message = {"source": "pods", "epoch": 1, "seq": start_ms, "labels": labels, "estimates": estimates}
    shop.hear([msgspec.json.encode(message)], start_ms + DAY_MS)


def rows(shop: Shop) -> list[dict[str, Any]]:
    found = Views(shop).estimates(DAYS_HELD)["estimates"]
    assert all({name: row[name] for name in KEY} == KEY for row in found)
    return [{name: row[name] for name in row if name not in KEY} for row in found]


def test_what_a_factor_added_stands_beside_the_estimate() -> None:
    shop = Shop()
    day(shop, 0)
    day(shop, 1)
    shop.meter.calibrate(calibrations.encode(CALIBRATION))
    day(shop, 2)
    whole = {"estimate_nusd": 24 * 10**9, "calibration_nusd": 0}
    more = {"estimate_nusd": 24 * 1_080_000_000, "calibration_nusd": 24 * 80_000_000}
    assert rows(shop) == [
        {"day": "2024-10-04", **whole, "complete": False},  # metering began
        {"day": "2024-10-05", **whole, "complete": True},
        {"day": "2024-10-06", **more, "complete": True},
    ]
    # 30 days on the parts of scopes are long gone, and this is not.
    day(shop, 32)
    assert rows(shop)[2] == {"day": "2024-10-06", **more, "complete": True}


def test_what_factors_added_is_no_scope_that_people_see() -> None:
    shop = Shop()
    shop.meter.calibrate(calibrations.encode(CALIBRATION))
    day(shop, 0)
    views = Views(shop)
    assert not [scope for scope in views.scopes() if "calibration" in scope]
    shown = views.burn([], "burn", 100)
    assert not [each for each in shown["scopes"] if "calibration" in each["scope"]]
    assert shop.meter.counters.accepted_nusd == 24 * 1_080_000_000
    assert shop.meter.counters.balanced


def test_over_the_cap_on_scopes_it_is_not_known_and_the_day_not_complete() -> None:
    shop = Shop()
    day(shop, 0)
    day(shop, 1)
    for burn in shop.burned:
        burn.windows._max_scopes = len(burn.windows.scopes)  # full from here on
    shop.meter.calibrate(calibrations.encode(CALIBRATION))
    day(shop, 2)
    assert [(row["calibration_nusd"], row["complete"]) for row in rows(shop)] == [(None, False)] * 3

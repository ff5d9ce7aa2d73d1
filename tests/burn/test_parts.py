"""A part's normal: what a page and an incident say each driver spent beyond it."""

import pytest

from stream.burn.parts import split
from stream.schema.spend import DRIVER, Name
from tests.burn.rig import NANO, START, WEB, Rig, estate, normal, record

HOUR = 3600


def played(hours: int, then_usd_per_hour: float) -> tuple[Rig, int]:
    """$10 an hour for so many hours, then ten minutes at another rate; and when that ends."""
    rig = normal(hours, [(WEB, 10.0)])
    now = START + hours * HOUR
    for start_s in range(now, now + 600, 60):
        rig.take(record(start_s + 60, *estate(start_s, start_s + 60, {WEB: then_usd_per_hour})))
    rig.commit()
    return rig, now + 600


@pytest.mark.parametrize(
    ("hours", "normal_usd"),
    [
        (80, 10.0),  # of the same hour of the days before
        (12, 10.0),  # no such hour is known: of the last day
        (5, 0.0),  # too little to call normal, for the scope and so for its parts
    ],
)
def test_the_normal_of_a_driver_is_known_when_that_of_its_scope_is(hours: int, normal_usd: float) -> None:
    rig, now = played(hours, 100.0)
    [part] = split(rig.burn.windows, WEB, DRIVER, now - HOUR, now)
    assert part.spent_nusd == pytest.approx((10 * 50 + 100 * 10) / 60 * NANO)
    assert part.normal_nusd == pytest.approx(normal_usd * NANO)
    assert part.excess_nusd == part.spent_nusd - part.normal_nusd


def test_a_page_of_the_first_day_does_not_call_all_of_a_driver_excess() -> None:
    rig, now = played(12, 100.0)
    [share] = rig.burn.top(WEB, now, DRIVER)
    assert share.excess_nusd == pytest.approx(15 * NANO)
    assert share.cost_nusd == pytest.approx(25 * NANO)


def test_what_grows_now_comes_before_what_grew_earlier_in_the_hour() -> None:
    """A batch was $8 above normal half an hour ago; then egress runs at 60 times its normal for a minute."""
    rig = normal(30, [(WEB, 10.0)])
    now = START + 30 * HOUR

    def minute(start_s: int, batch: float, egress: float) -> None:
        named = {"pod_hours": batch, "egress_bytes": egress}
        spent = [
            (Name(WEB, driver, DRIVER), 10, start_s // 10 + bucket, round(rate * NANO / 360))
            for driver, rate in named.items()
            for bucket in range(6)
        ]
        rig.take(record(start_s + 60, *spent))

    for number in range(60):
        minute(now + 60 * number, 58.0 if 20 <= number < 30 else 10.0, 60.0 if number == 59 else 0.0)
    rig.commit()
    since = [share.name for share in rig.burn.top(WEB, now + HOUR, DRIVER, since_s=now + HOUR - 60)]
    of_the_hour = rig.burn.top(WEB, now + HOUR, DRIVER)
    assert since == ["egress_bytes", "pod_hours"]
    assert [share.name for share in of_the_hour] == ["pod_hours", "egress_bytes"]
    assert [round(share.excess_nusd / NANO, 3) for share in of_the_hour] == [8.0, 1.0]

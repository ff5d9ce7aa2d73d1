"""Local hours: of 23 and 25 hour days, of zones between the hours, and of holidays."""

import datetime as dt
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.burn.calendar import DAY_H, SKIPPED, WEEK_H, Calendar, calendar_of
from stream.config import Burn, Config
from stream.config import load as load_config
from stream.errors import UserError


def hour(text: str, zone: str = "UTC") -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()) // 3600


def wall(text: str) -> int:
    """An hour as clocks show it."""
    return hour(text)


def hours(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


BERLIN = Calendar("Europe/Berlin")


def test_clocks_put_forward_leave_an_hour_out() -> None:
    """29 March 2026: after 01:59 comes 03:00."""
    before = hour("2026-03-29 00:00")
    shown = BERLIN.local(before + np.arange(3)).tolist()
    assert shown == [wall("2026-03-29 01:00"), wall("2026-03-29 03:00"), wall("2026-03-29 04:00")]
    assert BERLIN.utc(hours(wall("2026-03-29 02:00"))).tolist() == [SKIPPED]


def test_clocks_put_back_show_an_hour_twice_and_the_first_counts() -> None:
    """25 October 2026: 02:00 comes twice."""
    first = hour("2026-10-25 00:00")
    assert BERLIN.local(first + np.arange(2)).tolist() == [wall("2026-10-25 02:00")] * 2
    assert BERLIN.utc(hours(wall("2026-10-25 02:00"))).tolist() == [first]


@given(
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                     "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/St_Johns"]),
    st.integers(hour("1995-01-01"), hour("2045-01-01")),
)  # fmt: skip
def test_every_local_hour_is_found_again(zone: str, start: int) -> None:
    calendar = Calendar(zone)
    asked = start + np.arange(2 * DAY_H)
    shown = calendar.local(asked)
    for utc, local in zip(asked.tolist(), shown.tolist(), strict=True):
        told = dt.datetime.fromtimestamp(utc * 3600, zoneinfo.ZoneInfo(zone))
        assert local == int(told.replace(tzinfo=dt.UTC).timestamp()) // 3600
    found = calendar.utc(shown)
    assert ((found == asked) | (found == asked - 1)).all()
    assert (found != SKIPPED).all()


def test_a_holiday_is_like_a_day_that_is_named() -> None:
    calendar = calendar_of(
        Burn.model_validate({"holidays": {"dates": ["2026-12-24"], "country": "DE", "like": "sat"}})
    )
    for day in ("2026-12-24", "2026-12-25", "2026-10-03"):
        local = hours(wall(f"{day} 09:00"))
        assert calendar.holiday(local).all()
        [alike] = calendar.alike(local).tolist()
        like = dt.datetime.fromtimestamp(alike * 3600, dt.UTC)
        assert (like.strftime("%a"), like.hour, 0 <= alike - local[0] < WEEK_H) == ("Sat", 9, True)
    plain = hours(wall("2026-12-23 09:00"))
    assert not calendar.holiday(plain).any()
    assert calendar.alike(plain).tolist() == plain.tolist()


def test_a_part_of_a_country_has_days_of_its_own() -> None:
    epiphany = hours(wall("2026-01-06 12:00"))
    for settings, free in (({}, False), ({"subdivision": "BY"}, True)):
        burn = Burn.model_validate({"holidays": {"country": "DE", **settings}})
        assert calendar_of(burn).holiday(epiphany).tolist() == [free]


@pytest.mark.parametrize(
    ("holidays", "sentence"),
    [
        ({"country": "XX"}, "no holidays are known of 'XX': write an ISO 3166 code such as DE"),
        ({"country": "DE", "subdivision": "ZZ"}, "no holidays are known of 'DE ZZ'"),
        ({"subdivision": "BY"}, "subdivision needs its country"),
        ({"dates": ["24.12."]}, "dates.0"),
        ({"like": "holiday"}, "like"),
    ],
)
def test_what_is_no_holiday_is_refused_in_a_sentence(holidays: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config(None, {"BURNLINE_BURN__HOLIDAYS": str(holidays)})
    assert sentence in str(caught.value)


def test_a_zone_that_is_unknown_is_refused() -> None:
    with pytest.raises(UserError, match="'Europe/Bonn' is no time zone"):
        load_config(None, {"BURNLINE_BURN__TIMEZONE": "Europe/Bonn"})
    assert Config().burn.timezone == "UTC"

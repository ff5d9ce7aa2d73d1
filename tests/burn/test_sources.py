"""A silent source: its ticket, its last rate carried forward, and alerts that it keeps from ending."""

import pytest

from stream.config import Config
from stream.schema.signals import Signal
from stream.schema.sources import Source
from tests.burn.rig import START, WEB, Rig, estate, record

DB = "service=shop/db"
HOURS = 8  # enough for a baseline
END = START + HOURS * 3600
CONFIG = Config.model_validate({"detectors": {"metering-gap": {"carry_for_s": 1800}}})


def word(until_s: int, *, silent: bool = True, gone: bool = False) -> Source:
    return Source(
        name="opencost/eu-1", until_ms=until_s * 1000, silent=silent, gone=gone, cadence_s=10.0,
        silent_after_s=60.0, usd_per_hour=10.0, most=[WEB], count=1, rates=[(WEB, 10.0), ("total", 10.0)],
    )  # fmt: skip


def lived(hours: int = HOURS) -> Rig:
    rig = Rig(CONFIG)
    for step in range(hours * 12):
        start_s = START + step * 300
        rig.take(record(start_s + 300, *estate(start_s, start_s + 300, {WEB: 10.0, DB: 6.0})))
    rig.commit()
    return rig


def without_web(rig: Rig, start_s: int, end_s: int, *words: Source, web: float = 0.0) -> None:
    rates = {DB: 6.0} | ({WEB: web} if web else {})
    rig.take(record(end_s, *estate(start_s, end_s, rates), sources=words))
    rig.commit()


def gaps(rig: Rig) -> list[Signal]:
    return [one for each in rig.evaluations for one in each.signals if one.detector == "metering-gap"]


def test_the_last_rate_goes_on_as_interim_and_is_in_no_total() -> None:
    rig = lived()
    before = {each.scope: each for each in rig.burn.figures()}
    without_web(rig, END, END + 300, word(END))
    after = {each.scope: each for each in rig.burn.figures()}
    assert after[WEB].interim_usd_per_hour[300] == 10.0
    assert after[WEB].burn_usd_per_hour[300] == pytest.approx(before[WEB].burn_usd_per_hour[300])
    assert after[WEB].burn_usd_per_hour[3600] == pytest.approx(10)
    assert after["total"].burn_usd_per_hour[300] == pytest.approx(16)
    assert after[WEB].total_nusd == before[WEB].total_nusd
    assert after[WEB].month_to_date_nusd == before[WEB].month_to_date_nusd
    assert after[DB].interim_usd_per_hour == {}


def test_it_is_carried_for_a_set_time_only() -> None:
    rig = lived()
    without_web(rig, END, END + 300, word(END))
    without_web(rig, END + 300, END + 2700)
    figures = {each.scope: each for each in rig.burn.figures()}
    assert 300 not in figures[WEB].interim_usd_per_hour
    assert figures[WEB].burn_usd_per_hour[300] == 0.0
    assert figures[WEB].interim_usd_per_hour[3600] == 5.0  # half an hour of it


def test_late_estimates_and_another_source_take_its_place() -> None:
    rig = lived()
    without_web(rig, END, END + 300, word(END), web=7.0)
    figures = {each.scope: each for each in rig.burn.figures()}
    assert figures[WEB].interim_usd_per_hour[300] == pytest.approx(3)
    assert figures[WEB].burn_usd_per_hour[300] == pytest.approx(10)


def test_the_ticket_says_what_is_known_and_ends_when_the_source_speaks() -> None:
    rig = lived()
    without_web(rig, END, END + 120, word(END))
    signal = gaps(rig)[-1]
    assert (signal.scope, signal.severity, signal.onset_s) == ("source=opencost/eu-1", "ticket", END)
    assert signal.score == 70 / 60
    assert signal.reason == (
        "opencost/eu-1 has been silent for 70 s; its last rate was $10.00/h. That rate is carried forward as "
        "interim for 29 min more. It used to speak every 10 s. It fed 1 scope, most of all service=shop/web."
    )
    rig.restart()
    without_web(rig, END + 120, END + 180, word(END + 180, silent=False), web=10.0)
    assert (gaps(rig)[-1].severity, gaps(rig)[-1].scope) == ("none", "source=opencost/eu-1")
    assert not {each.scope for each in rig.burn.figures() if each.interim_usd_per_hour}


def test_one_that_is_gone_for_good_is_forgotten() -> None:
    rig = lived()
    without_web(rig, END, END + 120, word(END))
    without_web(rig, END + 120, END + 240, word(0, silent=False, gone=True))
    assert gaps(rig)[-1].severity == "none"
    assert not [key for key in rig.state if key.startswith(b"source/")]


def test_an_alert_is_not_over_because_its_meter_died() -> None:
    rig = lived()
    without_web(rig, END, END + 600, web=400.0)
    assert {one.severity for each in rig.evaluations[-60:] for one in each.signals if one.scope == WEB} >= {
        "page"
    }
    silent = word(END + 600)
    silent.rates = [(WEB, 400.0), ("total", 400.0)]
    without_web(rig, END + 600, END + 1800, silent)
    told = [one for each in rig.evaluations if each.time_s > END + 600 for one in each.signals]
    of_web = [one for one in told if one.scope == WEB]
    assert of_web and "none" not in {one.severity for one in of_web}
    assert of_web[-1].reason.startswith("What this costs is not metered now: opencost/eu-1 has been silent")
    assert of_web[-1].burn_usd_per_hour > 390
    without_web(rig, END + 1800, END + 2400, word(END + 2400, silent=False), web=10.0)
    later = [one for each in rig.evaluations if each.time_s > END + 1800 for one in each.signals]
    assert "step" in {one.detector for one in later if one.scope == WEB and one.severity == "none"}


def test_switched_off_it_says_and_shows_nothing() -> None:
    rig = Rig(Config.model_validate({"detectors": {"metering-gap": {"enabled": False}}}))
    for step in range(24):
        start_s = START + step * 300
        rig.take(record(start_s + 300, *estate(start_s, start_s + 300, {WEB: 10.0, DB: 6.0})))
    end_s = START + 7200
    rig.take(record(end_s + 300, *estate(end_s, end_s + 300, {DB: 6.0}), sources=(word(end_s),)))
    rig.commit()
    assert not gaps(rig)
    assert not {each.scope for each in rig.burn.figures() if each.interim_usd_per_hour}

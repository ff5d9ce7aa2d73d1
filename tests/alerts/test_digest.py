"""The daily digest: small things once a day, in one record."""

from typing import Any

from stream.config import Config
from stream.config_alerts import Alerting, Digest
from stream.schema.alerts import Alert, Severity, State
from stream.schema.signals import Signal
from tests.alerts.estate import NANO, T0, Estate, signal
from tests.alerts.people import CHECKOUT, maintenance

DAY_S = 86_400
NINE = T0 + 19 * 3600  # T0 is 14:00


def estate(**digest: Any) -> Estate:
    return Estate(Config(alerts=Alerting(ticket_for_s=60, hold_s=100, digest=Digest(**digest))))


def small(scope: str = CHECKOUT, severity: str = "digest", **changes: Any) -> Signal:
    return signal(scope, severity, **{"burn": 30.0, "detector": "ratio", **changes})


def a_day(of: Estate, *said: Signal, until_s: int) -> list[Alert]:
    """The signals are told anew every five minutes up to a time."""
    sent = []
    while of.now_s <= until_s:
        sent += of.say(*said)
        of.now_s += 50
    return sent


def test_small_things_are_told_once_a_day_in_one_record() -> None:
    it = estate()
    said = (small(), small("service=ops/log", excess_nusd=50 * NANO, reason="15 % of spend is logs."))
    [digest] = a_day(it, *said, until_s=NINE + 600)
    assert (digest.dedup_key, digest.state, digest.severity) == (
        "digest@2026-01-02", State.FIRING, Severity.DIGEST,
    )  # fmt: skip
    assert digest.time_s == NINE
    assert digest.summary == "2 small things to look at, $83 beyond normal"
    assert digest.digest is not None
    first, second = digest.digest.lines
    assert (first.scope, first.reason, first.trend) == ("service=ops/log", "15 % of spend is logs.", "new")
    assert (second.scope, second.since_s, second.burn_usd_per_hour) == (CHECKOUT, T0, 30.0)


def test_the_next_day_has_another_key_and_tells_the_trend() -> None:
    it = estate()
    both = (small(), small("service=ops/log"))
    a_day(it, *both, until_s=NINE + 60)
    sent = a_day(it, small(burn=60.0), small("service=ops/log", "none"), until_s=NINE + DAY_S + 60)
    over, digest = sent
    assert (over.dedup_key, over.state) == ("digest@2026-01-02", State.RESOLVED)
    assert digest.dedup_key == "digest@2026-01-03"
    assert digest.digest is not None
    assert {line.scope: line.trend for line in digest.digest.lines} == {
        CHECKOUT: "rising", "service=ops/log": "over",
    }  # fmt: skip
    [gone] = [line for line in digest.digest.lines if line.trend == "over"]
    assert gone.until_s is not None
    over, digest = a_day(it, small(burn=59.0), until_s=NINE + 2 * DAY_S + 60)
    assert digest.digest is not None
    assert [line.trend for line in digest.digest.lines] == ["steady"]


def test_an_empty_digest_is_not_sent_unless_it_is_wanted() -> None:
    assert a_day(estate(), until_s=NINE + DAY_S) == []
    first, over, second = a_day(estate(send_empty=True), until_s=NINE + DAY_S)
    assert first.summary == second.summary == "Nothing small to look at"
    assert over.state == State.RESOLVED


def test_it_is_sent_at_the_hour_of_its_zone_also_when_clocks_change() -> None:
    """Nine o'clock in Berlin is 08:00 UTC in winter and 07:00 UTC in summer."""
    it = estate(timezone="Europe/Berlin", send_empty=True)
    it.now_s = T0 + 86 * DAY_S  # 28 March, a day before the clocks change
    sent = [alert for alert in a_day(it, until_s=it.now_s + 3 * DAY_S) if alert.state == State.FIRING]
    assert [alert.time_s % DAY_S // 3600 for alert in sent] == [7, 7, 7]
    it = estate(timezone="Europe/Berlin", send_empty=True)
    [winter] = a_day(it, until_s=T0 + DAY_S)
    assert winter.time_s % DAY_S // 3600 == 8


def test_what_grows_becomes_a_ticket_under_its_own_key() -> None:
    it = estate()
    it.say(small())
    it.wait(100)
    it.say(signal(CHECKOUT, "ticket"))
    [ticket] = it.wait(100)
    assert (ticket.state, ticket.severity, ticket.previous_key) == (State.FIRING, Severity.TICKET, None)


def test_what_is_explained_by_a_narrower_scope_or_held_back_has_no_line() -> None:
    it = estate()
    it.say(small("total", burn=100.0, normal=40.0), small(burn=90.0, normal=30.0))
    it.wait(100)
    assert [line.scope for line in it.stage.digest()] == [CHECKOUT]
    it = estate()
    it.ask(maintenance(T0 + DAY_S))
    it.say(small())
    it.wait(100)
    assert it.stage.digest() == []


def test_what_was_gone_before_a_ticket_would_have_fired_is_not_told() -> None:
    it = estate()
    it.say(small())
    it.wait(40)
    it.say(small(severity="none"))
    assert it.stage.digest() == []

"""Maintenance windows and planned ceilings: what they keep from ringing, and that nothing is lost to them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.config import Config
from stream.schema import dead_letters, topics
from stream.schema.alerts import Alert, Severity, State
from stream.schema.commands import Match
from tests.alerts.estate import NANO, RULES, T0, Estate, batch, signal
from tests.alerts.people import CHECKOUT, maintenance, plan


def told(alerts: list[Alert]) -> list[tuple[State, Severity, str]]:
    return [(alert.state, alert.severity, alert.scope) for alert in alerts]


PAGE = (State.FIRING, Severity.PAGE, CHECKOUT)
REPORT = (State.FIRING, Severity.DIGEST, "total")


def test_a_window_holds_back_what_it_names_and_nothing_else() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 3600))
    estate.say(signal(CHECKOUT), signal("service=shop/cart", labels={"service": "cart"}))
    assert told(estate.wait(300)) == [(State.FIRING, Severity.PAGE, "service=shop/cart")]


def test_what_goes_on_after_its_end_pages_5_minutes_later_and_says_what_held_it_back() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 200))
    report, page = estate.burn(600, signal(CHECKOUT))
    assert told([report, page]) == [REPORT, PAGE]
    assert page.time_s == T0 + 500
    assert page.held_back is not None
    assert (page.held_back.kind, page.held_back.note) == ("maintenance", "move of the database")
    assert page.spent_ms == (T0 + 200) * 1000, "nobody was slow"


def test_what_was_planned_does_not_count_after_its_end() -> None:
    """The windows of a detector reach back into it, so its signal stands for an hour."""
    estate = Estate()
    estate.ask(maintenance(T0 + 200))
    estate.burn(210, signal(CHECKOUT))
    over = signal(CHECKOUT, burn=300.0, onset_s=T0, excess_nusd=22 * NANO)
    assert told([alert for _ in range(360) for alert in estate.say(over)]) == []
    estate.say(signal(CHECKOUT, "none"))
    assert estate.wait(RULES.hold_s + 20) == []


def test_what_begins_after_its_end_pages_as_soon_as_ever() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 200))
    estate.burn(210, signal(CHECKOUT))
    estate.wait(50)
    runaway = signal(CHECKOUT, detector="growth", onset_s=estate.now_s - 20)
    assert told(estate.burn(60, runaway)) == [PAGE]


def test_a_meter_that_is_silent_is_told_of_after_its_end_as_it_spends_nothing() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 200, match=Match(scopes=("source=*",))))
    silent = signal("source=opencost/eu-1", "ticket", detector="metering-gap", excess_nusd=0, normal=None)
    told_of = [alert for _ in range(40) for alert in estate.say(silent)]
    assert told(told_of)[0] == (State.FIRING, Severity.TICKET, "source=opencost/eu-1")


def test_the_report_says_what_was_held_back_and_is_over_with_the_next_digest() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 200))
    estate.say(signal(CHECKOUT))
    estate.wait(50)
    estate.say(signal(CHECKOUT, "none"))
    [report] = estate.wait(300)
    assert report.digest is not None
    assert report.summary == "Maintenance 'move of the database' is over: it held back 1 alert"
    [line] = report.digest.lines
    assert (line.scope, line.severity, line.detector) == (CHECKOUT, Severity.PAGE, "step")
    assert line.burn_usd_per_hour == 412.0
    estate.now_s = T0 + 86_400
    [over] = estate.say()
    assert (over.dedup_key, over.state) == (report.dedup_key, State.RESOLVED)


def test_a_window_in_which_nothing_happened_is_not_told() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 200))
    estate.say(signal(CHECKOUT))
    estate.say(signal(CHECKOUT, "none"))
    assert estate.wait(600) == []


def test_what_was_told_before_may_end_within_it_but_not_get_worse() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT, "ticket"))
    estate.wait(100)
    estate.ask(maintenance(T0 + 900))
    estate.say(signal(CHECKOUT))
    assert estate.wait(100) == []
    assert next(alert.held_back for alert in estate.stage.active()) is not None
    estate.say(signal(CHECKOUT, "none"))
    assert [alert.state for alert in estate.wait(200)] == [State.RESOLVED]


def test_a_window_can_be_ended_early() -> None:
    estate = Estate()
    window = maintenance(T0 + 36_000)
    estate.ask(window)
    estate.say(signal(CHECKOUT))
    estate.wait(100)
    estate.ask(maintenance(T0 + 36_000, ended_s=estate.now_s, ended_by="bo"))
    ended_s = estate.now_s
    report, page = estate.burn(400, signal(CHECKOUT))
    assert told([report, page]) == [REPORT, PAGE]
    assert page.held_back is not None
    assert (page.held_back.until_s, page.time_s) == (ended_s, ended_s + 300)


def test_windows_by_label_reach_what_owner_rules_make_of_it() -> None:
    rules: Any = {"alerts": RULES, "owners": [{"match": {"namespace": "shop"}, "set": {"team": "payments"}}]}
    estate = Estate(Config(**rules))
    estate.ask(maintenance(T0 + 3600, match=Match(labels={"team": "pay*"})))
    estate.say(signal(CHECKOUT), signal("service=ops/log"))
    assert told(estate.wait(100)) == [(State.FIRING, Severity.PAGE, "service=ops/log")]


def test_windows_of_the_configuration_recur() -> None:
    """From 14:00 to 14:05 each Thursday; T0 is one, at 14:00 UTC."""
    window: Any = {"name": "weekly", "scopes": ["service=*"], "at": "15:00", "duration_s": 300,
                   "timezone": "Europe/Berlin", "weekdays": ["thu"]}  # fmt: skip
    estate = Estate(Config(alerts=RULES, maintenance=(window,)))
    _, page = estate.burn(900, signal(CHECKOUT))
    assert page.time_s == T0 + 600
    assert page.held_back is not None
    assert page.held_back.id == "file:weekly"


def test_a_plan_is_quiet_up_to_its_ceiling_and_pages_above_it() -> None:
    estate = Estate()
    estate.ask(plan(500.0, T0 + 36_000, floor_usd_per_hour=20.0))
    estate.say(signal(CHECKOUT, burn=510.0))
    assert estate.wait(600) == []
    estate.say(signal(CHECKOUT, burn=521.0))
    [page] = estate.wait(60)
    assert told([page]) == [PAGE]
    assert (page.tier, page.time_s) == ("plan", T0 + 630)
    assert page.plan is not None
    assert (page.plan.ceiling_usd_per_hour, page.plan.by, page.plan.note) == (500.0, "ana", "load test")
    assert page.reason.startswith("$521/h is above the planned $500/h (load test, by ana, until 2 Jan 00:00")


def test_above_the_ceiling_even_a_ticket_pages() -> None:
    estate = Estate()
    estate.ask(plan(500.0, T0 + 36_000))
    estate.say(signal(CHECKOUT, "digest", burn=600.0))
    assert told(estate.wait(60)) == [PAGE]


def test_a_plan_that_is_said_late_ends_the_page() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT))
    estate.wait(50)
    estate.ask(plan(500.0, T0 + 36_000))
    [resolved] = estate.wait(RULES.hold_s + 20)
    assert resolved.state == State.RESOLVED
    assert resolved.plan is not None


def test_when_a_plan_ends_what_still_burns_pages() -> None:
    estate = Estate()
    estate.ask(plan(500.0, T0 + 300))
    report, page = estate.burn(700, signal(CHECKOUT))
    assert told([report, page]) == [REPORT, PAGE]
    assert report.summary == "The plan 'load test' is over: it held back 1 alert"


def test_above_its_ceiling_a_plan_pages_within_maintenance_too() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 3600), plan(500.0, T0 + 3600))
    estate.say(signal(CHECKOUT, burn=700.0))
    assert told(estate.wait(60)) == [PAGE]


def test_wider_scopes_are_quiet_with_what_explains_them() -> None:
    estate = Estate()
    estate.ask(maintenance(T0 + 600))
    estate.say(signal(CHECKOUT), signal("total", burn=900.0, normal=500.0))
    assert estate.burn(590, signal(CHECKOUT)) == []
    assert told(estate.burn(400, signal(CHECKOUT))) == [REPORT, PAGE]


@given(
    windows=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), max_size=4),
    burning=st.lists(st.booleans(), min_size=60, max_size=60),
)
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_over_the_end_of_a_window(
    windows: list[tuple[int, int]], burning: list[bool]
) -> None:
    """Whatever windows there were: once none holds and it burns for as long as a page must, it stands; and
    what has been held back for as long was told in a report."""
    estate = Estate()
    estate.ask(
        *(
            maintenance(T0 + (start + length) * 10, id=f"m{n}", since_s=T0 + start * 10)
            for n, (start, length) in enumerate(windows)
        )
    )
    for burns in [*burning, *[True] * 100]:
        estate.burn(10, signal(CHECKOUT, "page" if burns else "none"))
    [standing] = estate.stage.active()
    assert standing.state == State.FIRING
    keys = [alert.dedup_key for alert in estate.sent if alert.state == State.FIRING]
    assert len(keys) == len(set(keys))
    resolved = {alert.dedup_key for alert in estate.sent if alert.state == State.RESOLVED}
    open_pages = [key for key in keys if key not in resolved and key.startswith("service=")]
    assert open_pages == [standing.dedup_key], "one open key for one problem"
    assert estate.stage.held_back() == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "an empty record ends no command"),
        (b"{", "truncated"),
        (b'{"kind": "zap"}', "Invalid value 'zap'"),
        (b'{"kind":"plan","id":"x","by":"a","made_s":1,"match":{},"since_s":1}', "name the scopes"),
        (b"\xff", "malformed"),
        (b'{"a":' * 5000, "recursion"),
    ],
)  # fmt: skip
def test_what_is_no_command_is_a_dead_letter(value: bytes, why: str) -> None:
    estate = Estate()
    estate.stage.take(batch([value], topics.COMMANDS, 7))
    [output] = estate.stage.commit(0).outputs
    letter = dead_letters.decode(output.value)
    assert (letter.topic, letter.offset, letter.original_bytes) == ("commands", 7, len(value))
    assert why in letter.detail

"""What a verdict would have changed: of past alerts, only what is certain."""

from typing import Any

import msgspec

from stream.alerts.consequence import consequence, past, proposed
from stream.schema.alerts import Alert, Severity, State
from stream.schema.feedback import Verdict
from tests.alerts.estate import T0, Estate, signal
from tests.alerts.people import CHECKOUT, feedback

DAY_S = 86_400
NOW_S = T0 + 20 * DAY_S


def alert(began_s: int = T0, lasted_s: int = 600, **changes: Any) -> Alert:
    """A page that was resolved."""
    estate = Estate()
    estate.say(signal(CHECKOUT))
    [fired] = estate.wait(50)
    times = {
        "onset_s": began_s,
        "fired_s": began_s + 20,
        "resolved_s": began_s + lasted_s,
        "time_s": began_s + lasted_s,
    }
    given = {**times, "state": State.RESOLVED, "dedup_key": f"{CHECKOUT}@{began_s}/page", **changes}
    return msgspec.structs.replace(fired, **given)


def ids(found: Any) -> list[int]:
    return [one.alert.onset_s for one in found]


def test_false_removes_what_scored_no_higher() -> None:
    known = past(
        [
            alert(T0, scores={"step": 1.50}),
            alert(T0 + DAY_S, scores={"step": 1.52}),
            alert(T0 + 2 * DAY_S, scores={"step": 1.2, "egress": 1.1}),
            alert(T0 + 3 * DAY_S, scores={}),
            alert(T0 + 4 * DAY_S, scores={"step": 1.1}, scope="total", dedup_key="total@1/page"),
        ],
        [feedback(Verdict.REAL, alert=f"{CHECKOUT}@{T0}/page-fast")],
        T0,
    )
    said = proposed(known[-1].alert, Verdict.FALSE, id_="f", by="ana", now_s=NOW_S)
    assert said.factors == {"step": 1.5}
    assert said.expires_s == NOW_S + 30 * DAY_S
    found = consequence(said, known, T0, NOW_S)
    assert ids(found.removed) == [T0]
    assert ids(found.hidden_real) == [T0], "also under the key of another level"
    assert found.kept == 3
    assert found.notes == ("step must be 1.5 times its threshold to tell of service=shop/checkout.",)


def test_the_stage_does_what_the_preview_said() -> None:
    """What a preview calls removed does not ring when the same happens again; a little more does."""
    said = proposed(alert(scores={"step": 1.503}), Verdict.FALSE, id_="f", by="ana", now_s=T0)
    for score, rings in ((1.503, False), (1.52, True)):
        estate = Estate()
        estate.ask(said)
        estate.say(signal(CHECKOUT, score=score))
        assert bool(estate.wait(100)) == rings


def test_a_threshold_rises_to_three_times_itself_at_most() -> None:
    known = past([alert(scores={"step": 9.0})], [], T0)
    said = proposed(known[0].alert, Verdict.FALSE, id_="f", by="ana", now_s=NOW_S)
    assert said.factors == {"step": 3.0}
    found = consequence(said, known, T0, NOW_S)
    assert found.removed == ()
    assert found.notes[-1].startswith("It would have rung all the same")


def test_expected_each_week_removes_what_fits_its_time_and_ceiling() -> None:
    week_s = 7 * DAY_S
    known = past(
        [
            alert(T0),
            alert(T0 + week_s),
            alert(T0 + 2 * week_s, lasted_s=3600),
            alert(T0 + week_s + DAY_S),
            alert(T0 - week_s, peak_usd_per_hour=600.0),
        ],
        [],
        0,
    )
    said = proposed(known[-2].alert, Verdict.EXPECTED, id_="f", by="ana", now_s=NOW_S, weekly=True)
    assert said.ceiling_usd_per_hour == 515.0, "a quarter above its peak of $412"
    assert (said.since_s, said.until_s) == (T0 - 300, T0 + 600)
    found = consequence(said, known, 0, NOW_S)
    assert ids(found.removed) == [T0 + week_s, T0]
    assert found.kept == 3
    once = proposed(known[-2].alert, Verdict.EXPECTED, id_="f", by="ana", now_s=NOW_S)
    assert once.ceiling_usd_per_hour is None
    assert consequence(once, known, 0, NOW_S).removed == ()


def test_a_new_normal_removes_what_came_after_it() -> None:
    known = past([alert(T0 + n * DAY_S) for n in range(4)], [], T0)
    said = proposed(known[1].alert, Verdict.NEW_NORMAL, id_="f", by="ana", now_s=NOW_S)
    assert said.since_s == T0 + 2 * DAY_S
    assert ids(consequence(said, known, T0, NOW_S).removed) == [T0 + 3 * DAY_S, T0 + 2 * DAY_S]


def test_real_removes_nothing() -> None:
    known = past([alert()], [], T0)
    found = consequence(proposed(alert(), Verdict.REAL, id_="f", by="ana", now_s=NOW_S), known, T0, NOW_S)
    assert (found.removed, found.kept) == ((), 1)


def test_a_problem_counts_once_however_often_it_was_told_and_what_was_taken_back_says_nothing() -> None:
    told = [
        alert(state=State.FIRING, severity=Severity.TICKET, dedup_key=f"{CHECKOUT}@{T0}/ticket"),
        alert(state=State.ESCALATED),
        alert(),
    ]
    [one] = past(told, [feedback(Verdict.REAL, ended_s=T0 + 1)], T0)
    assert (one.alert.state, one.verdicts) == (State.RESOLVED, ())
    assert past(told, [], T0 + DAY_S) == []

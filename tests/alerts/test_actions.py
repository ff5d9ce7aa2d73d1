"""Actions: proposed, decided once, in time and by name, or not at all."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stream.alerts import recipes
from stream.config import Config
from stream.config_actions import StepName
from stream.notify.page import render
from stream.schema import actions, alerts, topics
from stream.schema.actions import Action, Entry
from stream.schema.commands import Approval
from tests.alerts.estate import RULES, Estate, batch, signal

CHECKOUT = "service=shop/checkout"
HANDS = {"kind": "webhook", "name": "hands", "url": "http://127.0.0.1:9/"}
RULE = {"name": "cap-shop", "step": "scale-workload", "labels": {"namespace": "shop"}, "expires_s": 600}


def estate(**rule: Any) -> Estate:
    config = Config.model_validate(
        {"alerts": RULES.model_dump(), "actions": [RULE | rule], "notify": {"destinations": [HANDS]}}
    )
    return Estate(config, restarts=True)


def log(of: Estate) -> list[Entry]:
    return [
        actions.decode(one.value)
        for done in of.commits
        for one in done.outputs
        if one.topic == topics.ACTIONS
    ]


def events(of: Estate) -> list[tuple[str, str]]:
    return [(one.event, one.by) for one in log(of)]


def proposed(of: Estate, scope: str = CHECKOUT) -> Action:
    of.say(signal(scope))
    of.wait(40)
    [action] = [one for one in of.stage.actions() if one.state == actions.PROPOSED]
    return action


def decision(action: Action, by: str = "ana", made_s: int | None = None, **more: object) -> Approval:
    given = {"id": f"d-{by}", "approved": True, "action": action.id, "by": by}
    return Approval(**given | {"made_s": action.proposed_s + 10 if made_s is None else made_s} | more)  # type: ignore[arg-type]


def test_a_page_proposes_and_says_how_to_approve() -> None:
    it = estate()
    it.say(signal(CHECKOUT))
    [page] = it.wait(40)
    [action] = page.actions
    assert action.id.startswith("cap-shop-")
    assert action.step.run == "kubectl --namespace=shop scale deployment/checkout --replicas=10"
    assert (action.dry_run, action.expires_s - action.proposed_s) == (True, 600), "on trial, and not for long"
    assert f"as a dry run; until 14:10 UTC: burnline action approve {action.id} --by NAME" in render(page)
    assert events(it) == [("proposed", "")]
    it.wait(100)
    assert events(it) == [("proposed", "")], "once"


@pytest.mark.parametrize(
    "rule",
    [
        {"labels": {"namespace": "pay"}},
        {"step": "stop-function", "labels": {"team": "x"}},
        {"step": "close-bucket"},
    ],
)
def test_what_does_not_fit_is_not_proposed(rule: dict[str, object]) -> None:
    it = estate(**rule)
    it.say(signal(CHECKOUT))
    [page] = it.wait(40)
    assert (page.actions, log(it)) == ((), [])


def test_without_rules_nothing_is_proposed_and_a_ticket_proposes_only_where_the_rule_says_so() -> None:
    for rules, found in (([], 0), ([RULE], 0), ([RULE | {"severity": "ticket"}], 1)):
        it = Estate(Config.model_validate({"alerts": RULES.model_dump(), "actions": rules}))
        it.say(signal(CHECKOUT, "ticket"))
        it.wait(100)
        assert len(log(it)) == found


def test_the_first_decision_counts_and_others_are_refused() -> None:
    it = estate()
    action = proposed(it)
    it.ask(decision(action, "ana"))
    it.ask(decision(action, "ana"))  # the same record again
    it.ask(decision(action, "bo", approved=False))
    it.wait(1_000)
    [decided] = it.stage.actions()
    assert (decided.state, decided.by, decided.at_s) == ("approved", "ana", action.proposed_s + 10)
    assert events(it) == [("proposed", ""), ("approved", "ana"), ("refused", "bo")]
    last = log(it)[-1]
    assert (last.detail, last.refused) == ("it was approved by ana already", "d-bo")


@pytest.mark.parametrize("told_late", [True, False])
def test_what_has_expired_is_not_approved(told_late: bool) -> None:
    it = estate()
    action = proposed(it)
    if told_late:  # time has come to its end
        it.wait(700)
        assert events(it)[-1] == ("expired", "")
    it.ask(decision(action, made_s=action.expires_s))
    assert events(it) == [("proposed", ""), ("expired", ""), ("refused", "ana")]
    assert it.stage.actions()[0].state == "expired"


def test_a_record_that_claims_an_earlier_time_is_held_to_when_it_came() -> None:
    it = estate()
    action = proposed(it)
    late = batch([b'{"kind":"approval","id":"x","by":"eve","made_s":%d,"action":"%s","approved":true}'
                  % (action.proposed_s, action.id.encode())], topics.COMMANDS, 99)  # fmt: skip
    late.timestamps_ms = [action.expires_s * 1000]
    it.stage.take(late)
    it.say()
    assert events(it)[1:] == [("expired", ""), ("refused", "eve")]


def test_an_alert_that_ends_takes_its_proposal_along() -> None:
    it = estate()
    action = proposed(it)
    it.say(signal(CHECKOUT, "none"))
    it.wait(200)
    it.ask(decision(action))
    assert events(it) == [("proposed", ""), ("withdrawn", ""), ("refused", "ana")]


@pytest.mark.parametrize("by", [b'""', b'"  "'])
def test_nobody_is_no_name(by: bytes) -> None:
    it = estate()
    action = proposed(it)
    record = b'{"kind":"approval","id":"x","by":%s,"made_s":%d,"action":"%s","approved":true}' % (
        by, action.proposed_s, action.id.encode(),
    )  # fmt: skip
    it.stage.take(batch([record], topics.COMMANDS, 99))
    it.say()
    assert [one.topic for done in it.commits for one in done.outputs][-1] == topics.DEAD_LETTERS
    assert it.stage.actions() == [action]


def test_its_destination_is_told_and_no_other_sees_it_as_an_alert() -> None:
    it = estate(destination="hands")
    action = proposed(it)
    it.ask(decision(action))
    told = [
        alerts.decode(one.value) for done in it.commits for one in done.outputs if one.topic == topics.ALERTS
    ]
    assert [(one.about, one.destination, one.action and one.action.event) for one in told] == [
        ("spend", "", None), ("action", "hands", "proposed"), ("action", "hands", "approved"),
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["approve", "decline", "again", "wait", "clear", "ring"]), min_size=1, max_size=12
    )
)
def test_no_action_is_ever_approved_twice(does: list[str]) -> None:
    it = estate(expires_s=60)
    it.say(signal(CHECKOUT))
    it.wait(40)
    for number, what in enumerate(does):
        if what == "wait":
            it.wait(50)
        elif what in ("clear", "ring"):
            it.say(signal(CHECKOUT, "none" if what == "clear" else "page"))
            it.wait(150 if what == "clear" else 30)
        elif known := it.stage.actions():
            who = f"n{number}" if what != "again" else "n0"
            it.ask(decision(known[0], who, made_s=it.now_s, approved=what != "decline"))
    by_id: dict[str, list[Entry]] = {}
    for entry in log(it):
        by_id.setdefault(entry.action.id, []).append(entry)
    for entries in by_id.values():
        ends = [one for one in entries if one.event not in ("proposed", "refused")]
        assert [one.event for one in entries].count("proposed") == 1
        assert len(ends) <= 1
        for one in ends:
            if one.event == "approved":
                assert one.by and one.at_s < one.action.expires_s


def test_what_is_configured_makes_sense() -> None:
    assert sorted(get_args(StepName)) == sorted(one.id for one in recipes.ALL)
    for wrong, said in (
        (RULE | {"destination": "pager"}, "is no webhook of notify.destinations; there is hands"),
        (RULE | {"labels": {}}, "name the scopes or the labels"),
        (RULE | {"step": "rm"}, "cap-autoscaler"),
    ):
        with pytest.raises(ValidationError, match=said.replace(".", r"\.").replace("is hands", "are hands")):
            Config.model_validate({"actions": [wrong], "notify": {"destinations": [HANDS]}})

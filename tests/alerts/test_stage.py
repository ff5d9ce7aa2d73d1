"""The alerts stage: what it sends, when, on which clock, and that a restart changes nothing."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.alerts.clock import Clock
from stream.alerts.stage import Alerts
from stream.config import Config, OwnerRule
from stream.schema import dead_letters, topics
from stream.schema.alerts import Alert, Happening, Severity, State
from stream.schema.dead_letters import Reason
from stream.schema.deploys import Deploy
from stream.schema.signals import Evaluation, Signal, encode
from stream.stage import StateRow
from tests.alerts.estate import NANO, RULES, T0, Estate, alerts_of, batch, evaluation, shares, signal

CHECKOUT = "service=shop/checkout"


def test_a_page_is_sent_once_with_all_that_it_must_say() -> None:
    estate = Estate()
    part = shares(team_payments=30)
    estate.say(signal(CHECKOUT, drivers=part, children=part))
    assert estate.say() == []
    [page] = estate.say()
    assert estate.wait(300) == []
    assert page == Alert(
        dedup_key=f"service=shop/checkout@{T0}/page",
        previous_key=None,
        state=State.FIRING,
        severity=Severity.PAGE,
        tier="",
        scope=CHECKOUT,
        labels={"namespace": "shop", "service": "checkout"},
        detectors=("step",),
        summary="service=shop/checkout burns $412/h, normally $21/h (×19.6); "
        "$33 beyond normal since 14:00 UTC",
        reason="service=shop/checkout stepped up.",
        time_s=T0 + 20,
        onset_s=T0,
        fired_s=T0 + 20,
        resolved_s=None,
        burn_usd_per_hour=412.0,
        baseline_usd_per_hour=21.0,
        baseline_kind="hour of week",
        excess_nusd=33 * NANO,
        month_to_date_nusd=5_000 * NANO,
        projection_usd=18_000.0,
        projection_low_usd=15_000.0,
        projection_high_usd=21_000.0,
        budget_usd=10_000.0,
        budget_exhaustion_s=T0 + 86_400,
        calibration=1.0,
        drivers=part,
        children=part,
        attached=(),
        blame=None,
        runbook_url="http://127.0.0.1:9107/runbooks/step?alert=service%3Dshop%2Fcheckout%401767276000%2Fpage",
        console_url="http://127.0.0.1:9107/?scope=service%3Dshop%2Fcheckout",
        spent_ms=T0 * 1000,
        emitted_ms=(T0 + 20) * 1000 + 4321,
        scores={"step": 1.5},
        peak_usd_per_hour=412.0,
        fired_count=1,
        feedback_url="http://127.0.0.1:9107/?scope=service%3Dshop%2Fcheckout"
        "&alert=service%3Dshop%2Fcheckout%401767276000%2Fpage",
        steps=page.steps,
        steps_of=CHECKOUT,
    )


def test_what_was_never_bad_is_no_alert() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT, "none"))
    assert estate.wait(1000) == []
    assert estate.stage.active() == []
    assert list(estate.rows) == [b"clock", b"digest"]


def test_the_key_lasts_as_long_as_the_problem_and_the_next_problem_has_another() -> None:
    estate = Estate()
    for _ in range(2):
        estate.say(signal(CHECKOUT))
        estate.wait(50)
        estate.say(signal(CHECKOUT, "none"))
        estate.wait(200)
    firing, resolved, again, resolved_again = estate.sent
    assert [alert.state for alert in estate.sent] == [State.FIRING, State.RESOLVED] * 2
    assert firing.dedup_key == resolved.dedup_key
    assert again.dedup_key == resolved_again.dedup_key != firing.dedup_key
    assert not [key for key in estate.rows if key.startswith(b"scope/")], "nothing is left of it"


def test_an_escalation_has_a_new_key_and_names_the_old_one() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT, "ticket", tier="long"))
    estate.wait(80)
    estate.say(signal(CHECKOUT, "page", detector="burn_vs_budget", tier="slow"))
    estate.wait(80)
    estate.say(signal(CHECKOUT, "page", detector="burn_vs_budget", tier="fast"))
    estate.wait(80)
    ticket, page, worse = estate.sent
    assert [(alert.state, alert.severity, alert.tier) for alert in estate.sent] == [
        (State.FIRING, Severity.TICKET, "long"),
        (State.ESCALATED, Severity.PAGE, "slow"),
        (State.ESCALATED, Severity.PAGE, "fast"),
    ]
    assert ticket.previous_key is None
    assert page.previous_key == ticket.dedup_key
    assert worse.previous_key == page.dedup_key
    assert len({alert.dedup_key for alert in estate.sent}) == 3


def test_several_detectors_on_one_scope_are_one_alert() -> None:
    estate = Estate()
    estate.say(
        signal(CHECKOUT, "page", detector="step", onset_s=T0 - 20, excess_nusd=2 * NANO),
        signal(CHECKOUT, "ticket", detector="change_point", onset_s=T0 - 900, excess_nusd=90 * NANO),
        signal(CHECKOUT, "page", detector="burn_vs_baseline", score=9.0),
    )
    [page] = estate.wait(200)
    assert page.severity == Severity.PAGE
    assert page.detectors == ("burn_vs_baseline", "change_point", "step"), "the one that decides first"
    assert (page.onset_s, page.excess_nusd) == (T0 - 900, 90 * NANO)


def test_it_is_clear_only_when_every_detector_is() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT), signal(CHECKOUT, detector="egress"))
    estate.wait(50)
    estate.say(signal(CHECKOUT, "none"))
    assert len(estate.sent) == 1
    estate.wait(300)
    estate.say(signal(CHECKOUT, "none", detector="egress", burn=22.0))
    [resolved] = estate.wait(300)
    assert (resolved.state, resolved.severity) == (State.RESOLVED, Severity.PAGE)
    assert resolved.resolved_s == resolved.time_s == T0 + 370 + RULES.hold_s
    assert resolved.summary.startswith("service=shop/checkout is back to $22/h, normally $21/h (×1.0); $33")


def test_a_signal_that_is_never_refreshed_has_cleared() -> None:
    """A detector that was switched off does not say so."""
    estate = Estate()
    estate.say(signal(CHECKOUT))
    states = [alert.state for alert in estate.wait(900)]
    assert states == [State.FIRING]
    assert [alert.state for alert in estate.wait(200)] == [State.RESOLVED]


def test_the_active_alerts_are_shown_with_their_newest_figures() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT))
    [pending] = estate.stage.active()
    assert (pending.state, pending.dedup_key) == (State.PENDING, "")
    estate.wait(50)
    estate.say(signal(CHECKOUT, burn=999.0))
    [firing] = estate.stage.active()
    assert (firing.state, firing.burn_usd_per_hour) == (State.FIRING, 999.0)
    assert firing.dedup_key == estate.sent[0].dedup_key


def test_a_long_scope_still_has_a_key_of_bounded_length() -> None:
    estate = Estate()
    scopes = [f"service=shop/{'x' * 300}{end}" for end in "ab"]
    estate.say(*(signal(scope) for scope in scopes))
    keys = {alert.dedup_key for alert in estate.wait(50)}
    assert len(keys) == 2
    assert all(len(key) <= 255 for key in keys)


def test_time_is_that_of_the_slowest_partition() -> None:
    estate = Estate()
    estate.take([evaluation(T0, signal(CHECKOUT), partitions=2)])
    estate.take([evaluation(T0 + 60, partitions=2)])
    assert estate.take([evaluation(T0, partition=1, partitions=2)]) == [], "the other is at its start"
    assert estate.take([evaluation(T0 + 10, partition=1, partitions=2)]) == []
    assert len(estate.take([evaluation(T0 + 60, partition=1, partitions=2)])) == 1


def test_how_partitions_mix_makes_no_difference() -> None:
    """A worker is 50 s ahead: its signal has come and gone before the other partition got there."""
    said = {T0 + 10: [signal(CHECKOUT)], T0 + 40: [signal(CHECKOUT, "none")]}
    one = [
        evaluation(time_s, *said.get(time_s, []), partitions=2, emitted_ms=0)
        for time_s in range(T0, T0 + 200, 10)
    ]
    other = [msgspec.structs.replace(each, partition=1, signals=()) for each in one]

    def sent(order: list[Evaluation]) -> list[Alert]:
        estate = Estate()
        estate.take(order)
        return estate.sent

    in_step = sent([each for pair in zip(one, other, strict=True) for each in pair])
    assert [alert.state for alert in in_step] == [State.FIRING, State.RESOLVED]
    assert sent([*one, *other]) == sent([*other, *one]) == in_step


def test_a_silent_partition_stops_nobody_else() -> None:
    estate = Estate()
    estate.take([evaluation(T0, partitions=2), evaluation(T0, partition=1, partitions=2)])
    said = [evaluation(T0 + 10, signal(CHECKOUT), partitions=2)]
    said += [evaluation(T0 + passed, partitions=2) for passed in (20, 30, 40, 50, 60)]
    assert estate.take(said) == [], "it may only be slow"
    [page] = estate.take([evaluation(T0 + 70, partitions=2)])
    assert page.scope == CHECKOUT


def test_a_partition_never_heard_of_stops_nobody_for_long() -> None:
    estate = Estate()
    said = [evaluation(T0, signal(CHECKOUT), partitions=2)]
    said += [evaluation(T0 + passed, partitions=2) for passed in range(10, 70, 10)]
    assert estate.take(said) == []
    assert len(estate.take([evaluation(T0 + 70, partitions=2)])) == 1


def test_the_clock_never_goes_back() -> None:
    clock = Clock()
    times = []
    steady = [(passed, 0, passed) for passed in range(10, 100, 10)]
    said = [(0, 1, 0), (0, 0, 0), *steady, (10, 1, 91), (100, 0, 100)]
    for time_s, partition, emitted_s in said:
        clock.hear(
            evaluation(T0 + time_s, partition=partition, partitions=2, emitted_ms=(T0 + emitted_s) * 1000)
        )
        times.append(clock.now_s and clock.now_s - T0)
    assert times == [0, *[0] * 7, 70, 80, 90, 90, 90]


def test_after_a_silence_of_all_the_first_waits_for_the_rest() -> None:
    """The broker was away for five minutes; partition 1 is restored a few seconds after partition 0."""
    clock = Clock()

    def hear(time_s: int, partition: int, emitted_s: int) -> int:
        clock.hear(
            evaluation(T0 + time_s, partition=partition, partitions=2, emitted_ms=(T0 + emitted_s) * 1000)
        )
        return clock.now_s - T0

    hear(0, 1, 3)
    assert hear(0, 0, 3) == 0
    assert [hear(10 * step, 0, 303 + step) for step in range(1, 31)] == [0] * 30
    assert [hear(10 * step, 1, 340) for step in range(1, 31)] == [10 * step for step in range(1, 31)]


def test_two_words_of_a_partition_for_one_time_both_count() -> None:
    estate = Estate()
    estate.take([evaluation(T0, partition=1, partitions=2), evaluation(T0, partitions=2)])
    estate.take([evaluation(T0 + 10, signal(CHECKOUT), partitions=2), evaluation(T0 + 10, partitions=2)])
    estate.take([evaluation(T0 + 10, partition=1, partitions=2)])
    assert [alert.scope for alert in estate.stage.active()] == [CHECKOUT]


def test_a_partition_that_comes_back_late_is_heard_from_then_on() -> None:
    estate = Estate()
    estate.take([evaluation(T0, partition=1, partitions=2)])
    estate.take([evaluation(T0 + passed, partitions=2) for passed in range(0, 310, 10)])
    late = [evaluation(T0 + 10, signal(CHECKOUT), partition=1, partitions=2, emitted_ms=(T0 + 303) * 1000)]
    assert estate.take(late) == []
    rest = [
        evaluation(T0 + passed, partition=partition, partitions=2)
        for passed in (310, 320, 330)
        for partition in (0, 1)
    ]
    [page] = estate.take(rest)
    assert page.time_s == T0 + 320


def test_a_deploy_is_blamed() -> None:
    estate = Estate()
    labels = {"namespace": "shop", "service": "checkout"}
    estate.deploy(Deploy(time_s=T0 - 120, kind="deploy", what="checkout v42", labels=labels, url="https://d"))
    estate.say(signal(CHECKOUT))
    [page] = estate.wait(50)
    assert page.blame is not None
    assert (page.blame.what, page.blame.time_s, page.blame.url) == ("checkout v42", T0 - 120, "https://d")


def test_a_deploy_is_found_by_owner_rules_and_by_what_tools_call_their_objects() -> None:
    """GitHub knows a repository, Kubernetes a Deployment; a rule says which service that is."""
    rule = OwnerRule(match={"repository": "acme/till"}, set={"namespace": "shop", "service": "checkout"})
    for labels in (
        {"namespace": "shop", "deployment": "checkout"},
        {"repository": "acme/checkout"},
        {"repository": "acme/till"},
    ):
        estate = Estate(Config(alerts=RULES, owners=(rule,)))
        estate.deploy(Deploy(time_s=T0 - 120, kind="deploy", what="v42", labels=labels))
        estate.say(signal(CHECKOUT))
        [page] = estate.wait(50)
        assert page.blame is not None, labels
        assert page.blame.what == "v42"


def test_a_wide_scope_blames_what_its_parts_were_given() -> None:
    estate = Estate()
    for service in ("cart", "checkout"):
        labels = {"namespace": "shop", "service": service}
        estate.deploy(Deploy(time_s=T0 - 120, kind="deploy", what=service, labels=labels))
    estate.say(signal("namespace=shop", children=shares(service_shop__checkout=30, service_shop__cart=1)))
    [page] = estate.wait(50)
    assert page.blame is not None
    assert page.blame.what == "checkout"
    assert page.blame.probability > 0.9


def test_what_else_happened_is_told() -> None:
    estate = Estate()
    labels = {"namespace": "shop", "deployment": "checkout"}
    for after_s, before, after in ((60, None, 12), (61, 3, 12), (130, 12, 40)):
        scale = Deploy(time_s=T0 - 120 + after_s, kind="scale", what="checkout scaled", labels=labels,
                       count_before=before, count_after=after)  # fmt: skip
        estate.deploy(scale)
    estate.deploy(Deploy(time_s=T0 - 1801, kind="scale", what="long ago", labels=labels))
    estate.deploy(Deploy(time_s=T0, kind="scale", what="elsewhere", labels={"namespace": "web"}))
    estate.deploy(Deploy(time_s=T0 - 90, kind="price", what="m5.large $0.096 -> $0.192", labels={}))
    estate.say(signal(CHECKOUT))
    [page] = estate.wait(50)
    assert page.blame is None
    assert page.happenings == (
        Happening(kind="price", what="m5.large $0.096 -> $0.192", time_s=T0 - 90, until_s=T0 - 90),
        Happening(kind="scale", what="checkout scaled from 3 to 40", time_s=T0 - 60, until_s=T0 + 10),
    )


def test_two_words_on_one_deploy_are_one() -> None:
    estate = Estate()
    labels = {"namespace": "shop", "service": "checkout"}
    begun = Deploy(time_s=T0 - 600, kind="deploy", what="begun", labels=labels, id="7")
    estate.deploy(begun)
    estate.deploy(msgspec.structs.replace(begun, time_s=T0 - 590, end_s=T0 - 60, what="done"))
    estate.say(signal(CHECKOUT))
    [page] = estate.wait(50)
    assert page.blame is not None
    assert (page.blame.what, page.blame.time_s) == ("done", T0 - 600)


def test_the_onset_that_people_were_told_stays() -> None:
    """A detector with a window of hours joins in, with a vaguer idea of the start."""
    estate = Estate()
    estate.say(signal(CHECKOUT))
    estate.wait(50)
    estate.say(signal(CHECKOUT, detector="burn_vs_budget", onset_s=T0 - 16_000, excess_nusd=99 * NANO))
    [now] = estate.stage.active()
    assert (now.onset_s, now.excess_nusd) == (T0, 99 * NANO)


def test_the_blame_of_a_page_outlives_the_memory_of_deploys() -> None:
    estate = Estate()
    estate.deploy(Deploy(time_s=T0, kind="deploy", what="v1", labels={"namespace": "shop"}))
    estate.say(signal(CHECKOUT, tier="slow"))
    estate.wait(50)
    estate.now_s += 2 * 86_400
    estate.say(signal(CHECKOUT, tier="fast"))
    estate.wait(50)
    page, worse = estate.sent
    assert worse.state == State.ESCALATED
    assert page.blame == worse.blame is not None


def test_old_deploys_are_forgotten() -> None:
    estate = Estate()
    estate.say()
    estate.deploy(Deploy(time_s=T0 - 86_300, kind="deploy", what="v1", labels={}))
    estate.say()
    assert b"deploy/1/0" in estate.rows
    estate.wait(200)
    assert list(estate.rows) == [b"clock", b"digest"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", Reason.MALFORMED_JSON),
        (b"[7]", Reason.WRONG_SCHEMA),
        (b"\xff", Reason.MALFORMED_JSON),
        (b'{"what":"\xff","labels":{}}', Reason.NOT_UTF8),
        (b'{"what":"v1"}', Reason.WRONG_SCHEMA),
        (b'{"what":"v1","labels":{"a":1}}', Reason.WRONG_SCHEMA),
        (b'{"specversion":"1.0","data":[1]}', Reason.WRONG_SCHEMA),
        (b'{"specversion":"1.0","data":"text"}', Reason.WRONG_SCHEMA),
        (b'{"what":"v1","labels":{},"time":99999999999999999999999}', Reason.WRONG_SCHEMA),
        (b'{"what":"v1","labels":{},"time":"0001-01-01T00:00:00+14:00"}', Reason.WRONG_SCHEMA),
        (b'{"a":' * 5000, Reason.TOO_DEEP),
    ],
)
def test_an_unreadable_deploy_is_a_dead_letter(value: bytes, reason: Reason) -> None:
    stage = Alerts(Estate().config)
    stage.take(batch([value, b'{"what":"v2","labels":{}}'], topics.DEPLOYS, first=7))
    commit = stage.commit(T0 * 1000)
    [output] = commit.outputs
    letter = dead_letters.decode(output.value)
    assert (output.topic, output.partition) == (topics.DEAD_LETTERS, 0)
    assert (letter.topic, letter.partition, letter.offset) == (topics.DEPLOYS, 0, 7)
    assert letter.reason == reason
    assert letter.original == dead_letters.pack_original(value)
    assert [row.key for row in commit.state] == [b"deploy/8/0"], "the next one was taken"
    assert commit.positions == {(topics.DEPLOYS, 0): 9}


def test_an_unreadable_signal_is_a_bug_of_ours_and_raises() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Estate().stage.take(batch([b"{}"]))


def test_a_commit_holds_what_changed_and_no_more() -> None:
    estate = Estate()
    estate.say(signal(CHECKOUT))
    estate.wait(50)
    estate.say()
    assert [row.key for row in estate.commits[-1].state] == [b"clock"]
    assert estate.commits[-1].positions == {(topics.SIGNALS, 0): 7}
    assert estate.stage.commit(0).empty


SCOPES = ["total", "team=payments", "namespace=shop", "service=shop/checkout", "service=shop/cart"]


@st.composite
def spoken(draw: st.DrawFn) -> list[list[Evaluation]]:
    """Steps of what three partitions say, some of them late, silent or ahead of the others."""

    def said(partition: int) -> tuple[Signal, ...]:
        own = [scope for index, scope in enumerate(SCOPES) if index % 3 == partition]
        return tuple(
            signal(
                scope,
                draw(st.sampled_from(["page", "page", "ticket", "none"])),
                burn=draw(st.sampled_from([100.0, 400.0, 900.0])),
                detector=draw(st.sampled_from(["step", "burn_vs_budget"])),
                tier=draw(st.sampled_from(["", "slow", "fast"])),
                children=shares(service_shop__checkout=20, service_shop__cart=5),
            )
            for scope in draw(st.lists(st.sampled_from(own), max_size=2))
        )

    behind = [0, 0, 0]
    steps = []
    for index in range(draw(st.integers(5, 40))):
        behind = [draw(st.sampled_from([b, b, b, b + 1, max(0, b - 2)])) for b in behind]
        steps.append(
            [
                evaluation(
                    T0 + 10 * (index - behind[partition]),
                    *said(partition),
                    partition=partition,
                    partitions=3,
                    emitted_ms=(T0 + 10 * index) * 1000,
                )
                for partition in draw(st.sets(st.integers(0, 2), min_size=1))
            ]
        )
    return steps


@settings(max_examples=60, deadline=None)
@given(steps=spoken(), deploy_s=st.integers(-100, 100))
def test_a_restart_after_every_step_changes_nothing(steps: list[list[Evaluation]], deploy_s: int) -> None:
    deploy = Deploy(time_s=T0 + deploy_s, kind="deploy", what="v1", labels={"namespace": "shop"})
    steady, restarted = Estate(), Estate(restarts=True)
    for step in steps:
        for estate in (steady, restarted):
            estate.deploy(deploy)
            estate.take(step)
            estate.now_s += 10
        assert restarted.commits[-1] == steady.commits[-1]
        assert restarted.stage.active() == steady.stage.active()
    assert restarted.rows == steady.rows


@settings(max_examples=60, deadline=None)
@given(steps=spoken())
def test_every_alert_fires_first_resolves_last_and_says_each_thing_once(
    steps: list[list[Evaluation]],
) -> None:
    estate = Estate()
    for step in steps:
        estate.take(step)
    quiet_s = T0 + 10 * len(steps)
    for passed in range(0, 2000, 10):  # all signals run out, then every hold time
        estate.take(evaluation(quiet_s + passed, partition=partition, partitions=3) for partition in range(3))
    open_keys: dict[str, str] = {}
    seen: set[tuple[str, State]] = set()
    for alert in estate.sent:
        assert (alert.dedup_key, alert.state) not in seen
        seen.add((alert.dedup_key, alert.state))
        if alert.state == State.FIRING:
            assert alert.scope not in open_keys
        elif alert.state == State.ESCALATED:
            assert alert.previous_key == open_keys.pop(alert.scope)
        else:
            assert alert.dedup_key == open_keys.pop(alert.scope)
            continue
        open_keys[alert.scope] = alert.dedup_key
    assert open_keys == {}, "nothing fires for ever"
    assert estate.stage.active() == []


def test_rows_that_were_deleted_are_ignored_at_restore() -> None:
    stage = Alerts(Estate().config)
    stage.restore([StateRow(b"scope/total", None)])
    assert stage.commit(0).empty
    assert alerts_of(stage.commit(0)) == []
    stage.take(batch([encode(evaluation(T0))]))
    assert [row.key for row in stage.commit(0).state] == [b"clock", b"digest"]

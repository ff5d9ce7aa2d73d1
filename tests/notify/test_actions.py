"""What becomes of an action, handed to a webhook as a CloudEvent."""

import msgspec

from stream.alerts.actions import notice
from stream.notify.webhook import sign
from stream.schema import actions
from stream.schema.actions import Action, Entry
from stream.schema.alerts import Alert
from tests.notify.pages import RUNAWAY
from tests.notify.receiver import Receiver, answer
from tests.notify.rig import rig

NOW_S = RUNAWAY.emitted_ms // 1000
ACTION = Action(
    id="cap-shop-1a2b3c4d", rule="cap-shop", alert=RUNAWAY.dedup_key, scope=RUNAWAY.scope, dry_run=False,
    labels=RUNAWAY.labels, step=RUNAWAY.steps[0], destination="webhook", proposed_s=NOW_S - 60,
    expires_s=NOW_S + 600,
)  # fmt: skip


def told(event: str, at_s: int = NOW_S, **changes: object) -> Alert:
    action = msgspec.structs.replace(ACTION, state=event, by="ana", **changes)
    return notice(Entry(event=event, at_s=at_s, action=action, by="ana"), at_s * 1000)


def settings(receiver: Receiver) -> dict[str, object]:
    return {"destinations": [{"kind": "webhook", "url": receiver.url, "secret": "s", "severities": []}]}


async def test_an_approval_is_handed_over_signed_and_noted() -> None:
    async with Receiver(answer(503)) as receiver, rig(settings(receiver)) as it:
        for alert in (RUNAWAY, told("proposed"), told("approved")):
            await it.deliverer.deliver(alert)
    assert [one.document["type"] for one in receiver.received] == [
        "io.burnline.action.proposed", "io.burnline.action.proposed", "io.burnline.action.approved",
    ], "the alert is not for it, and what was not taken came again"  # fmt: skip
    last = receiver.received[-1]
    assert last.headers["Content-Type"] == "application/cloudevents+json"
    stamp = last.headers["X-Burnline-Timestamp"]
    assert last.headers["X-Burnline-Signature"] == sign("s", stamp, last.body)
    assert last.document["id"] == "cap-shop-1a2b3c4d/approved"
    assert last.document["data"]["action"]["step"]["run"] == RUNAWAY.steps[0].run
    assert [(one.event, one.detail) for one in it.desk.noted] == [("handed-over", "webhook")]


async def test_an_approval_that_can_not_be_handed_over_in_time_is_void() -> None:
    async with Receiver(*[answer(503)] * 26) as receiver, rig(settings(receiver)) as it:
        await it.deliverer.deliver(told("approved"))
    assert sum(it.slept_s) > actions.HAND_OVER_S
    assert receiver.received[0].document["type"] == "io.burnline.action.approved"
    [taken] = [one.document for one in receiver.received if one.taken]
    assert (taken["type"], taken["id"]) == ("io.burnline.action.lapsed", "cap-shop-1a2b3c4d/lapsed")
    assert [one.event for one in it.desk.noted] == ["lapsed"]


async def test_one_that_is_refused_is_noted_and_a_dead_letter() -> None:
    async with Receiver(answer(422)) as receiver, rig(settings(receiver)) as it:
        await it.deliverer.deliver(told("approved"))
    assert [one.event for one in it.desk.noted] == ["undeliverable"]
    assert len(it.desk.given_up) == 1


async def test_nobody_acts_on_a_trial_and_other_destinations_hear_nothing() -> None:
    async with Receiver() as receiver, rig(settings(receiver)) as it:
        await it.deliverer.deliver(told("approved", dry_run=True))
        await it.deliverer.deliver(told("approved", destination="other"))
    assert [one.document["type"] for one in receiver.received] == ["io.burnline.action.dry-run.approved"]

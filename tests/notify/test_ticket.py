"""Tickets by the templates of deploy/tickets, against servers that answer as GitHub and Jira do."""

import json
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from stream.config_notify import Notify
from stream.config_notify import Ticket as Settings
from stream.notify.ticket import Ticket, filled, found
from stream.schema.alerts import Severity
from tests.docs.pages import ROOT
from tests.notify.golden import check
from tests.notify.pages import T0, alert, escalation, resolution, share
from tests.notify.receiver import Receiver, answer
from tests.notify.rig import rig
from tests.notify.services import GitHubServer, JiraServer

TICKET = alert(severity=Severity.TICKET, tier="long", dedup_key=f"service=shop/checkout@{T0}/ticket-long")
HOSTS = {"github": "https://api.github.com", "jira": "https://acme.atlassian.net"}


def template(name: str, receiver: Receiver) -> dict[str, object]:
    """`deploy/tickets/NAME.yaml` with the address of a server of the tests."""
    text = (ROOT / "deploy" / "tickets" / f"{name}.yaml").read_text(encoding="utf-8")
    assert HOSTS[name] in text
    settings = yaml.safe_load(text.replace(HOSTS[name], receiver.base))["notify"]
    return {"destinations": settings["destinations"], "timeout_s": 1}


@pytest.mark.parametrize("name", ["github", "jira"])
def test_a_template_is_right_as_it_stands(name: str) -> None:
    text = (ROOT / "deploy" / "tickets" / f"{name}.yaml").read_text(encoding="utf-8")
    made = Notify.model_validate(yaml.safe_load(text)["notify"])
    assert [one.name for one in made.destinations] == [name]
    assert HOSTS[name].removeprefix("https://") in made.allowed_hosts


async def test_the_life_of_a_github_issue(update_golden: bool) -> None:
    page = escalation(TICKET)
    async with GitHubServer() as server, rig(template("github", server)) as it:
        for each in (TICKET, page, resolution(page)):
            await it.deliverer.deliver(each)
        other = alert(dedup_key="b/ticket", severity=Severity.TICKET)
        await it.deliverer.deliver(other)
        kept = [key for key in it.desk.rows if key.startswith("ticket/")]
    assert list(server.issues) == [4711, 4712]
    first = server.issues[4711]
    assert (first["state"], first["state_reason"], len(first["comments"])) == ("closed", "completed", 2)
    assert first["labels"] == ["burnline", "ticket"]
    assert kept == ["ticket/b/ticket"], "what is over is forgotten"
    check("github_issue.md", f"# {first['title']}\n\n{first['body']}", update_golden)


async def test_the_life_of_a_jira_issue(update_golden: bool) -> None:
    async with JiraServer() as server, rig(template("jira", server)) as it:
        await it.deliverer.deliver(TICKET)
        await it.deliverer.deliver(resolution(TICKET))
    [issue] = server.issues.values()
    assert (issue["moved"], len(issue["comments"])) == (["31"], 1)
    check("jira_issue.json", {key: issue[key] for key in ("summary", "labels", "description")}, update_golden)


async def test_after_a_restart_the_same_ticket_goes_on() -> None:
    async with GitHubServer() as server:
        async with rig(template("github", server)) as it:
            await it.deliverer.deliver(TICKET)
        rows = it.desk.rows
        async with rig(template("github", server)) as it:
            it.deliverer.destination.memory.restore(rows.items())
            it.deliverer.resume(TICKET)
            await it.deliverer.deliver(resolution(TICKET))
    assert [issue["state"] for issue in server.issues.values()] == ["closed"]


async def test_a_ticket_that_somebody_deleted_holds_up_nothing() -> None:
    async with GitHubServer() as server, rig(template("github", server)) as it:
        await it.deliverer.deliver(TICKET)
        server.issues.clear()
        await it.deliverer.deliver(resolution(TICKET))
    assert (it.outcomes.blocks, it.outcomes.failures, it.outcomes.refused) == (0, 0, 0)


async def test_a_half_closed_ticket_goes_on_where_it_was() -> None:
    async with GitHubServer() as server, rig(template("github", server)) as it:
        await it.deliverer.deliver(TICKET)
        server.script = [answer(502), answer(403, Retry_After="60")]  # GitHub's second limit is a 403
        await it.deliverer.deliver(resolution(TICKET))
    assert it.slept_s == [0.5, 60]
    [issue] = server.issues.values()
    assert (issue["state"], len(issue["comments"])) == ("closed", 1)


async def test_an_end_without_a_ticket_is_no_news() -> None:
    async with GitHubServer() as server, rig(template("github", server)) as it:
        await it.deliverer.deliver(resolution(TICKET))
    assert server.received == []
    assert not it.outcomes.latencies_s, "nothing was taken, so nothing is proven"


EVIL = 'x", "assignees": ["eve"], "y": "{id}{key}```\n@everyone'


def test_what_an_alert_says_stays_a_text() -> None:
    settings = Settings.model_validate(
        {"open": {"url": "https://h/{scope}/x", "body": {"title": "{summary}", "body": "{markdown}"}}}
    )
    evil = alert(scope=f"../../{EVIL}", summary=EVIL, drivers=(share("`" * 7, 1, 1),))
    [request] = Ticket(settings).requests(evil, now_ms=0)
    assert request.url.startswith("https://h/..%2F..%2Fx%22%2C%20%22assignees")
    document = json.loads(request.body)
    assert list(document) == ["title", "body"]
    fence = document["body"].split("text\n")[0]
    assert fence == "`" * 8 and document["body"].count(fence) == 2


def test_places_are_filled_in_texts_alone() -> None:
    template: Any = {"{a}": ["{a}", 1, None, {"b": "<{a}{b}>"}], "c": True}
    assert filled(template, {"a": "1", "b": "{a}"}) == {"{a}": ["1", 1, None, {"b": "<1{a}>"}], "c": True}


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        (b'{"number": 7}', "number", "7"),
        (b'{"a": {"b": "x"}}', "a.b", "x"),
        (b'{"a": {"b": "x"}}', "a.c", None),
        (b'{"a": [1]}', "a.b", None),
        (b"not JSON", "a", None),
    ],
)
def test_the_name_of_a_ticket_is_found(body: bytes, path: str, value: str | None) -> None:
    assert found(body, path) == value


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"open": {"url": "https://h/", "body": {"a": ["{titel}"]}}}, "known are id, key, title"),
        ({"open": {"url": "https://h/{id}"}}, "there is no ticket yet"),
        ({"open": {"url": "https://h/"}, "id": "a..b"}, "pattern"),
        ({"open": {"url": "https://h/", "method": "GET"}}, "POST"),
    ],
)
def test_a_wrong_template_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Notify.model_validate({"destinations": [{"kind": "ticket", **wrong}]})

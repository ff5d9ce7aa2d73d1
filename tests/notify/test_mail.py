"""E-mail to a real mail server, over TLS and with a login."""

from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from pydantic import ValidationError

from stream.config_notify import Email as Settings
from stream.config_notify import Notify
from stream.notify.mail import Email
from stream.notify.page import render
from stream.schema.alerts import Digest, DigestLine, Severity
from tests.notify.golden import check
from tests.notify.mail_server import PASSWORD, USER, MailServer
from tests.notify.pages import NANO, RUNAWAY, T0, alert, escalation, resolution
from tests.notify.rig import rig

DIGEST = alert(
    dedup_key="digest@2026-01-01",
    severity=Severity.DIGEST,
    tier="daily",
    scope="total",
    labels={},
    summary="2 small things to look at, $14 beyond normal",
    digest=Digest(
        title="2 small things to look at, $14 beyond normal",
        since_s=T0 - 86_400,
        until_s=T0,
        lines=tuple(
            DigestLine(
                scope=scope,
                severity=Severity.DIGEST,
                detector="ratio",
                reason=reason,
                trend=trend,
                since_s=T0 - 7200,
                until_s=None,
                burn_usd_per_hour=4.2,
                baseline_usd_per_hour=normal,
                excess_nusd=excess * NANO,
                console_url="http://127.0.0.1:9107/?scope=total",
            )
            for scope, reason, trend, normal, excess in (
                ("total", "6.2 % of spend has no owner, more than 5 %.", "rising", None, 11),
                ("service=shop/cart", "Egress is 12 % of spend, more than 10 %.", "new", 2.1, 3),
            )
        ),
        left_off=4,
    ),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with MailServer(tmp_path).running() as server:
        yield server


def settings(server: MailServer, **more: object) -> dict[str, object]:
    one = {
        "kind": "email", "host": "127.0.0.1", "port": server.port, "ca_file": str(server.ca_file),
        "username": USER, "password": PASSWORD, "sender": "burnline@example.com",
        "recipients": ["finops@example.com", "ana@example.com"], **more,
    }  # fmt: skip
    return {"destinations": [one], "timeout_s": 5}


def text(message: Message) -> str:
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


async def test_a_digest_arrives_with_all_it_says(server: MailServer, update_golden: bool) -> None:
    async with rig(settings(server)) as it:
        await it.deliverer.deliver(DIGEST)
        await it.deliverer.deliver(resolution(DIGEST))
        await it.deliverer.deliver(RUNAWAY)  # a page is not for here
    [message] = server.messages
    assert server.envelopes == [("burnline@example.com", ["finops@example.com", "ana@example.com"])]
    assert message["Subject"] == "[burnline] DIGEST (daily): 2 small things to look at, $14 beyond normal"
    assert message["Auto-Submitted"] == "auto-generated"
    assert text(message) == render(DIGEST) + "\n"
    check("mail_digest.txt", text(message).rstrip("\n"), update_golden)
    assert it.outcomes.proof.proven_ms is not None


async def test_one_problem_is_one_thread(server: MailServer) -> None:
    ticket = alert(severity=Severity.TICKET, tier="long", dedup_key=f"service=shop/checkout@{T0}/ticket-long")
    page = escalation(ticket)
    async with rig(settings(server, severities=["ticket"])) as it:
        for each in (ticket, page, page, resolution(page)):
            await it.deliverer.deliver(each)
    assert len({message["References"] for message in server.messages}) == 1
    identities = [message["Message-ID"] for message in server.messages]
    assert len(set(identities)) == 3
    assert identities[1] == identities[2], "what comes twice is one message"


@pytest.mark.parametrize(
    ("said", "counted", "arrives"),
    [
        ("451 4.3.0 try again later", (1, 0, 0), 1),
        ("452 4.2.2 mailbox full", (1, 0, 0), 1),
        ("550 5.7.1 relaying denied", (0, 1, 0), 1),
        ("552 5.3.4 too large", (0, 0, 1), 0),
        ("554 5.7.1 looks like spam", (0, 0, 1), 0),
    ],
)
async def test_what_the_server_says(
    server: MailServer, said: str, counted: tuple[int, int, int], arrives: int
) -> None:
    server.script = [said]
    async with rig(settings(server)) as it:
        await it.deliverer.deliver(DIGEST)
    assert (it.outcomes.failures, it.outcomes.blocks, it.outcomes.refused) == counted
    assert len(server.messages) == arrives
    if counted[2]:
        assert it.desk.given_up[0][1] == f"email: {said}"


async def test_a_wrong_password_loses_nothing(server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    server.password = "changed"
    async with rig(settings(server)) as it:
        waited = it._sleep

        async def sleep(seconds: float) -> None:
            await waited(seconds)
            server.password = PASSWORD

        it.deliverer._sleep = sleep
        await it.deliverer.deliver(DIGEST)
    assert (it.outcomes.blocks, len(server.messages)) == (1, 1)
    assert "email did not take digest@2026-01-01 firing: 535 " in caplog.text
    assert PASSWORD not in caplog.text


async def test_all_recipients_refused_waits_and_one_refused_is_told(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.unknown = {"finops@example.com", "ana@example.com"}
    async with rig(settings(server)) as it:
        waited = it._sleep

        async def sleep(seconds: float) -> None:
            await waited(seconds)
            server.unknown = {"ana@example.com"}

        it.deliverer._sleep = sleep
        await it.deliverer.deliver(DIGEST)
    assert (it.outcomes.blocks, len(server.messages)) == (1, 1)
    assert "the mail server refused ana@example.com" in caplog.text


@pytest.mark.parametrize("more", [{"ca_file": None}, {"security": "tls"}])
async def test_a_server_that_is_not_who_it_should_be_gets_nothing(
    server: MailServer, more: dict[str, object]
) -> None:
    async with rig(settings(server, **more)) as it:

        async def sleep(seconds: float) -> None:
            raise InterruptedError

        it.deliverer._sleep = sleep
        with pytest.raises(InterruptedError):
            await it.deliverer.deliver(DIGEST)
    assert (it.outcomes.failures, server.messages) == (1, [])


def test_no_name_can_add_a_header() -> None:
    evil = "a\r\nBcc: thief@example.com"
    made = Settings.model_validate(
        {"host": "h", "sender": "a@example.com", "recipients": ["b@example.com"], "severities": ["page"]}
    )
    [mail] = Email(made).requests(alert(summary=evil, scope=evil, dedup_key=evil), now_ms=0)
    head = mail.message.partition(b"\n\n")[0]
    assert b"\nBcc" not in head


@pytest.mark.parametrize(
    "wrong", [{"recipients": []}, {"recipients": ["a@b, c@d"]}, {"sender": "Ana\n<a@b>"}, {"port": 0}]
)
def test_what_can_not_work_is_refused(wrong: dict[str, object]) -> None:
    right = {"kind": "email", "host": "h", "sender": "a@b", "recipients": ["c@d"]}
    Notify.model_validate({"destinations": [right]})
    with pytest.raises(ValidationError):
        Notify.model_validate({"destinations": [right | wrong]})

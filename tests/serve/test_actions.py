"""Actions over HTTP and by the command line: approved by name, once, and what those hear who are late."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from stream.cli.main import app
from stream.config import Config, Http
from stream.schema import commands, signals, topics
from stream.schema.commands import Approval
from stream.serve.api import application
from stream.serve.listen import listening
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node
from stream.shell.embedded.notify import Notifier
from stream.shell.embedded.replica import EmbeddedReplica
from tests.alerts.estate import RULES, batch, evaluation, signal
from tests.notify.receiver import Receiver
from tests.notify.rig import Outcomes as Counting


class Outcomes(Counting):
    def forget_destination(self, destination: str) -> None:
        """The shell ends."""


T0 = 1_767_276_000
CHECKOUT = "service=shop/checkout"
CONFIG = Config.model_validate(
    {
        "alerts": RULES.model_dump(),
        "actions": [{"name": "cap-shop", "step": "scale-workload", "scopes": [CHECKOUT]}],
    }
)


class Shop:
    """A node, which `say` tells of an alert, with its API on `port`."""

    def __init__(self, path: Path, config: Config = CONFIG) -> None:
        self.now_s = T0
        self.node = Node(config, Database(path))
        self.replica = EmbeddedReplica(self.node, self.append)
        self.port = 0

    async def append(self, topic: str, key: bytes, value: bytes) -> None:
        self.node.append(topic, key, value, self.now_s * 1000)
        self.node.commit(self.now_s * 1000)

    def say(self, *said: signals.Signal) -> None:
        self.node.alerts.take(batch([signals.encode(evaluation(self.now_s, *said))], topics.SIGNALS))
        self.node.commit(self.now_s * 1000)
        self.now_s += 10


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = Shop(tmp_path / "spend.db")
    for _ in range(4):
        made.say(signal(CHECKOUT))
    http = Http(port=0, token=SecretStr("right"))
    async with listening(application(made.replica, http, lambda: made.now_s * 1000, CONFIG), http) as port:
        made.port = port
        (tmp_path / "burnline.yaml").write_text(f"serve: {{port: {port}, token: right}}\n")
        yield made
    made.node.database.close()


async def run(tmp_path: Path, *words: str) -> Result:
    environment = {"BURNLINE_CONFIG": str(tmp_path / "burnline.yaml"), "COLUMNS": "200"}
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["action", *words], env=environment))


async def test_an_action_is_seen_approved_and_in_the_log(shop: Shop, tmp_path: Path) -> None:
    [action] = shop.node.alerts.actions()
    listed = (await run(tmp_path, "list")).output
    assert (
        f"{action.id} proposed, until 14:30 UTC (dry run)" in listed and "kubectl --namespace=shop" in listed
    )
    said = await run(tmp_path, "approve", action.id, "--by", "ana", "--note", "yes")
    assert said.output == f"{action.id} is approved by ana. It goes to the topic actions, as a dry run.\n"
    late = await run(tmp_path, "approve", action.id, "--by", "bo")
    assert str(late.exception) == f"{action.id} was approved by ana already"
    unknown = await run(tmp_path, "decline", "cap-none", "--by", "bo")
    assert str(unknown.exception) == "there is no action 'cap-none'; none waits for an approval"
    entries = [json.loads(line) for line in (await run(tmp_path, "log", "--json")).output.splitlines()]
    assert [(one["event"], one["by"], one["action"]["note"]) for one in entries] == [
        ("proposed", "", ""),
        ("approved", "ana", "yes"),
    ]
    assert "approved by ana (dry run)" in (await run(tmp_path, "log")).output
    assert (await run(tmp_path, "approve", action.id)).exit_code == 2, "without a name"


async def test_two_at_once_and_only_one_is_told_that_it_did_it(shop: Shop) -> None:
    [action] = shop.node.alerts.actions()
    headers = {"Authorization": "Bearer right"}
    url = f"http://127.0.0.1:{shop.port}/api/v1/actions/{action.id}"
    async with aiohttp.ClientSession(headers=headers) as api:

        async def ask(verb: str, by: str) -> int:
            async with api.post(f"{url}/{verb}", json={"by": by}) as answer:
                return answer.status

        found = await asyncio.gather(
            *(ask(verb, by) for verb, by in (("approve", "ana"), ("decline", "bo")) * 3)
        )
    assert sorted(found) == [200, 409, 409, 409, 409, 409]
    [decided] = shop.node.alerts.actions()
    assert decided.by in ("ana", "bo")


@pytest.mark.parametrize(
    ("token", "body", "later_s", "status", "said"),
    [
        ("wrong", {"by": "ana"}, 0, 401, "with the token of serve.token"),
        ("right", {}, 0, 400, "by must be a name"),
        ("right", {"by": " \t"}, 0, 400, "by must be a name"),
        ("right", {"by": "ana"}, 1800, 409, "has expired"),
    ],
)
async def test_who_may_not(
    shop: Shop, token: str, body: dict[str, str], later_s: int, status: int, said: str
) -> None:
    [action] = shop.node.alerts.actions()
    shop.now_s += later_s
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as api:
        url = f"http://127.0.0.1:{shop.port}/api/v1/actions/{action.id}/approve"
        async with api.post(url, json=body) as answer:
            assert answer.status == status
            assert said in (await answer.json())["error"]
    assert shop.node.alerts.actions() == [action]


async def test_a_restart_keeps_what_was_decided_and_the_webhook_gets_it(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        hands = {"kind": "webhook", "name": "hands", "url": receiver.url, "severities": []}
        rule = {"name": "cap-shop", "step": "scale-workload", "scopes": [CHECKOUT]}
        config = CONFIG.model_validate(
            {
                "alerts": RULES.model_dump(),
                "actions": [rule | {"destination": "hands", "dry_run": False}],
                "notify": {"destinations": [hands]},
            }
        )

        async def handed_over(node: Node, now_s: int, types: list[str]) -> None:
            notifier = Notifier(node, config, Outcomes(), lambda: now_s * 1000)
            work = asyncio.create_task(notifier.run())
            while [one.document["type"] for one in receiver.received] != types:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)  # nothing comes after
            work.cancel()
            await asyncio.wait([work])
            node.commit(now_s * 1000)
            assert [one.document["type"] for one in receiver.received] == types

        def approval(one: Shop, by: str) -> bytes:
            [action] = one.node.alerts.actions()
            said = Approval(id=by, by=by, made_s=one.now_s, action=action.id, approved=True)
            return commands.encode(said)

        first = Shop(tmp_path / "a.db", config)
        first.say()
        await handed_over(first.node, first.now_s, [])  # a destination that is new hears of what comes
        for _ in range(4):
            first.say(signal(CHECKOUT))
        await handed_over(first.node, first.now_s, ["io.burnline.action.proposed"])
        await first.append(topics.COMMANDS, b"approval/ana", approval(first, "ana"))
        first.node.database.close()

        second = Shop(tmp_path / "a.db", config)
        second.now_s = first.now_s
        await second.append(topics.COMMANDS, b"approval/bo", approval(second, "bo"))
        await handed_over(
            second.node, second.now_s, ["io.burnline.action.proposed", "io.burnline.action.approved"]
        )
        assert [(one.event, one.by) for one in second.replica.action_log()] == [
            ("proposed", ""), ("approved", "ana"), ("refused", "bo"), ("handed-over", ""),
        ]  # fmt: skip
        second.node.database.close()

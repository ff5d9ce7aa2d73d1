"""Actions through Kafka: proposed by the alerts stage, approved over HTTP, handed over, kept by a restart."""

import time

from prometheus_client import CollectorRegistry

from stream.config import Config, Kafka
from stream.metrics import Metrics
from stream.schema import actions, commands, topics
from stream.schema.commands import Approval
from stream.shell.kafka.notify import NotifyService
from stream.shell.kafka.partition import Hooks
from stream.shell.kafka.process import alerts_kind
from stream.shell.kafka.serve import ServeService
from stream.shell.kafka.service import StageService
from tests.alerts.estate import signal
from tests.kafka.test_commands import CHECKOUT, say, sent
from tests.kafka.test_notify import tell
from tests.kafka.test_serve import client, configured
from tests.kafka.test_services import put, running, until
from tests.notify.pages import alert
from tests.notify.receiver import Receiver


def with_actions(cluster: Kafka, url: str) -> Config:
    rule = {"name": "cap-shop", "step": "scale-workload", "scopes": [CHECKOUT], "dry_run": False}
    more = {
        "actions": [rule | {"destination": "hands"}],
        "notify": {"destinations": [{"kind": "webhook", "name": "hands", "url": url}]},
    }
    return Config.model_validate(configured(cluster).model_dump() | more)


async def test_an_action_is_approved_once_and_handed_over(cluster: Kafka) -> None:
    now_s = int(time.time()) // 10 * 10
    async with Receiver() as receiver:
        config = with_actions(cluster, receiver.url)
        serve = ServeService(config, Metrics(CollectorRegistry()))
        [hands] = config.notify.destinations
        notify = NotifyService(config, hands, Metrics(CollectorRegistry()))

        def types() -> list[str]:
            found = [one.document for one in receiver.received if one.taken]
            return [one["type"].rpartition(".")[2] for one in found if "specversion" in one]

        async with running(serve, notify), client(serve.ports[1]) as api:
            await tell(cluster, alert(dedup_key="first/page"))
            await until(lambda: len(receiver.received) == 1)  # its topic is owned
            async with running(StageService(cluster, alerts_kind(config), Hooks())):
                for later_s in (0, 10, 20):
                    await say(cluster, now_s + later_s, signal(CHECKOUT))
                await until(lambda: types() == ["proposed"])
                await until(lambda: bool(serve.replica.alerting().actions()))
                [action] = serve.replica.alerting().actions()
                async with api.post(f"/api/v1/actions/{action.id}/approve", json={"by": "ana"}) as answer:
                    assert (answer.status, (await answer.json())["by"]) == (200, "ana")
                await until(lambda: types() == ["proposed", "approved"])
            async with running(StageService(cluster, alerts_kind(config), Hooks())):
                async with api.post(f"/api/v1/actions/{action.id}/approve", json={"by": "bo"}) as answer:
                    assert answer.status == 409
                late = Approval(id="late", by="eve", made_s=now_s, action=action.id, approved=True)
                await put(cluster, topics.COMMANDS, [commands.encode(late)], commands.key(late))
                await until(lambda: [one.event for one in serve.replica.action_log()][-1] == "refused")
        assert types() == ["proposed", "approved"]
    entries = [actions.decode(value) for value in await sent(cluster, topics.ACTIONS)]
    assert [one.event for one in entries if one.event != "handed-over"] == ["proposed", "approved", "refused"]
    assert [one.detail for one in entries if one.event == "handed-over"] == ["hands"]
    assert (entries[-1].by, entries[-1].detail) == ("eve", "it was approved by ana already")

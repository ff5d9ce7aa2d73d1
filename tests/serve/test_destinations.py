"""What the API says of destinations, and how a test is asked for."""

import aiohttp
import pytest

from stream.config import Config
from stream.config_notify import Notify, PagerDuty, Webhook
from stream.notify.standing import fingerprint_of
from stream.schema import alerts, topics
from stream.schema.alerts import Severity, State
from stream.schema.notify_state import Proof, Trial
from tests.serve.rig import Shop, serving

HOOK = Webhook(url="http://127.0.0.1:1/", severities=("page", "ticket"))
PAGER = PagerDuty.model_validate({"routing_key": "R" * 32})
CONFIG = Config(notify=Notify(destinations=(HOOK, PAGER)))
PROVEN = Proof(destination="webhook", settings=fingerprint_of(HOOK), since_ms=1, proven_ms=2)


async def states(client: aiohttp.ClientSession) -> list[tuple[str, str]]:
    async with client.get("/api/v1/destinations") as response:
        assert response.status == 200
        found = (await response.json())["destinations"]
    return [(each["name"], each["state"]) for each in found]


async def test_states(shop: Shop) -> None:
    failing = Proof(
        destination="pagerduty", settings=fingerprint_of(PAGER), since_ms=1, proven_ms=2, failing_since_ms=3
    )
    async with serving(shop, config=CONFIG) as client:
        assert await states(client) == [("webhook", "unproven"), ("pagerduty", "unproven")]
        shop.proven |= {"webhook": PROVEN, "pagerduty": failing}
        assert await states(client) == [("webhook", "proven"), ("pagerduty", "failing")]
        shop.proven["webhook"] = Proof(destination="webhook", settings="other", since_ms=1, proven_ms=2)
        assert await states(client) == [("webhook", "unproven"), ("pagerduty", "failing")]
    shop.proven.clear()


async def test_no_secret_is_told(shop: Shop) -> None:
    shop.proven["webhook"] = PROVEN
    async with serving(shop, config=CONFIG) as client, client.get("/api/v1/destinations") as response:
        text = await response.text()
    shop.proven.clear()
    assert "RRR" not in text and PROVEN.settings not in text


@pytest.mark.parametrize(("body", "severity"), [({}, "ticket"), ({"severity": "page"}, "page")])
async def test_a_test_is_a_record_for_one_destination(
    shop: Shop, body: dict[str, str], severity: str
) -> None:
    async with (
        serving(shop, config=CONFIG) as client,
        client.post("/api/v1/destinations/webhook/test", json=body) as response,
    ):
        assert response.status == 202
        told = await response.json()
    [record] = shop.appended
    alert = alerts.decode(record.value)
    assert record.topic == topics.ALERTS
    assert (alert.about, alert.destination, alert.state) == ("test", "webhook", State.FIRING)
    assert alert.severity == Severity(severity)
    assert told == {"id": alert.dedup_key, "destination": "webhook"}


async def test_a_wrong_name_is_told_with_the_right_ones(shop: Shop) -> None:
    async with serving(shop, config=CONFIG) as client:
        async with client.post("/api/v1/destinations/pager/test") as response:
            assert response.status == 404
            said = (await response.json())["error"]
        async with client.post("/api/v1/destinations/webhook/test", json={"severty": "page"}) as response:
            assert response.status == 400
    assert said == "there is no destination 'pager'; there are webhook, pagerduty"


def test_a_trial_is_part_of_what_is_told() -> None:
    from stream.serve.destinations import _row

    trial = Trial(id="test/1", at_ms=5, taken=False, detail="401")
    proof = Proof(
        destination="webhook", settings=fingerprint_of(HOOK), since_ms=1, failing_since_ms=5, trial=trial
    )
    assert _row(HOOK, proof)["trial"] == trial
    assert _row(HOOK, proof)["state"] == "failing"

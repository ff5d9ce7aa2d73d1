"""Deploys by HTTP: CloudEvents in every mode, the webhooks of other tools, and GitHub's signature."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from stream.config import Deploys, Http
from stream.schema import deploys, topics
from tests.collect.test_http import JSON, NDJSON, NOW_MS, Log, post, refused, taking

PAYLOADS = Path(__file__).parent.parent / "schema" / "deploys"
PLAIN = {"what": "checkout 2.14.1", "labels": {"service": "checkout"}}
EVENT = {"specversion": "1.0", "id": "1", "source": "/ci", "type": "deploy", "time": "2026-11-24T14:02:00Z"}
SECRET = "it is a secret to everybody"
PATH = "/v1/deploys"


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def client(log: Log) -> AsyncIterator[aiohttp.ClientSession]:
    async with taking(log) as session:
        yield session


def taken(log: Log) -> list[deploys.Deploy]:
    assert {topic for topic, _ in log.taken} <= {topics.DEPLOYS}
    return [one for _, value in log.taken for one in deploys.decode(value, 0)]


async def test_a_plain_deploy_without_a_time_is_of_now(client: aiohttp.ClientSession, log: Log) -> None:
    body = json.dumps(PLAIN).encode()
    assert await post(client, body, JSON, PATH) == (202, {"accepted_messages": 1})
    assert await post(client, body + b"\n" + body, NDJSON, PATH) == (202, {"accepted_messages": 2})
    assert [one.time_s for one in taken(log)] == [NOW_MS // 1000] * 3


@pytest.mark.parametrize("mode", ["structured", "batch", "binary"])
async def test_cloud_events_of_every_mode(client: aiohttp.ClientSession, log: Log, mode: str) -> None:
    whole = {**EVENT, "data": PLAIN}
    if mode == "structured":
        headers, body = {"Content-Type": "application/cloudevents+json; charset=utf-8"}, json.dumps(whole)
    elif mode == "batch":
        headers, body = {"Content-Type": "application/cloudevents-batch+json"}, json.dumps([whole])
    else:
        headers = {**JSON, **{f"ce-{name}": value for name, value in EVENT.items()}}
        body = json.dumps(PLAIN)
    assert await post(client, body.encode(), headers, PATH) == (202, {"accepted_messages": 1})
    [one] = taken(log)
    assert (one.what, one.labels, one.id) == (PLAIN["what"], PLAIN["labels"], "/ci 1")


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*.json")), ids=lambda path: path.stem)
async def test_the_webhooks_of_other_tools(client: aiohttp.ClientSession, log: Log, path: Path) -> None:
    kind, _, event = path.stem.partition("_")
    headers = {**JSON, "X-GitHub-Event": event} if kind == "github" else JSON
    status, answer = await post(client, path.read_bytes(), headers, PATH)
    assert status == 202
    if event == "ping":
        assert answer == {
            "accepted_messages": 0,
            "ignored": "it tells of no deploy and no change of scale",
        }
    assert len(taken(log)) == (event != "ping")


async def test_one_that_is_wrong_refuses_the_whole_body(client: aiohttp.ClientSession, log: Log) -> None:
    good = json.dumps(PLAIN).encode()
    for bad, why in (
        (b"this is no JSON", "JSON is malformed: invalid"),
        (b'{"what": "v2"}', "Object missing required field `labels`"),
        (b"[" * 100_000, ""),
        (b'{"what": "\xff", "labels": {}}', ""),
    ):
        status, sentence = await refused(client, good + b"\n" + bad, NDJSON, PATH)
        assert status == 400
        assert sentence.startswith(f"message 2 can't be read: {why}")
        assert sentence.endswith("; nothing of the body was taken")
    assert log.taken == []


def signed(body: bytes, secret: str = SECRET) -> Mapping[str, str]:
    """As GitHub's documentation has it, "Validating webhook deliveries"."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {**JSON, "X-GitHub-Event": "deployment", "X-Hub-Signature-256": f"sha256={digest}"}


def test_the_signature_is_that_of_the_documentation() -> None:
    told = signed(b"Hello, World!", "It's a Secret to Everybody")["X-Hub-Signature-256"]
    assert told == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


async def test_github_signs_and_needs_no_token(log: Log) -> None:
    body = (PAYLOADS / "github_deployment.json").read_bytes()
    http = Http(port=0, token=SecretStr("right"))
    async with taking(log, http, Deploys(github_secret=SecretStr(SECRET))) as client:
        assert (await post(client, body, dict(signed(body)), PATH))[0] == 202
        for headers, why in (
            (signed(body, "another"), "is not made with deploys.github_secret"),
            (signed(body + b" "), "is not made with deploys.github_secret"),
            ({**JSON, "X-GitHub-Event": "deployment"}, "is missing"),
            (
                {**signed(body), "X-Hub-Signature-256": "sha256=\xe9"},
                "is not made with deploys.github_secret",
            ),
            ({**JSON, "X-GitHub-Event": "deployment", "Authorization": "Bearer right"}, "is missing"),
        ):
            assert await refused(client, body, dict(headers), PATH) == (
                401,
                f"X-Hub-Signature-256 {why}: set the same secret in the webhook's settings",
            )
        # What is not GitHub's, and other paths, need the token as ever.
        assert (await refused(client, json.dumps(PLAIN).encode(), JSON, PATH))[0] == 401
        assert (await refused(client, body, dict(signed(body)), "/v1/usage"))[0] == 401
    assert len(log.taken) == 1


async def test_without_a_secret_github_needs_the_token(log: Log) -> None:
    body = (PAYLOADS / "github_deployment.json").read_bytes()
    async with taking(log, Http(port=0, token=SecretStr("right"))) as client:
        assert (await refused(client, body, dict(signed(body)), PATH))[0] == 401


async def test_workflows_that_deploy_are_configured(log: Log) -> None:
    body = (PAYLOADS / "github_workflow_run.json").read_bytes()
    async with taking(log, settings=Deploys(github_workflows=("ship it*",))) as client:
        assert (await post(client, body, JSON, PATH))[1]["accepted_messages"] == 0
    async with taking(log, settings=Deploys(github_workflows=("DEPLOY TO *",))) as client:
        assert (await post(client, body, JSON, PATH))[1]["accepted_messages"] == 1

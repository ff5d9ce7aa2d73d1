"""Taking in by HTTP: a real server, a sink that remembers, and what strangers send."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

import aiohttp
import pytest
from pydantic import SecretStr

from stream.collect.http import MAX_AT_ONCE, ingest_application
from stream.config import Config, Deploys, Http
from stream.errors import UserError
from stream.meter import price
from stream.meter.stage import Meter
from stream.schema import calibrations, topics
from stream.schema.calibrations import Calibration
from stream.serve.listen import listening
from stream.stage import Batch

NOW_MS = 1_795_529_400_000
MAX_BYTES = 8 * 1024 * 1024
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
GZIP = {**JSON, "Content-Encoding": "gzip"}
COLUMNS = (
    b'{"series":[{"driver":"pod_hours"}],'
    b'"columns":{"series":[0,0],"start":0,"end":60000,"cost_nusd":[200000000,300000000]}}'
)
ESTIMATE = b'{"start":0,"end":60000,"driver":"pod_hours","cost_usd":"0.5","labels":{"service":"checkout"}}'


class Log:
    """A sink that remembers, or refuses with a sentence, or waits."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.refuses = ""
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, topic: str, values: list[bytes]) -> None:
        await self.gate.wait()
        if self.refuses:
            raise UserError(self.refuses)
        self.taken += [(topic, value) for value in values]


@asynccontextmanager
async def taking(
    log: Log, http: Http | None = None, settings: Deploys | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    http = http or Http(port=0)
    async with (
        listening(
            ingest_application(log, http, MAX_BYTES, settings or Deploys(), lambda: NOW_MS), http
        ) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        yield session


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def client(log: Log) -> AsyncIterator[aiohttp.ClientSession]:
    async with taking(log) as session:
        yield session


async def post(
    client: aiohttp.ClientSession, body: bytes, headers: dict[str, str] = JSON, path: str = "/v1/usage"
) -> tuple[int, dict[str, object]]:
    async with client.post(path, data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def refused(
    client: aiohttp.ClientSession, body: bytes, headers: dict[str, str] = JSON, path: str = "/v1/usage"
) -> tuple[int, str]:
    status, answer = await post(client, body, headers, path)
    assert list(answer) == ["error"]
    sentence = str(answer["error"])
    assert "\n" not in sentence
    return status, sentence


@pytest.mark.parametrize(
    "body", [ESTIMATE, b"[" + ESTIMATE + b"]", b'{"source":"a","seq":1,"estimates":[' + ESTIMATE + b"]}"]
)
async def test_a_body_is_one_message(client: aiohttp.ClientSession, log: Log, body: bytes) -> None:
    assert await post(client, body) == (202, {"accepted_messages": 1})
    assert log.taken == [(topics.USAGE, body)]


async def test_a_line_is_one_message(client: aiohttp.ClientSession, log: Log) -> None:
    body = ESTIMATE + b"\n\n  \r\n" + ESTIMATE + b"\r\n" + ESTIMATE
    assert await post(client, body, NDJSON) == (202, {"accepted_messages": 3})
    assert [value.strip() for _, value in log.taken] == [ESTIMATE] * 3


async def test_what_is_taken_reaches_the_meter_unchanged(client: aiohttp.ClientSession, log: Log) -> None:
    await post(client, ESTIMATE)
    await post(client, b"this is no JSON")
    await post(client, gzip.compress(ESTIMATE), GZIP)
    await post(client, COLUMNS)
    meter = Meter(0, Config(), 1, price.load(None))
    values = [value for _, value in log.taken]
    meter.take(Batch(topics.USAGE, 0, values, range(4), [60_000] * 4, 4))
    meter.commit(60_000)
    counters = meter.counters
    assert (counters.accepted_events, counters.rejected_events, counters.accepted_nusd) == (4, 1, 15 * 10**8)
    assert counters.balanced


FACTOR = Calibration(
    provider="aws", account="a", service="EC2", factor="1.0400", measured="1.0400", spread="0.0100", days=9,
    first_day="2026-01-01", last_day="2026-01-09", computed_ms=0,
)  # fmt: skip


async def test_records_of_reconciliation_are_checked(client: aiohttp.ClientSession, log: Log) -> None:
    good = calibrations.encode(FACTOR)
    assert (await post(client, good + b"\n" + good, NDJSON, "/v1/calibrations"))[0] == 202
    assert log.taken == [(topics.CALIBRATIONS, good)] * 2
    wild = good.replace(b'"factor":"1.0400"', b'"factor":"9.0000"')
    status, sentence = await refused(client, good + b"\n" + wild, NDJSON, "/v1/calibrations")
    assert status == 400
    assert sentence.startswith("message 2 can't be read: the factor 9.0000 is outside 0.5 to 2")
    assert sentence.endswith("; nothing of the body was taken")
    for path in ("/v1/invoices", "/v1/variances"):
        assert (await refused(client, b"{}", JSON, path))[0] == 400
    assert len(log.taken) == 2


async def test_gzip_of_several_members(client: aiohttp.ClientSession, log: Log) -> None:
    body = gzip.compress(ESTIMATE[:20]) + gzip.compress(ESTIMATE[20:])
    assert await post(client, body, GZIP) == (202, {"accepted_messages": 1})
    assert log.taken == [(topics.USAGE, ESTIMATE)]


@pytest.mark.parametrize("left", [1, 10, 30, len(gzip.compress(ESTIMATE)) - 1])
async def test_gzip_that_was_cut_short_is_not_taken(
    client: aiohttp.ClientSession, log: Log, left: int
) -> None:
    """Lines that were cut off would be money that nobody misses."""
    lines = ESTIMATE + b"\n" + ESTIMATE
    status, sentence = await refused(
        client, gzip.compress(lines)[:left], {**NDJSON, "Content-Encoding": "gzip"}
    )
    assert status == 400
    assert sentence == "the body is not whole gzip (it ends too soon): send it again"
    assert log.taken == []


@pytest.mark.parametrize(
    "body", [ESTIMATE, b"\x1f\x8b\x08\x00garbage-garbage", gzip.compress(ESTIMATE) + b"rest"]
)
async def test_what_is_no_gzip(client: aiohttp.ClientSession, log: Log, body: bytes) -> None:
    status, sentence = await refused(client, body, GZIP)
    assert status == 400
    assert sentence.startswith("the body is not whole gzip (")
    assert log.taken == []


async def test_many_empty_members_cost_no_time(client: aiohttp.ClientSession) -> None:
    status, sentence = await refused(client, gzip.compress(b"") * 100_000, GZIP)
    assert (status, sentence) == (
        400,
        "the body is not whole gzip (it has more than 100 members): send it again",
    )


TOO_LONG = (
    "the body is longer than 8,388,608 bytes: send fewer messages at once, or raise meter.max_message_bytes"
)


async def test_a_bomb_is_not_unpacked(client: aiohttp.ClientSession, log: Log) -> None:
    bomb = gzip.compress(bytes(100 * 1024 * 1024))
    assert len(bomb) < 200_000
    assert await refused(client, bomb, GZIP) == (413, TOO_LONG)
    assert await refused(client, gzip.compress(ESTIMATE) * 2 + bomb, GZIP) == (413, TOO_LONG)
    assert log.taken == []


async def test_ten_megabytes_are_too_long(client: aiohttp.ClientSession, log: Log) -> None:
    assert await refused(client, b" " * 10_000_000) == (413, TOO_LONG)
    assert log.taken == []


async def test_the_limit_itself_is_taken(client: aiohttp.ClientSession, log: Log) -> None:
    body = ESTIMATE + b" " * (MAX_BYTES - len(ESTIMATE))
    assert (await post(client, body))[0] == 202
    assert (await post(client, gzip.compress(body), GZIP))[0] == 202
    assert [len(value) for _, value in log.taken] == [MAX_BYTES] * 2


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/x-protobuf", ""]
)
async def test_another_content_type(client: aiohttp.ClientSession, log: Log, content_type: str) -> None:
    status, sentence = await refused(client, ESTIMATE, {"Content-Type": content_type})
    assert status == 415
    assert sentence.startswith("send 'Content-Type: application/json' for one message")
    assert log.taken == []


async def test_another_encoding(client: aiohttp.ClientSession, log: Log) -> None:
    for encoding in ("deflate", "br", "gzip, gzip"):
        assert (await refused(client, ESTIMATE, {**JSON, "Content-Encoding": encoding}))[0] == 415
    assert log.taken == []


@pytest.mark.parametrize("body", [b"", b"   ", b"\n\n"])
async def test_an_empty_body(client: aiohttp.ClientSession, log: Log, body: bytes) -> None:
    for headers in (JSON, NDJSON):
        assert await refused(client, body, headers) == (400, "the body is empty: send at least one message")
    assert log.taken == []


async def test_a_sink_that_can_not_take_more(client: aiohttp.ClientSession, log: Log) -> None:
    log.refuses = "the disk is full: make room"
    async with client.post("/v1/usage", data=ESTIMATE, headers=JSON) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert await answer.json() == {"error": "the disk is full: make room"}
    log.refuses = ""
    assert (await post(client, ESTIMATE))[0] == 202


async def test_a_sink_that_fails_is_no_traceback(
    client: aiohttp.ClientSession, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "gate", None)
    assert await refused(client, ESTIMATE) == (500, "burnline failed on this request; its log says why")


async def test_too_many_at_once_are_told_to_come_back(client: aiohttp.ClientSession, log: Log) -> None:
    log.gate.clear()
    waiting = [asyncio.ensure_future(post(client, ESTIMATE)) for _ in range(MAX_AT_ONCE + 4)]
    early = [await task for task in islice(asyncio.as_completed(waiting), 4)]
    assert {status for status, _ in early} == {503}
    log.gate.set()
    statuses = sorted([(await task)[0] for task in waiting])
    assert statuses == [202] * MAX_AT_ONCE + [503] * 4
    assert len(log.taken) == MAX_AT_ONCE
    assert (await post(client, ESTIMATE))[0] == 202


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_without_the_token_nothing_is_taken(log: Log, token: str | None) -> None:
    async with taking(log, Http(port=0, token=SecretStr("right"))) as client:
        headers = JSON if token is None else {**JSON, "Authorization": f"Bearer {token}"}
        status, sentence = await refused(client, ESTIMATE, headers)
        assert status == 401
        assert "ingest.token" in sentence
        assert (await post(client, ESTIMATE, {**JSON, "Authorization": "Bearer right"}))[0] == 202
    assert len(log.taken) == 1


def test_a_port_that_others_reach_needs_a_token(log: Log) -> None:
    with pytest.raises(UserError, match=r"^ingest\.host is 0\.0\.0\.0"):
        ingest_application(log, Http(host="0.0.0.0", port=0), MAX_BYTES, Deploys(), lambda: NOW_MS)


async def test_pages_of_other_sites_can_not_send(client: aiohttp.ClientSession, log: Log) -> None:
    assert (await refused(client, ESTIMATE, {**JSON, "Origin": "https://evil.example"}))[0] == 403
    assert (await refused(client, ESTIMATE, {**JSON, "Host": "evil.example"}))[0] == 403
    assert log.taken == []


async def test_another_path(client: aiohttp.ClientSession) -> None:
    assert (await refused(client, ESTIMATE, JSON, "/v1/usages"))[0] == 404
    assert (await refused(client, ESTIMATE, JSON, "/v1/dead-letters"))[0] == 404

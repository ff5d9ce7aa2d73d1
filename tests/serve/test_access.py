"""Who gets in: tokens, hosts, origins."""

import asyncio
import logging

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from stream.config import Http
from stream.errors import UserError
from stream.serve.access import guard, is_loopback
from stream.serve.api import application
from stream.serve.console import POLICY
from stream.serve.listen import listening
from tests.serve.rig import T0_MS, Shop, serving

OPEN = {"scopes": ["service=shop/checkout"], "since_s": T0_MS // 1000}
TOKEN = "s3cret-é"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example", "2130706433"],
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "burnline.example"])
def test_others_are_let_in_only_with_a_token(host: str) -> None:
    with pytest.raises(
        UserError, match=r"^ingest\.host is .* set ingest\.token \(or BURNLINE_INGEST__TOKEN\)"
    ):
        guard(Http(host=host, port=0), "ingest")
    with pytest.raises(UserError):
        guard(Http(host=host, port=0, token=SecretStr("")), "ingest")
    guard(Http(host=host, port=0, token=SecretStr("x")), "ingest")


async def test_loopback_without_a_token_may_write(client: aiohttp.ClientSession) -> None:
    async with client.post("/api/v1/incidents", json=OPEN) as answer:
        assert answer.status == 201


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer s3cret",
        "Basic s3cret-é",
        TOKEN,
        "Bearer \udcff",
    ],
)
async def test_a_wrong_token_writes_nothing(shop: Shop, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with (
        serving(shop, Http(port=0, token=SecretStr(TOKEN))) as client,
        client.post("/api/v1/incidents", json=OPEN, headers=headers) as answer,
    ):
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer TOKEN" in (await answer.json())["error"]
        assert TOKEN not in await answer.text()
    assert shop.appended == []


async def test_the_right_token_writes_and_reading_needs_none(shop: Shop) -> None:
    async with serving(shop, Http(port=0, token=SecretStr(TOKEN))) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with client.post("/api/v1/incidents", json=OPEN, headers=headers) as answer:
            assert answer.status == 201
        async with client.get("/api/v1/incidents") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9107", "127.0.0.1.evil.example", "10.0.0.1", ""]
)
async def test_another_name_for_loopback_is_turned_away(client: aiohttp.ClientSession, host: str) -> None:
    """DNS rebinding: a page of evil.example whose name now points at 127.0.0.1."""
    for path in ("/", "/health", "/api/v1/burn"):
        async with client.get(path, headers={"Host": host}) as answer:
            assert answer.status == 403
            assert "127.0.0.1 and localhost only" in (await answer.json())["error"]


@pytest.mark.parametrize("host", ["localhost", "localhost:9107", "127.0.0.1:80", "[::1]:9107"])
async def test_loopback_has_several_names(client: aiohttp.ClientSession, host: str) -> None:
    async with client.get("/api/v1/burn", headers={"Host": host}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://[", ""])
async def test_pages_of_other_sites_may_not_write(
    client: aiohttp.ClientSession, shop: Shop, origin: str
) -> None:
    async with client.post("/api/v1/incidents", json=OPEN, headers={"Origin": origin}) as answer:
        assert answer.status == 403
        assert (await answer.json())["error"] == "pages of other sites may not write here"
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert shop.appended == []


async def test_a_page_of_its_own_may_write(client: aiohttp.ClientSession) -> None:
    own = str(client._build_url("/").origin())
    async with client.post("/api/v1/incidents", json=OPEN, headers={"Origin": own}) as answer:
        assert answer.status == 201


async def test_the_console_needs_nothing_from_elsewhere(client: aiohttp.ClientSession) -> None:
    async with client.get("/?scope=service=shop/checkout") as answer:
        page = await answer.text()
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert answer.headers["Content-Security-Policy"] == POLICY
    assert "src=" not in page.replace("<img src=x>", "")
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "innerHTML" not in page
    assert "unsafe" not in POLICY
    assert POLICY.count("'sha256-") == 2


async def test_a_port_in_use_is_a_sentence(shop: Shop) -> None:
    async with listening(application(shop, Http(port=0), lambda: 0), Http(port=0)) as port:
        taken = Http(port=port)
        with pytest.raises(UserError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: .*address"):
            async with listening(application(shop, taken, lambda: 0), taken):
                pass


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nX-A: \x7f\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n"]
)
async def test_what_is_no_http_costs_a_line_and_no_traceback(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(web.Application(), Http(port=0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
        writer.close()
    told = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert [record.getMessage()[:31] for record in told] == ["a client sent what is no HTTP: "] * len(told)
    assert all(record.exc_info is None for record in told)
    assert told or sent[0] == 0x16  # another protocol at the door is too common to tell of

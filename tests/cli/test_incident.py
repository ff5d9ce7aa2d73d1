"""`burnline incident`, against a real API."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from stream.cli import incident as command
from stream.cli import people
from stream.cli.api import Api, address, connect
from stream.cli.times import moment_s
from stream.config import Http
from stream.errors import UserError
from stream.serve.api import application
from stream.serve.listen import listening
from tests.serve.rig import T0_MS, Shop

NOW_S = T0_MS // 1000
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def shop(shop_at_work: Shop) -> Shop:
    shop_at_work.kept.clear()
    return shop_at_work


@pytest.fixture
async def run(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Run]:
    """`await run("list")` is `burnline incident list`, with a configuration that names the API's port."""
    monkeypatch.setattr(people, "now_s", lambda: shop.now_ms // 1000)
    http = Http(port=0, token=SecretStr("right"))
    async with listening(application(shop, http, lambda: shop.now_ms), http) as port:
        config = tmp_path / "burnline.yaml"
        config.write_text(f"serve: {{port: {port}, token: right}}\n")

        async def call(*words: str, columns: int = 200) -> Result:
            environment = {"BURNLINE_CONFIG": str(config), "COLUMNS": str(columns)}
            return await asyncio.to_thread(
                lambda: CliRunner().invoke(command.app, list(words), env=environment)
            )

        yield call


async def opened(run: Run) -> str:
    result = await run(
        "open",
        "--scope",
        "service=shop/checkout",
        "--since",
        "14:00",
        "--title",
        "It [red]runs[/red] away",
        "--json",
    )
    assert result.exit_code == 0, result.output
    return str(json.loads(result.output)["id"])


async def test_from_open_to_report(run: Run, shop: Shop, tmp_path: Path) -> None:
    assert (await run("list")).output == "No incident has been opened.\n"
    name = await opened(run)
    assert shop.kept[name].since_s == NOW_S
    narrow = await run("list", columns=60)
    assert name in narrow.output
    said = f"{name} open: It [red]runs[/red] away\n    service=shop/checkout; since 1 Jan 14:00 UTC\n"
    assert said in (await run("list")).output
    shown = (await run("show", name)).output
    assert re.search(r"\$\d+ beyond normal \(estimated\), ± \$\d+\.\d\d with 95 %", shown)
    assert re.search(r"pod_hours\s+│\s+\$\d+", shown)
    contained = await run("contain", name, "--at", "5m")
    assert contained.output == f"{name} was contained at 1 Jan 14:05 UTC.\n"
    assert "until it was contained" in (await run("show", name)).output
    closed = await run("close", name)
    assert closed.output == (
        f"{name} is closed as of 1 Jan 14:10 UTC. For the postmortem: burnline incident report {name}\n"
    )
    file = tmp_path / "cost.md"
    assert (await run("report", name, "--output", str(file))).output == f"Written to {file}.\n"
    assert file.read_text() == (await run("report", name)).output
    assert file.read_text().startswith("## Cost: It \\[red\\]runs\\[/red\\] away\n")


async def test_json_everywhere(run: Run) -> None:
    name = await opened(run)
    (line,) = (await run("list", "--json")).output.splitlines()
    assert json.loads(line)["id"] == name
    assert json.loads((await run("show", name, "--json")).output)["excess_nusd"] > 0
    assert json.loads((await run("contain", name, "--json")).output)["contained_s"] == NOW_S + 600
    assert json.loads((await run("close", name, "--json")).output)["closed"] is True
    assert json.loads((await run("report", name, "--json")).output)["markdown"].startswith("## Cost")


async def sentence(run: Run, *words: str) -> str:
    result = await run(*words)
    assert isinstance(result.exception, UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


async def test_every_mistake_is_a_sentence(run: Run, tmp_path: Path) -> None:
    name = await opened(run)
    assert "did you mean service=shop/checkout" in await sentence(
        run, "open", "--scope", "service=shop/chekout", "--since", "20m"
    )
    assert "write 14:02 (UTC), 20m (ago)" in await sentence(
        run, "open", "--scope", "total", "--since", "noon"
    )
    assert f"the newest are {name}" in await sentence(run, "show", "nobody")
    assert f"the newest are {name}" in await sentence(run, "show", "../../health")
    assert "name another file with --output" in await sentence(run, "report", name, "-o", str(tmp_path))
    assert "is no URL" in await sentence(run, "list", "--url", "127.0.0.1")
    assert "nothing answers at http://127.0.0.1:1: start `burnline run`" in await sentence(
        run, "list", "--url", "http://127.0.0.1:1"
    )


async def test_a_wrong_token_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNLINE_SERVE__TOKEN", "wrong")
    told = await sentence(run, "open", "--scope", "total", "--since", "20m")
    assert "takes another token: give this command the serve.token" in told


@pytest.mark.parametrize(
    "said", [b"220 mail.example ESMTP\r\n", b"HTTP/1.0 200 OK\r\n\r\n<html>a web page for all paths</html>"]
)
async def test_something_else_on_the_port_is_a_sentence(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n") if said.startswith(b"HTTP") else None
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(UserError, match=r"does not speak burnline's API .*check --url"):
            await asyncio.to_thread(Api(f"http://127.0.0.1:{port}").get, "/api/v1/incidents")


@pytest.mark.parametrize("name", ["open", "list", "show", "contain", "close", "report"])
def test_help_has_an_example(name: str) -> None:
    help_text = CliRunner().invoke(command.app, [name, "--help"], env={"COLUMNS": "200"}).output
    assert f"Example: burnline incident {name}" in help_text
    assert "--json" in help_text


@pytest.mark.parametrize(
    ("http", "url"),
    [
        (Http(port=9107), "http://127.0.0.1:9107"),
        (Http(host="0.0.0.0", port=1), "http://127.0.0.1:1"),
        (Http(host="::", port=1), "http://[::1]:1"),
        (Http(host="burnline.example", port=80), "http://burnline.example:80"),
    ],
)
def test_the_address_of_a_port(http: Http, url: str) -> None:
    assert address(http) == url


def test_the_token_comes_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "burnline.yaml"
    config.write_text("serve: {port: 1234, token: right}\n")
    assert connect(config, None) == Api("http://127.0.0.1:1234", "right")
    assert connect(config, "http://elsewhere:1").url == "http://elsewhere:1"
    assert "right" not in repr(connect(config, None))


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [
        ("20m", 1200), ("90s", 90), ("2h", 7200), ("1d", 86_400), ("13:40", 1200), ("14:00", 0),
        ("14:01", 86_340), ("2026-01-01T13:00Z", 3600), ("2026-01-01T13:00", 3600),
        ("2026-01-01T15:00+02:00", 3600), ("2026-01-01", 14 * 3600), (" 20m ", 1200),
    ],
)  # fmt: skip
def test_times(text: str, ago_s: int) -> None:
    assert moment_s(text, NOW_S) == NOW_S - ago_s


@pytest.mark.parametrize(
    "text", ["", "noon", "25:00", "12:60", "20", "-5m", "20 m", "2026-13-01", "2026-01-02", "٢m"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UserError):
        moment_s(text, NOW_S)

"""`burnline alert`, `maintenance`, `plan` and `feedback`, against a real API over a shop in mid-runaway."""

import asyncio
import copy
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from stream.cli import people
from stream.cli.main import app
from stream.cli.times import later_s
from stream.config import Http
from stream.errors import UserError
from stream.serve.api import application
from stream.serve.listen import listening
from tests.serve.rig import T0_MS, Shop

NOW_S = T0_MS // 1000 + 600
CHECKOUT = "service=shop/checkout"
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def run(shop_at_work: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Run]:
    """`await run("alert", "list")` is `burnline alert list`, configured to reach the API."""
    shop = shop_at_work
    stage = shop.stage
    shop.stage = copy.deepcopy(stage)
    shop.appended.clear()
    monkeypatch.setattr(people, "now_s", lambda: shop.now_ms // 1000)
    monkeypatch.setattr(people, "who", lambda: "ana")
    http = Http(port=0, token=SecretStr("right"))
    async with listening(application(shop, http, lambda: shop.now_ms), http) as port:
        config = tmp_path / "burnline.yaml"
        config.write_text(f"serve: {{port: {port}, token: right}}\n")

        async def call(*words: str, answer: str = "", columns: int = 200) -> Result:
            environment = {"BURNLINE_CONFIG": str(config), "COLUMNS": str(columns)}
            return await asyncio.to_thread(
                lambda: CliRunner().invoke(app, list(words), env=environment, input=answer)
            )

        yield call
    shop.stage = stage


async def told(run: Run, *words: str, answer: str = "") -> str:
    result = await run(*words, answer=answer)
    assert result.exit_code == 0, result.output
    return result.output


async def as_json(run: Run, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (await told(run, *words, "--json")).splitlines()]


async def test_an_alert_is_shown_with_its_commands(run: Run) -> None:
    shown = await told(run, "alert", "show", CHECKOUT)
    assert "kubectl --namespace=shop scale deployment/checkout --replicas=10" in shown.partition("contain")[2]
    assert re.search(
        r"\nscale-workload: run checkout with 10 pods .*\n"
        r"  look first  kubectl --namespace=shop get deployment/checkout\n"
        r"  run         kubectl --namespace=shop scale deployment/checkout --replicas=10\n"
        r"  undo        kubectl --namespace=shop scale deployment/checkout '--replicas=<before>'\n",
        shown,
    )
    [alert] = await as_json(run, "alert", "show", CHECKOUT)
    assert alert["scope"] == CHECKOUT


async def test_an_alert_is_seen_taken_and_given_back(run: Run) -> None:
    seen = await told(run, "alert", "list")
    assert re.search(
        rf"PAGE firing: {CHECKOUT} burns \$\d+/h, .*\n    nobody has it; its key: {CHECKOUT}@\d+/page", seen
    )
    key = next(
        str(one["dedup_key"]) for one in await as_json(run, "alert", "list") if one["scope"] == CHECKOUT
    )
    said = await told(run, "alert", "ack", CHECKOUT, "--note", "looking")
    assert said == f"ana has {key}. It rings again only if it gets worse.\n"
    assert re.search("PAGE acknowledged: .*\n    ana has it; its key: ", await told(run, "alert", "list"))
    said = await told(run, "alert", "snooze", key, "--until", "2h")
    assert said == f"{key} rests until 16:10 UTC; if it gets worse, it rings before.\n"
    assert "snoozed until 16:10 UTC" in await told(run, "alert", "list")
    assert await told(run, "alert", "unack", key) == f"Nobody has {key} any more: it rings again.\n"
    assert re.search(
        rf", ana: acknowledge {CHECKOUT}@\S+; ended 1 Jan 14:10 UTC by ana\n    looking\n",
        await told(run, "alert", "log"),
    )
    assert [one["kind"] for one in await as_json(run, "alert", "log")] == ["acknowledge", "acknowledge"]
    failed = await run("alert", "ack", "total")
    assert isinstance(failed.exception, UserError)
    assert str(failed.exception) == f"no alert 'total' fires; what fires: {key}"


async def test_maintenance_is_planned_seen_and_ended(run: Run) -> None:
    assert await told(run, "maintenance", "list") == "None holds or is to come.\n"
    said = await told(
        run, "maintenance", "add", "--scope", "service=shop/*", "--for", "4h", "--note", "[red]move"
    )
    assert re.match(
        r"20260101-\w{6}: from 14:10 UTC to 18:10 UTC it rings nobody\.\nIt is about service=", said
    )
    assert " and " in said.splitlines()[1]
    name = said.partition(":")[0]
    listed = f"{name} holds: service=shop/*, from 14:10 UTC to 18:10 UTC\n    [red]move"
    assert listed in await told(run, "maintenance", "list")
    assert name in (await run("maintenance", "list", columns=60)).output
    said = await told(run, "maintenance", "add", "--label", "team=nobody", "--at", "02:00", "--for", "3h",
                      "--on", "sun,-1", "--timezone", "Europe/Berlin")  # fmt: skip
    assert "from 4 Jan 01:00 UTC to 4 Jan 04:00 UTC, and so on (sun, day -1 at 02:00 Europe/Berlin)" in said
    assert "No scope that is known now fits" in said
    assert await told(run, "maintenance", "end", name) == f"{name} ended at 1 Jan 14:10 UTC.\n"
    [left] = await as_json(run, "maintenance", "list")
    assert left["state"] == "waits"
    assert len(await as_json(run, "maintenance", "list", "--all")) == 2


async def test_a_plan_has_a_ceiling(run: Run) -> None:
    said = await told(
        run, "plan", "add", "--scope", CHECKOUT, "--ceiling", "400", "--floor", "20", "--until", "18:00"
    )
    assert "from 14:10 UTC to 18:00 UTC it pages from $420/h on." in said
    assert f"It is about {CHECKOUT}." in said
    assert "$400/h" in await told(run, "plan", "list")
    [window] = await as_json(run, "plan", "list")
    await told(run, "plan", "end", str(window["id"]))
    assert await told(run, "plan", "list") == "None holds or is to come.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--scope", "total"), "say when it ends: with --until 18:00, or with --for 4h"),
        (("--scope", "total", "--for", "4"), "'4' is no length of time: write 90m, 4h or 2d"),
        (("--scope", "total", "--until", "noon"), "'noon' is no time: write 18:00 (UTC), 2h (from now)"),
        (("--scope", "total", "--at", "02:00"), "say how long it lasts each time, with --for 3h"),
        (("--scope", "total", "--for", "1h", "--on", "mon"), "--on and --timezone are for what recurs"),
        (("--scope", "total", "--for", "1h", "--at", "02:00", "--on", "moonday"), "'moo' is no weekday"),
        (("--scope", "total", "--for", "1h", "--at", "26:00"), "Expected `str` matching regex"),
        (("--label", "team", "--for", "1h"), "--label team says no value: write --label team=payments"),
        (("--for", "1h"), "name the scopes or the labels that are meant"),
        (("--scope", "total", "--for", "1h", "--at", "2:00", "--timezone", "Mars"), "matching regex"),
        (
            ("--scope", "total", "--for", "1h", "--at", "02:00", "--timezone", "Mars"),
            "'Mars' is no time zone",
        ),
    ],
)
async def test_what_makes_no_sense_is_told_in_a_sentence(
    run: Run, words: tuple[str, ...], sentence: str
) -> None:
    failed = await run("maintenance", "add", *words)
    assert isinstance(failed.exception, UserError)
    assert sentence in str(failed.exception)


async def test_a_verdict_is_shown_asked_for_saved_and_taken_back(run: Run, shop_at_work: Shop) -> None:
    assert await told(run, "feedback", "list") == "Nobody has said anything of an alert yet.\n"
    seen = await told(run, "feedback", "preview", CHECKOUT, "new_normal")
    assert re.search(r"@\d+/page\S* was new normal\.\n- The baseline takes its level", seen)
    assert "Of 1 alert of service=shop/checkout since 4 Dec 14:10 UTC, 1 would not have been told:" in seen
    assert re.search(r"1 Jan 14:0\d UTC page, up to \$\d+/h, \$\d+ beyond normal\n", seen)
    assert seen.endswith(f"To save it: burnline feedback save '{CHECKOUT}' new_normal\n")
    refused = await run("feedback", "save", CHECKOUT, "real", answer="n\n")
    assert refused.exit_code == 1
    assert shop_at_work.appended == []
    said = await told(run, "feedback", "save", CHECKOUT, "real", "--note", "a loop", answer="y\n")
    name = said.split()[-1]
    assert f"Saved until 7 Feb 14:10 UTC. To take it back: burnline feedback revoke {name}" in said
    assert "It would have hidden 1 that somebody called real." in await told(
        run, "feedback", "preview", CHECKOUT, "new_normal"
    )
    failed = await run("feedback", "save", CHECKOUT, "new_normal", "--json")
    assert isinstance(failed.exception, UserError)
    [saved] = await as_json(run, "feedback", "save", CHECKOUT, "new_normal", "--yes")
    assert saved["feedback"]["verdict"] == "new_normal"  # type: ignore[index]
    listed = await told(run, "feedback", "list")
    assert re.search(
        rf"{name}: {CHECKOUT} was real, says ana; holds until 7 Feb 14:10 UTC\n.*\n    a loop", listed
    )
    assert (
        await told(run, "feedback", "revoke", name)
        == f"{name} is taken back: {CHECKOUT} is judged as before.\n"
    )
    assert f"{name}: {CHECKOUT} was real, says ana; holds no more\n" in await told(run, "feedback", "list")


def test_times_to_come() -> None:
    now_s = T0_MS // 1000  # 14:00
    assert later_s("14:00", now_s) == now_s + 86_400
    assert later_s("2026-01-01T14:01", now_s) == now_s + 60
    for words in ("2026-01-01T13:59Z", "24:00", "-1h", ""):
        with pytest.raises(UserError):
            later_s(words, now_s)

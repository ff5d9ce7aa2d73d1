"""`burnline notify` as people use it: a test on the way of a page, by real processes."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.embedded.running import Running
from tests.notify.receiver import Receiver, answer
from tests.notify.services import ROUTING_KEY, PagerDutyServer, SlackServer
from tests.services.http import get_json


async def command(running: Running, *words: str) -> tuple[int, str, str]:
    """Status and output of `burnline notify ...`."""
    whole = [sys.executable, "-m", "stream.cli.main", "notify", *words, "-c", str(running.config)]
    done = await asyncio.to_thread(subprocess.run, whole, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


async def test_a_test_of_every_destination_and_what_is_proven_after_a_restart(tmp_path: Path) -> None:
    async with PagerDutyServer() as pager, SlackServer() as slack, Receiver(answer(401)) as hook:
        places: list[dict[str, Any]] = [
            {"kind": "pagerduty", "url": pager.url, "routing_key": ROUTING_KEY},
            {"kind": "slack", "api_url": f"{slack.base}/api", "token": "xoxb-good", "channel": "C0123456789"},
            {"kind": "webhook", "url": hook.url},
        ]
        running = Running(tmp_path, notify={"destinations": places})
        assert await asyncio.to_thread(running.start)
        _, before, _ = await command(running, "list", "--json")
        assert [json.loads(line)["state"] for line in before.splitlines()] == ["unproven"] * 3

        status, out, _ = await command(running, "test", "--json")
        found = {each["destination"]: each for each in map(json.loads, out.splitlines())}
        assert status == 1
        assert {name: each["taken"] for name, each in found.items()} == {
            "pagerduty": True,
            "slack": True,
            "webhook": False,
        }
        assert found["webhook"]["detail"] == "401 no thanks"

        [incident] = pager.incidents.values()
        assert incident == ["trigger", "resolve"], "it has resolved itself"
        event = json.loads(pager.received[0].body)
        assert event["payload"]["summary"].startswith("TEST firing: This is a test of pagerduty by burnline")
        assert event["payload"]["severity"] == "info"
        [message] = slack.messages.values()
        assert "TEST" in message["blocks"][0]["text"]["text"]

        status, out, _ = await command(running, "test", "webhook")
        assert (status, out.startswith("webhook took the test test/webhook@")) == (0, True)
        assert await asyncio.to_thread(running.stop) == 0
        assert await asyncio.to_thread(running.start)
        _, after, _ = await command(running, "list", "--json")
        assert [json.loads(line)["state"] for line in after.splitlines()] == ["proven"] * 3
        url = f"http://127.0.0.1:{running.ports['serve']}/api/v1/alerts"
        told: Any = await asyncio.to_thread(get_json, url)
        assert told["alerts"] == [], "a test is no alert"

        status, _, said = await command(running, "test", "pager")
        assert (status, said) == (
            2,
            "burnline: there is no destination 'pager'; there are pagerduty, slack, webhook\n",
        )
        assert await asyncio.to_thread(running.stop) == 0

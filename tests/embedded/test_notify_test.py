"""`burnline notify` as people use it: a test on the way of a page, by real processes."""

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

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


def estimate() -> bytes:
    """One that ends now."""
    end_ms = time.time_ns() // 1_000_000
    return json.dumps(
        {"start": end_ms - 10_000, "end": end_ms, "driver": "pod_hours", "cost_usd": "1"}
    ).encode()


def withheld(running: Running) -> float:
    """How many beats were withheld so far."""
    with urlopen(f"http://127.0.0.1:{running.ports['metrics']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(r'burnline_heartbeats_total\{.*outcome="withheld"\} (\S+)', text)
    return float(found[1]) if found else 0.0


async def test_the_heart_of_a_node_beats_while_spend_is_judged(tmp_path: Path) -> None:
    """Nothing is judged before something is sent; then it beats, and stops when nothing more is sent."""
    async with Receiver() as outside:
        # Buckets of 10 s: what was sent until now is judged up to 10 s ago at the most.
        beat = {"url": outside.url, "every_s": 1, "stale_after_s": 12}
        running = Running(tmp_path, notify={"heartbeats": [beat]})
        assert await asyncio.to_thread(running.start)
        while not await asyncio.to_thread(withheld, running):
            await asyncio.sleep(0.2)
        assert outside.received == []
        while len(outside.received) < 2:
            await asyncio.to_thread(running.post, [estimate()])
            await asyncio.sleep(0.2)
        before = await asyncio.to_thread(withheld, running)
        while await asyncio.to_thread(withheld, running) < before + 2:
            await asyncio.sleep(0.2)
        count = len(outside.received)
        while await asyncio.to_thread(withheld, running) < before + 4:
            await asyncio.sleep(0.2)
        assert len(outside.received) == count
        assert await asyncio.to_thread(running.stop) == 0

"""Deliveries of `burnline run` to a real server that fails in every way, with kill -9 in between.

At least once, under the same key and in order: by its own dedup the receiver sees each incident once.
"""

import asyncio
import base64
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stream.schema import dead_letters, notify_state, topics
from stream.schema.alerts import decode, encode
from stream.shell import crash
from stream.shell.embedded.database import Database
from stream.stage import Output
from tests.embedded.running import Running, alerts
from tests.embedded.test_run_crash import batches
from tests.notify.pages import alert, escalation, resolution
from tests.notify.receiver import Behaviour, Receiver, answer, cut_the_line, slow
from tests.services import AlertmanagerServer
from tests.services.http import get_json

TROUBLE: list[Behaviour] = [slow, answer(500), answer(429, Retry_After="1"), cut_the_line]


async def until(happened: Callable[[], Any]) -> None:
    while not happened():
        await asyncio.sleep(0.02)


def at_end(running: Running) -> bool:
    """Whether a stopped node holds that it has delivered everything."""
    with closing(sqlite3.connect(running.database)) as connection:
        query = "SELECT next FROM positions WHERE reader LIKE 'notify/%' AND topic = 'alerts'"
        end = "SELECT max(position) + 1 FROM log WHERE topic = 'alerts'"
        return bool(connection.execute(query).fetchone() == connection.execute(end).fetchone())


async def delivered(running: Running) -> None:
    """Let it run on until it holds that all is delivered."""
    while True:
        await asyncio.sleep(1)
        assert await asyncio.to_thread(running.stop) == 0
        if at_end(running):
            return
        assert await asyncio.to_thread(running.start)


def complaints(told: list[tuple[str, str]], taken: list[tuple[str, str]]) -> list[str]:
    """What differs between the log and what the receiver has after its own dedup."""
    wrong = []
    first = list(dict.fromkeys((key, state) for state, key in taken))
    for key in {key for key, _ in told}:
        one, other = ([state for each, state in these if each == key] for these in (told, first))
        if one != other:
            wrong.append(f"{key}: {other} instead of {one}")
    if [each for each in first if each not in told]:
        wrong.append("what was never in the log")
    return wrong


def node(folder: Path, receiver: Receiver, bug: str = "none") -> Running:
    destination = {"kind": "webhook", "url": receiver.url}
    return Running(folder, bug, notify={"destinations": [destination], "timeout_s": 1})


async def feed(running: Running) -> None:
    """Start it with five transitions of two alerts to deliver, which came while it was away."""
    assert await asyncio.to_thread(running.start)
    assert await asyncio.to_thread(running.stop) == 0  # now it knows its destination
    ticket, other = alert(dedup_key="a/ticket"), alert(dedup_key="b/page", scope="total")
    page = escalation(ticket)
    database = Database(running.database)
    for each in (ticket, other, page, resolution(other), resolution(page)):
        database.append([Output(topics.ALERTS, each.dedup_key.encode(), encode(each))], each.emitted_ms)
    database.commit()
    database.close()
    assert await asyncio.to_thread(running.start)


async def test_nothing_is_lost_and_order_is_kept(tmp_path: Path) -> None:
    async with Receiver(*[slow] * 100) as receiver:
        running = node(tmp_path, receiver)
        await feed(running)
        await until(lambda: len(receiver.received) >= 1)
        running.kill()  # while the slow answer is waited for
        receiver.script = list(TROUBLE)
        for point in ("notify.before-deliver", "notify.after-deliver"):
            await asyncio.to_thread(running.start, point)
            assert (await asyncio.to_thread(running.ended))[0] == crash.STATUS
        assert await asyncio.to_thread(running.start)
        await delivered(running)
    told = alerts(running.database)
    assert told and complaints(told, receiver.taken) == []
    assert len(receiver.taken) > len(told), "the one that died after its delivery was repeated"


async def test_a_server_that_is_away_and_kill_9_meanwhile(tmp_path: Path) -> None:
    async with Receiver() as gone:
        pass
    running = node(tmp_path, gone)
    await feed(running)
    running.kill()
    assert await asyncio.to_thread(running.start)
    async with Receiver(port=gone.port) as receiver:
        await until(lambda: receiver.taken)
        await delivered(running)
    told = alerts(running.database)
    assert told and complaints(told, receiver.taken) == []


async def test_a_position_that_moves_before_the_delivery_is_seen(tmp_path: Path) -> None:
    async with Receiver(*[slow] * 100) as receiver:
        running = node(tmp_path, receiver, "moved-before-delivery")
        await feed(running)
        await until(lambda: receiver.received)
        running.kill()
        receiver.script = []
        assert await asyncio.to_thread(running.start)
        await delivered(running)
    assert complaints(alerts(running.database), receiver.taken) != []


async def test_kill_9_before_alertmanager_has_it(
    tmp_path: Path, alertmanager: Callable[[str], AlertmanagerServer]
) -> None:
    manager = alertmanager("{route: {receiver: none}, receivers: [{name: none}]}")
    running = Running(tmp_path, notify={"destinations": [{"kind": "alertmanager", "url": manager.url}]})
    assert await asyncio.to_thread(running.start, "notify.before-deliver")
    for batch in batches(18):
        if await asyncio.to_thread(running.post, batch) != 202:
            break
    assert (await asyncio.to_thread(running.ended))[0] == crash.STATUS
    assert get_json(f"{manager.url}/api/v2/alerts") == []
    await asyncio.to_thread(running.start, "notify.after-deliver")
    assert (await asyncio.to_thread(running.ended))[0] == crash.STATUS
    assert await asyncio.to_thread(running.start)
    await delivered(running)
    found: Any = get_json(f"{manager.url}/api/v2/alerts")
    assert len(found) == len({key for key, _ in alerts(running.database)}) > 0


@pytest.mark.parametrize("host", ["evil.example.com"])
def test_a_host_that_is_not_allowed_is_one_sentence(tmp_path: Path, host: str) -> None:
    running = Running(tmp_path, notify={"destinations": [{"kind": "webhook", "url": f"http://{host}/"}]})
    running.start()
    status, said = running.ended()
    assert status == 2 and "notify.allowed_hosts" in said and said.count("\n") == 1


async def test_what_is_refused_is_a_dead_letter_and_what_is_proven_is_kept(tmp_path: Path) -> None:
    async with Receiver(answer(400)) as receiver:
        running = node(tmp_path, receiver)
        await feed(running)
        await until(lambda: len(receiver.taken) == 4)
        await delivered(running)
    with closing(sqlite3.connect(running.database)) as connection:
        letters = connection.execute("SELECT value FROM log WHERE topic = 'dead-letters'").fetchall()
        query = "SELECT value FROM state WHERE stage = 'notify/webhook' AND key = CAST('proof' AS BLOB)"
        [[proof]] = connection.execute(query).fetchall()
    [letter] = [dead_letters.decode(value) for (value,) in letters]
    assert (letter.topic, letter.reason, letter.detail) == (
        "alerts",
        "undeliverable",
        "webhook: 400 no thanks",
    )
    refused = decode(base64.b64decode(letter.original))
    assert (refused.state, refused.dedup_key) == ("firing", "a/ticket")
    kept = notify_state.decode(proof)
    assert kept.proven_ms is not None and kept.failing_since_ms is None

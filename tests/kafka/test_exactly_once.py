"""Totals are exact whatever dies: the specification of the shell, with a toy pipeline on a real broker.

Every check reads the state topics with a fresh reader, read committed, and compares money and count per
key with what was sent.
"""

import asyncio
import random
import time
from collections.abc import Callable

import pytest

from stream.schema import topics
from stream.shell.kafka import crash
from stream.shell.kafka.runner import FAILED
from tests.kafka.conftest import Log
from tests.kafka.toy import Worker

Start = Callable[..., Worker]


async def test_a_stop_and_a_start_in_mid_stream(log: Log, worker: Start) -> None:
    one = worker()
    await log.send(500)
    await log.arrived(topics.WINDOWS)
    await log.send(500)
    assert one.terminate() == 0
    worker()
    await log.check()


async def test_dying_at_any_point_of_a_commit_loses_and_doubles_nothing(log: Log, worker: Start) -> None:
    for point in [f"meter.{point}" for point in crash.COMMIT] + ["burn.after-state", "burn.after-offsets"]:
        await log.send(400)
        assert await worker(crash_at=point).wait() == crash.STATUS, point
    await log.send(400)
    worker()
    await log.check()


async def test_killing_freezing_joining_and_leaving_in_mid_stream(log: Log, worker: Start) -> None:
    """Two workers; every second or two one of them, by chance, is killed, frozen or stopped."""
    chance = random.Random(3)
    pair = [worker(), worker()]
    feeding = asyncio.create_task(feed(log, seconds=15))
    while not feeding.done():
        await asyncio.sleep(chance.uniform(0.5, 2))
        revive(pair, worker)
        victim, harm = chance.choice(pair), chance.choice(["kill", "freeze", "stop"])
        if harm == "kill":
            victim.kill()
        elif harm == "stop":
            victim.terminate()
        else:
            victim.freeze()
            await asyncio.sleep(chance.uniform(2, 3))  # longer than its session
            victim.resume()
    await feeding
    checking = asyncio.create_task(log.check())
    while not checking.done():
        revive(pair, worker)
        await asyncio.sleep(0.2)
    await checking


async def feed(log: Log, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await log.send(200)
        await asyncio.sleep(0.1)


def revive(workers: list[Worker], start: Start) -> None:
    """As a supervisor would."""
    for number, each in enumerate(workers):
        if each.status is not None:
            workers[number] = start()


async def test_a_zombie_is_fenced(log: Log, worker: Start) -> None:
    """Frozen in the middle of a transaction for longer than its session, then woken to finish it."""
    await log.send(1000)
    zombie = worker(writer="freezing")
    await zombie.frozen()
    heir = worker()
    await log.send(1000)
    await log.check()
    zombie.resume()
    assert await zombie.wait() == FAILED
    await log.send(1000)
    await log.check()
    assert heir.status is None


async def test_the_check_catches_offsets_committed_apart(log: Log, worker: Start) -> None:
    """The planted bug, met by a crash between its two transactions, must fail the check above."""
    await log.send(400)
    assert await worker(crash_at="meter.after-commit", writer="planted bug").wait() == crash.STATUS
    # With only what was sent before, the sums would be right until the doubled partition is read again.
    await log.send(400)
    worker()
    with pytest.raises(AssertionError, match=topics.METER_STATE):
        await log.check()

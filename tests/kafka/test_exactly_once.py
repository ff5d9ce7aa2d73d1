"""Totals are exact whatever dies: the specification of the shell, with a toy pipeline on a real broker.

Every check reads the state topics with a fresh reader, read committed, and compares money and count per
key with what was sent.
"""

import asyncio
from collections.abc import Callable

import pytest

from stream.schema import topics
from stream.shell.kafka.runner import FAILED
from stream.shell.kafka.transactions import CRASH_POINTS, CRASH_STATUS
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
    for point in [f"meter.{point}" for point in CRASH_POINTS] + ["burn.after-state", "burn.after-offsets"]:
        await log.send(400)
        assert await worker(crash_at=point).wait() == CRASH_STATUS, point
    await log.send(400)
    worker()
    await log.check()


async def test_killing_joining_and_leaving_in_mid_stream(log: Log, worker: Start) -> None:
    first = worker()
    await log.send(1000)
    await log.arrived(topics.WINDOWS)
    second = worker()
    for _ in range(20):
        await log.send(200)
        await asyncio.sleep(0.1)
    first.kill()
    await log.send(1000)
    third = worker()
    await log.arrived(topics.WINDOWS)
    await log.send(1000)
    assert second.terminate() == 0
    await log.send(1000)
    await log.check()
    assert third.status is None


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
    assert await worker(crash_at="meter.after-commit", writer="planted bug").wait() == CRASH_STATUS
    worker()
    with pytest.raises(AssertionError, match=topics.METER_STATE):
        await log.check()

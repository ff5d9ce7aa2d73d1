"""The sign of life: sent while spend is judged, and only then."""

import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from stream.alerts.clock import Clock
from stream.config_notify import Heartbeat, Notify
from stream.errors import UserError
from stream.notify import hosts
from stream.notify.heartbeat import Heart
from stream.notify.transport import Transport
from stream.schema.signals import Evaluation
from tests.notify.receiver import Receiver, answer
from tests.notify.rig import Outcomes
from tests.services import AlertmanagerServer
from tests.services.http import get_json

NOW_S = 1_767_276_000


class Pulse:
    """A heart whose clock and pipeline belong to the test."""

    def __init__(self, session: aiohttp.ClientSession, settings: dict[str, object]) -> None:
        self.now_ms = NOW_S * 1000
        self.seen_s: int | None = NOW_S
        self.outcomes = Outcomes()
        self.slept_s: list[float] = []
        self.heart = Heart(
            Heartbeat.model_validate(settings),
            Transport(session, 1.0, lambda: self.now_ms),
            lambda: self.seen_s,
            self.outcomes,
            now_ms=lambda: self.now_ms,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ms += int(seconds * 1000)
        if len(self.slept_s) == 12:
            raise InterruptedError


@asynccontextmanager
async def pulse(settings: dict[str, object]) -> AsyncIterator[Pulse]:
    async with aiohttp.ClientSession() as session:
        yield Pulse(session, settings)


async def test_it_stops_when_spend_is_no_longer_judged(caplog: pytest.LogCaptureFixture) -> None:
    """Twelve minutes in which nothing moves: five beats of grace, then silence though the process lives."""
    caplog.set_level(logging.INFO)
    async with Receiver() as receiver, pulse({"url": receiver.url}) as it:
        with pytest.raises(InterruptedError):
            await it.heart.beat_forever()
        assert it.outcomes.beats == ["sent"] * 6 + ["withheld"] * 6
        assert len(receiver.received) == 6
        it.seen_s = it.now_ms // 1000
        await it.heart.beat()
    assert it.outcomes.beats[-1] == "sent"
    assert [record.getMessage() for record in caplog.records if "heartbeat" in record.getMessage()] == [
        "heartbeat heartbeat is sent",
        "heartbeat heartbeat is withheld: spend is judged 360 s late",
        "heartbeat heartbeat is sent",
    ]


@pytest.mark.parametrize(("seen_s", "beats"), [(None, []), (0, ["withheld"])])
async def test_who_has_no_alerts_stage_says_nothing_and_who_has_seen_nothing_withholds(
    seen_s: int | None, beats: list[str]
) -> None:
    async with Receiver() as receiver, pulse({"url": receiver.url}) as it:
        it.seen_s = seen_s
        await it.heart.beat()
    assert (it.outcomes.beats, receiver.received) == (beats, [])


async def test_a_failure_is_counted_and_the_next_one_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    async with Receiver(answer(404)) as receiver, pulse({"url": receiver.url, "method": "GET"}) as it:
        await it.heart.beat()
        await it.heart.beat()
    assert it.outcomes.beats == ["failed", "sent"]
    assert [one.method for one in receiver.received] == ["GET", "GET"]
    assert receiver.url not in caplog.text, "the address is the secret"


async def test_alertmanager_knows_it_and_forgets_it(
    alertmanager: Callable[[str], AlertmanagerServer],
) -> None:
    server = alertmanager("{route: {receiver: none}, receivers: [{name: none}]}")
    async with pulse({"kind": "alertmanager", "url": server.url, "every_s": 30}) as it:
        it.now_ms = time.time_ns() // 1_000_000
        it.seen_s = it.now_ms // 1000
        await it.heart.beat()
        found: Any = get_json(f"{server.url}/api/v2/alerts")
        [alert] = found
    assert alert["labels"] == {"alertname": "BurnlineWatchdog", "severity": "none"}
    ends = dt.datetime.fromisoformat(alert["endsAt"]).timestamp()
    assert ends == pytest.approx(it.now_ms / 1000 + 120, abs=0.01)


def test_only_allowed_hosts_hear_it() -> None:
    with pytest.raises(UserError, match=r"heartbeat 'outside' is on host 'evil.example.com'"):
        hosts.check("heartbeat 'outside'", ["https://evil.example.com/secret"], ["hc-ping.com"])


def test_two_of_one_name_are_refused() -> None:
    one = {"url": "http://127.0.0.1/"}
    with pytest.raises(ValidationError, match="two heartbeats are called 'heartbeat'"):
        Notify.model_validate({"heartbeats": [one, one]})


def evaluation(partition: int, time_s: int, emitted_ms: int) -> Evaluation:
    return Evaluation(partition=partition, partitions=2, time_s=time_s, emitted_ms=emitted_ms)


def test_a_partition_that_time_no_longer_waits_for_still_counts() -> None:
    """A dead worker stops no alert of others, but part of the estate is unwatched."""
    clock = Clock()
    assert clock.slowest_s == 0
    clock.hear(evaluation(0, 1000, 1_000_000))
    assert clock.slowest_s == 0, "the other one was never heard"
    clock.hear(evaluation(1, 1000, 1_000_000))
    assert clock.slowest_s == 1000
    for turn in range(1, 20):
        clock.hear(evaluation(0, 1000 + turn * 10, 1_000_000 + turn * 10_000))
    assert (clock.now_s, clock.slowest_s) == (1190, 1000)

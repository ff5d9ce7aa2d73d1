"""Heartbeats on Kafka: sent by the process that has the alerts stage, of what that stage has made durable."""

import asyncio

import aiohttp
from mode import Service

from stream.alerts.stage import Alerts
from stream.config_notify import Heartbeat, Notify
from stream.notify import hosts
from stream.notify.heartbeat import Beats, Heart
from stream.notify.transport import Transport
from stream.shell.kafka.partition import Hooks, now_ms
from stream.stage import Commit, Stage


class HeartbeatService(Service):
    """One heartbeat. Each worker runs it; only the owner of the alerts stage has something to say."""

    mundane_level = "debug"  # mode would log each start and stop

    def __init__(self, rules: Notify, settings: Heartbeat, hooks: Hooks, beats: Beats) -> None:
        super().__init__()
        self._rules = rules
        self._settings = settings
        self._beats = beats
        self._built_s = 0
        self._seen_s: int | None = None
        hooks.on_build.append(self._built)
        hooks.on_commit.append(self._committed)
        hooks.on_disown.append(self._disowned)

    def _built(self, stage: Stage, commit: Commit) -> None:
        if isinstance(stage, Alerts):
            self._built_s = stage.slowest_s

    def _committed(self, stage: Stage, commit: Commit, seconds: float) -> None:
        if isinstance(stage, Alerts):
            self._seen_s = self._built_s

    def _disowned(self, stage: Stage) -> None:
        if isinstance(stage, Alerts):
            self._seen_s = None

    async def on_start(self) -> None:
        what = f"heartbeat {self._settings.name!r}"
        hosts.check(what, [self._settings.url.get_secret_value()], self._rules.allowed_hosts)

    @Service.task
    async def _beat(self) -> None:
        async with aiohttp.ClientSession() as session:
            heart = Heart(
                self._settings,
                Transport(session, self._rules.timeout_s, now_ms),
                lambda: self._seen_s,
                self._beats,
                now_ms=now_ms,
                sleep=asyncio.sleep,
            )
            await heart.beat_forever()

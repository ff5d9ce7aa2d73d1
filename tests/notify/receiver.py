"""A real HTTP server that takes webhooks, and misbehaves as it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(status: int, **headers: str) -> Behaviour:
    async def act(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text="no\nthanks" if status >= 300 else "", headers=named)

    return act


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def cut_the_line(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@dataclass(frozen=True)
class Received:
    headers: Mapping[str, str]
    body: bytes
    taken: bool
    method: str = "POST"
    path: str = ""

    @property
    def document(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])


class Receiver:
    """Acts out `script`, one behaviour a request, then takes everything."""

    def __init__(self, *script: Behaviour, path: str = "/hook", port: int = 0) -> None:
        self.script = list(script)
        self.path = path
        self.port = port  # 0 until it is up: one that is free
        self.received: list[Received] = []

    @property
    def taken(self) -> list[tuple[str, str]]:
        """Event and dedup key of all that was accepted, in order."""
        return [(one.document["event"], one.document["dedup_key"]) for one in self.received if one.taken]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        behave = self.script.pop(0) if self.script else None
        self.received.append(Received(request.headers, body, behave is None, request.method, request.path_qs))
        return await self.take(request, body) if behave is None else await behave(request)

    async def take(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """What it answers when all is well; a real service's double has more to say."""
        return web.Response()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", self.path, self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = self.base + self.path
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

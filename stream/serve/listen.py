"""Opening a port for an application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from stream.config import Http
from stream.errors import UserError

_log: Final = logging.getLogger(__name__)


class _Log(logging.LoggerAdapter[logging.Logger]):
    """Where aiohttp would print the way through its parser when somebody sends what is no HTTP, one line."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **more: Any) -> None:
        if isinstance(exc_info, HttpProcessingError):
            super().warning("a client sent what is no HTTP: %s", " ".join(exc_info.message.split()))
        else:
            super().exception(msg, *args, exc_info=exc_info, **more)


@asynccontextmanager
async def listening(application: web.Application, http: Http) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port (of port 0, the one that was free).

    Raises `UserError` when the port can't be opened.
    """
    # aiohttp's own decompression takes a gzip body that was cut short for a whole one, so bodies come as
    # they are and the ingest unpacks them itself.
    runner = web.AppRunner(
        application,
        auto_decompress=False,
        access_log=None,
        logger=_Log(_log),
        handle_signals=False,
        shutdown_timeout=5.0,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, http.host, http.port).start()
        except OSError as error:
            raise UserError(
                f"cannot listen on {http.host}:{http.port}: {error.strerror}; "
                "stop what uses the port, or name another in burnline.yaml"
            ) from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()

"""Opening a port for an application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from stream.config import Http
from stream.errors import UserError


@asynccontextmanager
async def listening(application: web.Application, http: Http) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port (of port 0, the one that was free).

    Raises `UserError` when the port can't be opened.
    """
    # aiohttp's own decompression takes a gzip body that was cut short for a whole one, so bodies come as
    # they are and the ingest unpacks them itself.
    runner = web.AppRunner(
        application, auto_decompress=False, access_log=None, handle_signals=False, shutdown_timeout=5.0
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

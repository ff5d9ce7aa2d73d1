"""The only I/O of notify: one request out, one answer back. Every failure is an answer, no exception."""

import datetime as dt
import email.utils
from collections.abc import Callable
from typing import Final

import aiohttp

from stream.notify.destination import Answer, Request

_EXCERPT: Final = 200  # characters of an answer that people are shown
_MOST_BYTES: Final = 256 * 1024  # of an answer that are read


class Transport:
    """Sends for one destination. `timeout_s` is the limit of one attempt."""

    def __init__(self, session: aiohttp.ClientSession, timeout_s: float, now_ms: Callable[[], int]) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._now_ms = now_ms

    async def send(self, request: Request) -> Answer:
        try:
            # A redirect could lead to a host that is not allowed. Alerts are rare: a kept connection would
            # mostly be one that the server has closed by then, and cost an attempt.
            async with self._session.request(
                request.method,
                request.url,
                data=request.body,
                headers={**request.headers, "Connection": "close"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                body = await response.content.read(_MOST_BYTES)
                retry_after_s = self._retry_after_s(response.headers.get("Retry-After"))
                return Answer(response.status, _excerpt(body), retry_after_s, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(None, f"{type(error).__name__} {error}".strip())

    def _retry_after_s(self, header: str | None) -> float | None:
        """Seconds, from either form of the header: a number or a date."""
        if header is None:
            return None
        if header.strip().isdecimal():
            return float(header)
        try:
            moment = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return max(0.0, aware.timestamp() - self._now_ms() / 1000)


def _excerpt(body: bytes) -> str:
    return " ".join(body[:_EXCERPT].decode(errors="replace").split())

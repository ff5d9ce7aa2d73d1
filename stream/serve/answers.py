"""Answers in JSON. Every error is one clear sentence: {"error": "..."}."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from stream.errors import UserError

_log: Final = logging.getLogger(__name__)
_HEADERS: Final = {hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff"}
_STANDARD: Final = {
    404: "there is nothing under this path: see docs/api.md",
    405: "this path does not take this method: see docs/api.md",
}


def answer(body: Any, status: int = 200) -> web.Response:
    """NaN and infinity become null."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json", headers=_HEADERS
    )


def refusal(
    kind: type[web.HTTPException], sentence: str, headers: Mapping[str, str] | None = None
) -> web.HTTPException:
    """An HTTP error to raise; the sentence says what to do."""
    return kind(
        text=msgspec.json.encode({"error": sentence}).decode(),
        content_type="application/json",
        headers={**_HEADERS, **(headers or {})},
    )


@web.middleware
async def sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every failure into a sentence; a traceback goes to the log, never to a client."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.content_type == "application/json":
            raise
        sentence = _STANDARD.get(error.status, error.reason)
        allowed = error.headers.get(hdrs.ALLOW)
        return _named({"error": sentence}, error.status, {hdrs.ALLOW: allowed} if allowed else {})
    except UserError as error:
        return _named({"error": str(error)}, 503, {hdrs.RETRY_AFTER: "1"})
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return answer({"error": "burnline failed on this request; its log says why"}, 500)


def _named(body: Any, status: int, headers: Mapping[str, str]) -> web.Response:
    made = answer(body, status)
    made.headers.update(headers)
    return made

"""Taking in by HTTP: estimates, deploys, and the records of reconciliation.

    POST /v1/usage          estimates: one object, an array or an envelope (of either kind) is one message
    POST /v1/deploys        deploys: plain, as CloudEvents, or what Argo CD, GitHub and Kubernetes send
    POST /v1/invoices       invoice lines      (as `burnline reconcile` writes them)
    POST /v1/variances      variances
    POST /v1/calibrations   calibrations

With `Content-Type: application/x-ndjson` each line is a message. The answer, 202, comes when all of a body is
durable. What estimates say is judged behind: what can't be read there becomes a dead letter, with its reason.
The other records are checked here, and one that is wrong refuses the whole body. Deploys are written in their
plain form, since what tells their shape may stand in the headers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from stream.collect.deploys import DEPLOYS_PATH, Webhooks
from stream.collect.gzipped import Broken, TooLong, unpacked
from stream.config import Deploys, Http
from stream.errors import UserError
from stream.schema import calibrations, deploys, invoices, topics, variances
from stream.serve.access import guard
from stream.serve.answers import answer, refusal, sentences

NDJSON: Final = "application/x-ndjson"
_ONE_MESSAGE: Final = frozenset(
    {"application/json", "application/cloudevents+json", "application/cloudevents-batch+json"}
)
_NO_CHANGE: Final = "it tells of no deploy and no change of scale"
_Read = TypeVar("_Read")
# Bodies held at once: 16 of 8 MiB, packed and unpacked, are 256 MiB at the very most.
MAX_AT_ONCE: Final = 16

_CHECKED: Final[dict[str, Callable[[bytes], Any]]] = {
    topics.INVOICES: invoices.decode,
    topics.VARIANCES: variances.decode,
    topics.CALIBRATIONS: calibrations.decode,
}


class Sink(Protocol):
    async def __call__(self, topic: str, values: list[bytes]) -> None:
        """Take messages. Returns when they are durable; raises `UserError` when it can't take them now."""


def ingest_application(
    sink: Sink, http: Http, max_bytes: int, settings: Deploys, now_ms: Callable[[], int]
) -> web.Application:
    """Serve it with `stream.serve.listen.listening`. A body may be `max_bytes` long, unpacked.

    Raises `UserError` when `http` would let others in without a token.
    """
    ingest = _Ingest(sink, max_bytes)
    webhooks = Webhooks(settings, now_ms)
    guarded = guard(http, "ingest", webhooks.signs)
    made = web.Application(middlewares=[sentences, guarded], client_max_size=max_bytes)
    for topic in (topics.USAGE, *_CHECKED):
        made.router.add_post(f"/v1/{topic}", ingest.into(topic))
    made.router.add_post(DEPLOYS_PATH, ingest.deploys(webhooks))
    return made


class _Ingest:
    def __init__(self, sink: Sink, max_bytes: int) -> None:
        self._sink = sink
        self._max_bytes = max_bytes
        self._at_once = 0

    def into(self, topic: str) -> Handler:
        async def take(request: web.Request) -> web.Response:
            with self._turn():
                values = _messages(await self._body(request), request.content_type)
                if (decode := _CHECKED.get(topic)) is not None:
                    _each(values, decode)
                await self._sink(topic, values)
                return answer({"accepted_messages": len(values)}, 202)

        return take

    def deploys(self, webhooks: Webhooks) -> Handler:
        async def take(request: web.Request) -> web.Response:
            with self._turn():
                body = await self._body(request)
                webhooks.check(request, await request.read())
                read = partial(webhooks.read, request.headers)
                found = [each for told in _each(_messages(body, request.content_type), read) for each in told]
                if not found:
                    return answer({"accepted_messages": 0, "ignored": _NO_CHANGE}, 202)
                await self._sink(topics.DEPLOYS, [deploys.encode(each) for each in found])
                return answer({"accepted_messages": len(found)}, 202)

        return take

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._at_once >= MAX_AT_ONCE:
            raise UserError(f"{MAX_AT_ONCE} bodies are being taken in already: send again in a second")
        self._at_once += 1
        try:
            yield
        finally:
            self._at_once -= 1

    async def _body(self, request: web.Request) -> bytes:
        if request.content_type != NDJSON and request.content_type not in _ONE_MESSAGE:
            raise refusal(
                web.HTTPUnsupportedMediaType,
                f"send 'Content-Type: application/json' for one message, '{NDJSON}' for one message a line",
            )
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise refusal(
                web.HTTPUnsupportedMediaType, "send the body plain, or with 'Content-Encoding: gzip'"
            )
        try:
            body = await request.read()
            return unpacked(body, self._max_bytes) if encoding == "gzip" else body
        except (web.HTTPRequestEntityTooLarge, TooLong):
            raise refusal(
                _TooLarge,
                f"the body is longer than {self._max_bytes:,} bytes: "
                "send fewer messages at once, or raise meter.max_message_bytes",
            ) from None
        except Broken as error:
            raise refusal(
                web.HTTPBadRequest, f"the body is not whole gzip ({error}): send it again"
            ) from None


class _TooLarge(web.HTTPClientError):
    """413. aiohttp's own class takes no body of ours."""

    status_code = 413


def _messages(body: bytes, content_type: str) -> list[bytes]:
    values = [line for line in body.split(b"\n") if line.strip()] if content_type == NDJSON else [body]
    if not values or not values[0].strip():
        raise refusal(web.HTTPBadRequest, "the body is empty: send at least one message")
    return values


def _each(values: Sequence[bytes], decode: Callable[[bytes], _Read]) -> list[_Read]:
    found = []
    for number, value in enumerate(values, 1):
        try:
            found.append(decode(value))
        except deploys.UNREADABLE as error:
            raise refusal(
                web.HTTPBadRequest, f"message {number} can't be read: {error}; nothing of the body was taken"
            ) from None
    return found

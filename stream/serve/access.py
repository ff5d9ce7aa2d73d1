"""Who may talk to burnline's HTTP ports. The same rules for what is read and what is taken in.

- What writes needs the token, where one is configured. Without one, only loopback may listen.
- On loopback the Host header must name loopback: a web page that points its own name at 127.0.0.1 (DNS
  rebinding) is turned away.
- A browser may write from burnline's own pages only: another site's Origin is turned away. No CORS headers
  are sent, so other sites can't read either.
"""

import hmac
import ipaddress
from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from stream.config import Http
from stream.errors import UserError
from stream.serve.answers import refusal

_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


def guard(http: Http, section: str, signs: Callable[[web.Request], bool] = lambda _: False) -> Middleware:
    """A middleware for one port; `section` is its name in burnline.yaml. `signs` tells requests that need no
    token, since their handler checks a signature.

    Raises `UserError` for a port that others can reach and that has no token.
    """
    loopback = is_loopback(http.host)
    token = http.token.get_secret_value() if http.token is not None else ""
    if not loopback and not token:
        raise UserError(
            f"{section}.host is {http.host}, which other machines can reach: set {section}.token "
            f"(or BURNLINE_{section.upper()}__TOKEN), or listen on 127.0.0.1"
        )

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if loopback and not is_loopback(_name(request.host)):
            raise refusal(
                web.HTTPForbidden, "this port answers to 127.0.0.1 and localhost only: use one as host"
            )
        if request.method not in _READING:
            origin = request.headers.get(hdrs.ORIGIN)
            if origin is not None and origin.partition("://")[2] != request.host:
                raise refusal(web.HTTPForbidden, "pages of other sites may not write here")
            if (
                token
                and not signs(request)
                and not _matches(request.headers.get(hdrs.AUTHORIZATION, ""), token)
            ):
                raise refusal(
                    web.HTTPUnauthorized,
                    f"send the header 'Authorization: Bearer TOKEN' with the token of {section}.token",
                    {hdrs.WWW_AUTHENTICATE: "Bearer"},
                )
        return await handler(request)

    return guarded


def is_loopback(host: str) -> bool:
    """Whether a host reaches this machine alone. Names other than localhost could mean anything."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0]
    return host.partition(":")[0]


def _matches(authorization: str, token: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    # Bytes, since comparing text in constant time takes ASCII only.
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    return same and scheme.lower() == "bearer"

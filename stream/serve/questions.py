"""Reading a request: parameters and bodies, and what to say when they make no sense."""

import difflib
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from stream.serve.answers import refusal

_T = TypeVar("_T")

_NAME_LIMIT: Final = 200  # characters of a name that are looked at or said back
_SHOWN: Final = 3


def check_parameters(request: web.Request, allowed: Iterable[str]) -> None:
    names = sorted(allowed)
    for name in request.query:
        if name not in names:
            known = f"known here: {', '.join(names)}" if names else "none are known here"
            raise refusal(web.HTTPBadRequest, f"unknown parameter {_said(name)}; {known}")


def choice(request: web.Request, name: str, allowed: tuple[str, ...]) -> str:
    """One of a few words; the first is the default."""
    value = request.query.get(name, allowed[0])
    if value not in allowed:
        raise refusal(web.HTTPBadRequest, f"{name} must be one of {', '.join(allowed)}, not {_said(value)}")
    return value


def whole_number(request: web.Request, name: str, default: int, lowest: int, highest: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    # Digits are counted first: int() of a very long text takes long.
    if (
        text.isascii()
        and text.isdigit()
        and len(text) <= len(str(highest))
        and lowest <= int(text) <= highest
    ):
        return int(text)
    raise refusal(
        web.HTTPBadRequest, f"{name} must be a whole number from {lowest} to {highest}, not {_said(text)}"
    )


async def body(request: web.Request, kind: type[_T]) -> _T:
    """The JSON body as `kind`; an empty one counts as {}."""
    if request.body_exists and request.content_type != "application/json":
        raise refusal(web.HTTPUnsupportedMediaType, "send JSON, with 'Content-Type: application/json'")
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise refusal(web.HTTPBadRequest, f"the body can't be read: {error}") from None


def unknown_scope(scope: str, known: Iterable[str]) -> web.HTTPException:
    """404, with the names that are nearest."""
    names = list(known)
    said = scope[:_NAME_LIMIT]
    near = difflib.get_close_matches(said, names, n=_SHOWN) or [
        name for name in names if said.lower() in name.lower()
    ]
    if near:
        hint = f"did you mean {' or '.join(near[:_SHOWN])}?"
    elif names:
        hint = f"known are, for example, {', '.join(sorted(names)[:_SHOWN])}"
    else:
        hint = "nothing has been heard yet: send estimates to /v1/usage"
    return refusal(web.HTTPNotFound, f"there is no scope {_said(scope)}; {hint}")


def _said(text: str) -> str:
    """A word from outside, quoted and cut."""
    return repr(text if len(text) <= _NAME_LIMIT else text[:_NAME_LIMIT] + "…")

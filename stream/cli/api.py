"""A small client of burnline's HTTP API, for commands that talk to a burnline that runs."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from stream.config import Http, load
from stream.errors import UserError

TIMEOUT_S: Final = 30.0

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Where burnline's API listens; serve.host and serve.port by default.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Api:
    """One API. Every failure is a `UserError` of one sentence."""

    url: str
    token: str = field(default="", repr=False)
    option: str = "--url"  # by which people name it
    section: str = "serve"  # of burnline.yaml, which holds its token

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        return self._read(self.text("GET", path, params=params))

    def post(self, path: str, body: Any) -> Any:
        return self._read(self.text("POST", path, body=json.dumps(body).encode()))

    def post_lines(self, path: str, values: Iterable[bytes]) -> Any:
        """Post several messages at once."""
        body = b"\n".join(values)
        return self._read(self.text("POST", path, body=body, content_type="application/x-ndjson"))

    def _read(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise self._stranger("no JSON") from None

    def _stranger(self, how: str) -> UserError:
        return UserError(f"{self.url} does not speak burnline's API ({how}): check {self.option}")

    def text(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> str:
        """The answer as it came."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            headers["Content-Type"] = content_type
        return asyncio.run(self._ask(method, path, params, body, headers))

    async def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> str:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(
                    method, self.url.rstrip("/") + path, params=params, data=body, allow_redirects=False
                ) as answer,
            ):
                text = await answer.text()
                if answer.status == 401:
                    raise UserError(
                        f"{self.url} takes another token: give this command the {self.section}.token of that "
                        f"burnline, with --config or by environment (BURNLINE_{self.section.upper()}__TOKEN)"
                    )
                if answer.status >= 300:
                    raise UserError(_sentence(text) or f"{self.url} answered {answer.status} {answer.reason}")
                return text
        except aiohttp.InvalidURL:
            raise UserError(f"{self.url} is no URL: write http://127.0.0.1:9107, or the like") from None
        except TimeoutError:
            raise UserError(
                f"{self.url} did not answer within {TIMEOUT_S:.0f} s: see whether it is overloaded"
            ) from None
        except (aiohttp.ClientConnectionError, OSError):
            raise UserError(
                f"nothing answers at {self.url}: start `burnline run` (with Kafka, `burnline serve`), "
                f"or say where it listens with {self.option}"
            ) from None
        except (aiohttp.ClientError, UnicodeDecodeError) as error:
            raise self._stranger(type(error).__name__) from None


def connect(config: Path | None, url: str | None) -> Api:
    """The API that the configuration names, or the one at `url`, with the configuration's token."""
    serve = load(config).serve
    token = serve.token.get_secret_value() if serve.token is not None else ""
    return Api(url or address(serve), token)


def address(http: Http) -> str:
    """Where to reach a port from this machine: one that listens everywhere listens on loopback too."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(http.host, http.host)
    return f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"


def _sentence(text: str) -> str | None:
    """The API's own word on an error."""
    try:
        said = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return None
    return said if isinstance(said, str) else None

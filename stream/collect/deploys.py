"""Deploys by HTTP: the webhooks of other tools, and the signature of GitHub's."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from stream.config import Deploys
from stream.schema import deploys, topics
from stream.schema.deploys import Deploy
from stream.serve.answers import refusal

DEPLOYS_PATH: Final = f"/v1/{topics.DEPLOYS}"
_EVENT: Final = "X-GitHub-Event"
_SIGNATURE: Final = "X-Hub-Signature-256"


class Webhooks:
    """Reads what is posted. Times that are missing are `now_ms`."""

    def __init__(self, settings: Deploys, now_ms: Callable[[], int]) -> None:
        secret = settings.github_secret
        self._secret = b"" if secret is None else secret.get_secret_value().encode()
        self._workflows = settings.github_workflows
        self._now_ms = now_ms

    def signs(self, request: web.Request) -> bool:
        """Whether its signature, which `check` looks at, stands for the token: GitHub can send no such."""
        return bool(self._secret) and request.path == DEPLOYS_PATH and _EVENT in request.headers

    def check(self, request: web.Request, body: bytes) -> None:
        """Refuse an event of GitHub that is not signed with the secret, where there is one."""
        if not self.signs(request):
            return
        given = request.headers.get(_SIGNATURE, "")
        right = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode()):
            why = "is not made with deploys.github_secret" if given else "is missing"
            raise refusal(
                web.HTTPUnauthorized, f"{_SIGNATURE} {why}: set the same secret in the webhook's settings"
            )

    def read(self, headers: Mapping[str, str], value: bytes) -> tuple[Deploy, ...]:
        """What one message says; raises one of `deploys.UNREADABLE`."""
        lower = {name.lower(): text for name, text in headers.items()}
        return deploys.decode(value, self._now_ms(), lower, self._workflows)

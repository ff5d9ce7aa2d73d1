"""Where alerts go, over HTTP: what each destination has proven, and a test delivery on request.

A test is a record in the log of alerts, for one destination: it takes the very way of a page, from the log
through the process that delivers. How it went is told by the destination's proof.
"""

import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from stream.alerts import text
from stream.config import Config
from stream.config_notify import Place
from stream.notify.notices import trial
from stream.notify.standing import fingerprint_of
from stream.schema import alerts, topics
from stream.schema.alerts import Severity
from stream.schema.notify_state import Proof
from stream.serve import questions
from stream.serve.answers import answer, refusal
from stream.serve.replica import Replica


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    severity: Severity | None = None


class Destinations:
    """Handlers over one replica; `now_ms` is the shell's clock."""

    def __init__(self, replica: Replica, config: Config, now_ms: Callable[[], int]) -> None:
        self._replica = replica
        self._config = config
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/destinations", self.listed),
            web.post("/api/v1/destinations/{name}/test", self.test),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        proofs = self._replica.proofs()
        found = [_row(one, proofs.get(one.name)) for one in self._config.notify.destinations]
        return answer({"destinations": found})

    async def test(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        wanted = await questions.body(request, _Wanted)
        settings = self._found(request.match_info["name"])
        rules, now_ms = self._config.alerts, self._now_ms()
        alert = trial(
            settings.name,
            # Random digits, since two people may test at the same time.
            f"test/{settings.name}@{now_ms // 1000}-{secrets.token_hex(3)}",
            # The least that it gets: a test need not wake anyone.
            wanted.severity or Severity(settings.severities[-1] if settings.severities else "digest"),
            now_ms,
            text.runbook_url(rules, "delivery", settings.name),
            rules.console_url,
        )
        await self._replica.append(topics.ALERTS, alert.dedup_key.encode(), alerts.encode(alert))
        return answer({"id": alert.dedup_key, "destination": settings.name}, 202)

    def _found(self, name: str) -> Place:
        known = {one.name: one for one in self._config.notify.destinations}
        if name not in known:
            names = f"there are {', '.join(known)}" if known else "none is configured"
            raise refusal(web.HTTPNotFound, f"there is no destination {name[:100]!r}; {names}")
        return known[name]


def _row(settings: Place, proof: Proof | None) -> dict[str, Any]:
    """One destination as JSON. A proof by another address or key is none."""
    if proof is not None and proof.settings != fingerprint_of(settings):
        proof = None
    told: dict[str, Any] = {} if proof is None else msgspec.structs.asdict(proof)
    for name in ("settings", "alarm", "destination"):
        told.pop(name, None)
    if proof is None or (proof.proven_ms is None and proof.failing_since_ms is None):
        state = "unproven"
    else:
        state = "failing" if proof.failing_since_ms is not None else "proven"
    return {"name": settings.name, "severities": settings.severities, "state": state, **told}

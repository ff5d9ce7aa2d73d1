"""Doubles of the services that alerts go to: they check what they get and answer as the real ones do."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from tests.notify.receiver import Behaviour, Receiver
from tests.notify.schema import complaints

ROUTING_KEY = "R0123456789abcdefghijklmnopqrstu"


class PagerDutyServer(Receiver):
    """Events API v2. `incidents` tells of each dedup key how its incidents went: triggered, resolved, ..."""

    def __init__(self, *script: Behaviour, key: str = ROUTING_KEY) -> None:
        super().__init__(*script, path="/v2/enqueue")
        self.key = key
        self.incidents: dict[str, list[str]] = {}

    async def take(self, request: web.Request, body: bytes) -> web.StreamResponse:
        event = msgspec.json.decode(body)
        if len(body) > 512 * 1024:
            return web.Response(status=413)
        errors = complaints("pagerduty_event", event)
        if errors:
            return _json(
                400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            )
        if event["routing_key"] != self.key:
            return web.Response(status=400, text="Invalid routing key")
        self._apply(event["event_action"], event["dedup_key"])
        told = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return _json(202, told)

    def _apply(self, action: str, key: str) -> None:
        """A trigger opens an incident or joins the open one; the others need an open one, or are dropped."""
        told = self.incidents.setdefault(key, [])
        is_open = bool(told) and told[-1] != "resolve"
        if (action == "trigger") != is_open:
            told.append(action)

    @property
    def open(self) -> list[str]:
        """Keys of the incidents that ring or have rung and are not resolved."""
        return [key for key, told in self.incidents.items() if told and told[-1] != "resolve"]


def _json(status: int, document: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(document), content_type="application/json")

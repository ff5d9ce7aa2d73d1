"""Incidents over HTTP: open, contain, close, and what they cost so far."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from stream.incidents.cost import Cost, cost
from stream.incidents.report import report
from stream.schema import incidents, topics
from stream.schema.incidents import Incident
from stream.serve import questions
from stream.serve.answers import answer, refusal
from stream.serve.views import DAY_S, DAYS_HELD, Views

HELD_S: Final = DAYS_HELD * DAY_S  # older money can't be counted any more


class _Open(msgspec.Struct, forbid_unknown_fields=True):
    scopes: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=500)]], msgspec.Meta(min_length=1, max_length=20)
    ]
    since_s: int
    title: Annotated[str, msgspec.Meta(max_length=200)] = ""
    opened_by: Annotated[str, msgspec.Meta(max_length=100)] = "api"


class _At(msgspec.Struct, forbid_unknown_fields=True):
    at_s: int | None = None


class Incidents:
    """Handlers over one replica; `now_ms` is the shell's clock, by which people say when."""

    def __init__(self, views: Views, now_ms: Callable[[], int]) -> None:
        self._views = views
        self._replica = views.replica
        self._now_ms = now_ms
        self._changing = asyncio.Lock()  # a change reads what the one before wrote

    def routes(self) -> list[web.RouteDef]:
        one = "/api/v1/incidents/{id}"
        return [
            web.get("/api/v1/incidents", self.listed),
            web.post("/api/v1/incidents", self.open),
            web.get(one, self.show),
            web.get(f"{one}/report", self.reported),
            web.post(f"{one}/contain", self.contain),
            web.post(f"{one}/close", self.close),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        known = sorted(self._replica.incidents().values(), key=lambda each: (-each.since_s, each.id))
        return answer({"now_s": self._replica.now_s, "incidents": known})

    async def open(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        wanted = await questions.body(request, _Open)
        for scope in wanted.scopes:
            if self._views.burn_of(scope) is None:
                raise questions.unknown_scope(scope, self._views.scopes())
        now_s = self._now_ms() // 1000
        self._check_time("since_s", wanted.since_s, now_s - HELD_S, now_s)
        day = dt.datetime.fromtimestamp(wanted.since_s, dt.UTC)
        incident = Incident(
            # Six random digits, since two replicas may open one at the same time.
            id=f"{day:%Y%m%d}-{secrets.token_hex(3)}",
            title=" ".join(wanted.title.split()) or f"{wanted.scopes[0]} over its normal burn",
            scopes=tuple(dict.fromkeys(wanted.scopes)),
            since_s=wanted.since_s,
            opened_by=wanted.opened_by,
            opened_s=now_s,
        )
        await self._write(incident)
        return answer(incident, 201)

    async def show(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        return answer(self._cost(self._found(request)))

    async def reported(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        incident = self._found(request)
        told = self._replica.transitions(incident.since_s)
        return web.Response(
            text=report(self._cost(incident), told),
            content_type="text/markdown",
            headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        )

    async def contain(self, request: web.Request) -> web.Response:
        """The cause was stopped, now or at `at_s`. Can be said again, to correct it."""
        return await self._change(request, "contained_s")

    async def close(self, request: web.Request) -> web.Response:
        """The window ends, now or at `at_s`. Can be said again, to correct it."""
        return await self._change(request, "until_s")

    async def _change(self, request: web.Request, field: str) -> web.Response:
        questions.check_parameters(request, ())
        said = await questions.body(request, _At)
        async with self._changing:
            incident = self._found(request)
            now_s = self._now_ms() // 1000
            at_s = now_s if said.at_s is None else said.at_s
            self._check_time("at_s", at_s, incident.since_s, now_s)
            changes: dict[str, Any] = {field: at_s}
            if field == "until_s":
                changes["closed"] = True
            incident = msgspec.structs.replace(incident, **changes)
            await self._write(incident)
        return answer(incident)

    def _cost(self, incident: Incident) -> Cost:
        return cost(incident, self._replica.burns(), self._views.figures(), self._replica.now_s)

    def _found(self, request: web.Request) -> Incident:
        wanted = request.match_info["id"]
        known = self._replica.incidents()
        if wanted not in known:
            newest = sorted(known.values(), key=lambda each: -each.opened_s)[:3]
            hint = (
                f"the newest are {', '.join(each.id for each in newest)}"
                if newest
                else "none has been opened"
            )
            raise refusal(web.HTTPNotFound, f"there is no incident {wanted[:100]!r}; {hint}")
        return known[wanted]

    async def _write(self, incident: Incident) -> None:
        await self._replica.append(topics.INCIDENTS, incidents.key(incident), incidents.encode(incident))

    @staticmethod
    def _check_time(name: str, time_s: int, lowest_s: int, highest_s: int) -> None:
        if not lowest_s <= time_s <= highest_s:
            raise refusal(
                web.HTTPBadRequest,
                f"{name} must be from {_utc(lowest_s)} to {_utc(highest_s)} (now), "
                f"in UTC epoch seconds from {lowest_s} to {highest_s}, not {time_s}",
            )


def _utc(time_s: int) -> str:
    return dt.datetime.fromtimestamp(time_s, dt.UTC).strftime("%Y-%m-%dT%H:%MZ")

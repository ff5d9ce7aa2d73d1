"""What people ask for over HTTP: maintenance windows, plans, acknowledgements; and the trail of all of it."""

import datetime as dt
import secrets
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from stream import planned
from stream.schema import commands, topics
from stream.schema.alerts import Alert, State
from stream.schema.commands import Acknowledge, Command, Maintenance, Plan, Recurrence
from stream.schema.feedback import Feedback
from stream.serve import questions
from stream.serve.answers import answer, refusal
from stream.serve.views import Views

LONGEST_SNOOZE_S: Final = 7 * 86_400
_SHOWN: Final = 20  # scopes that a window matches now; and how many are counted beside
_By = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_Note = Annotated[str, msgspec.Meta(max_length=500)]
_Alert = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
_Kind = type[Maintenance] | type[Plan]


class _Times(msgspec.Struct, forbid_unknown_fields=True):
    scopes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    since_s: int | None = None
    until_s: int | None = None
    recurs: Recurrence | None = None
    note: str = ""
    by: _By = "api"


class _Ceiling(_Times, forbid_unknown_fields=True):
    ceiling_usd_per_hour: float = 0.0
    floor_usd_per_hour: float = 1.0


class _Take(msgspec.Struct, forbid_unknown_fields=True):
    alert: _Alert
    by: _By = "api"
    note: _Note = ""


class _Snooze(_Take, forbid_unknown_fields=True):
    until_s: int = 0


class By(msgspec.Struct, forbid_unknown_fields=True):
    """Who ends something."""

    by: _By = "api"


class Commands:
    """Handlers over one replica; `now_ms` is the shell's clock, by which people say when."""

    def __init__(self, views: Views, now_ms: Callable[[], int]) -> None:
        self._views = views
        self.replica = views.replica
        self._now_ms = now_ms

    @property
    def now_s(self) -> int:
        return self._now_ms() // 1000

    def routes(self) -> list[web.RouteDef]:
        windows: list[web.RouteDef] = []
        for path, kind, body in (("maintenance", Maintenance, _Times), ("plans", Plan, _Ceiling)):
            windows += [
                web.get(f"/api/v1/{path}", self._listing(kind)),
                web.post(f"/api/v1/{path}", self._adding(kind, body)),
                web.post(f"/api/v1/{path}/{{id}}/end", self._ending(kind)),
            ]
        return [
            *windows,
            web.post("/api/v1/alerts/acknowledge", self.acknowledge),
            web.post("/api/v1/alerts/snooze", self.snooze),
            web.post("/api/v1/alerts/unacknowledge", self.unacknowledge),
            web.get("/api/v1/commands", self.trail),
        ]

    async def trail(self, request: web.Request) -> web.Response:
        """Everything that people asked for, the newest first."""
        questions.check_parameters(request, ())
        known = sorted(self.replica.commands(), key=lambda one: (-one.made_s, one.id))
        return answer({"now_s": self.replica.now_s, "commands": known})

    async def acknowledge(self, request: web.Request) -> web.Response:
        said = await questions.body(request, _Take)
        return await self._take(said, None)

    async def snooze(self, request: web.Request) -> web.Response:
        said = await questions.body(request, _Snooze)
        if not self.now_s < said.until_s <= self.now_s + LONGEST_SNOOZE_S:
            raise refusal(
                web.HTTPBadRequest,
                f"until_s must be after {self.now_s} (now), at most {LONGEST_SNOOZE_S // 86_400} days ahead: "
                "for longer make a plan, which still pages above its ceiling",
            )
        return await self._take(said, said.until_s)

    async def _take(self, said: _Take, until_s: int | None) -> web.Response:
        alert = self.standing(said.alert)
        command = Acknowledge(
            id=new_id(self.now_s),
            by=said.by,
            made_s=self.now_s,
            note=said.note,
            alert=alert.dedup_key,
            until_s=until_s,
        )
        former = self._holding(alert.dedup_key)
        await self.write(command)
        await self._end(former, said.by)  # only now: while nobody has it, it rings
        return answer(command, 201)

    async def unacknowledge(self, request: web.Request) -> web.Response:
        """Take back every acknowledgement and snooze of an alert."""
        said = await questions.body(request, _Take)
        key = self.standing(said.alert).dedup_key
        holding = self._holding(key)
        if not holding:
            raise refusal(web.HTTPNotFound, f"nobody has acknowledged {key}")
        return answer({"ended": await self._end(holding, said.by)})

    def _holding(self, key: str) -> list[Acknowledge]:
        return [
            one
            for one in self.replica.commands()
            if isinstance(one, Acknowledge) and one.alert == key and one.ended_s is None
        ]

    async def _end(self, holding: Iterable[Acknowledge], by: str) -> list[Acknowledge]:
        ended = [msgspec.structs.replace(one, ended_s=self.now_s, ended_by=by) for one in holding]
        for one in ended:
            await self.write(one)
        return ended

    def _listing(self, kind: _Kind) -> Any:
        async def listed(request: web.Request) -> web.Response:
            questions.check_parameters(request, ("all",))
            every = questions.choice(request, "all", ("no", "yes")) == "yes"
            rows = [self._row(one) for one in self.replica.commands() if isinstance(one, kind)]
            rows = [row for row in rows if every or row["state"] != "over"]
            rows.sort(key=lambda row: (row["state"] != "holds", row["start_s"] or 0, row["id"]))
            return answer({"now_s": self.replica.now_s, "windows": rows})

        return listed

    def _adding(self, kind: _Kind, body: type[_Times]) -> Any:
        async def added(request: web.Request) -> web.Response:
            questions.check_parameters(request, ())
            window = self._made(kind, await questions.body(request, body))
            await self.write(window)
            return answer(self._row(window), 201)

        return added

    def _ending(self, kind: _Kind) -> Any:
        async def ended(request: web.Request) -> web.Response:
            questions.check_parameters(request, ())
            said = await questions.body(request, By)
            window = self.found(kind, request.match_info["id"])
            if window.ended_s is None:
                window = msgspec.structs.replace(window, ended_s=self.now_s, ended_by=said.by)
                await self.write(window)
            return answer(self._row(window))

        return ended

    def _made(self, kind: _Kind, said: _Times) -> Maintenance | Plan:
        given = msgspec.to_builtins(said)
        given["match"] = {"scopes": given.pop("scopes"), "labels": given.pop("labels")}
        since_s = self.now_s if said.since_s is None else said.since_s
        given |= {"id": new_id(self.now_s), "made_s": self.now_s, "since_s": since_s}
        try:
            window = msgspec.convert({"kind": kind.__struct_config__.tag, **given}, kind)
        except msgspec.ValidationError as error:
            raise refusal(web.HTTPBadRequest, f"the body makes no sense: {error}") from None
        if window.until_s is not None and window.until_s <= self.now_s:
            raise refusal(web.HTTPBadRequest, f"until_s lies before {self.now_s} (now): it would never hold")
        return window

    def _row(self, window: Maintenance | Plan) -> dict[str, Any]:
        """A window with what it does now: `state` is holds, waits or over."""
        now_s = max(self.replica.now_s, self.now_s)
        current = planned.current(window, now_s)
        following = planned.following(window, now_s)
        span = current or following
        stage = self.replica.alerting()
        held = [one for one in stage.held_back() if one.held.id == window.id]
        known = [scope for scope in self._views.scopes() if stage.covers(window, scope)]
        return {
            **msgspec.to_builtins(window),
            "state": "holds" if current else "waits" if following else "over",
            "start_s": None if span is None else span.start_s,
            "end_s": None if span is None else span.end_s,
            "scopes_now": sorted(known)[:_SHOWN],
            "scopes_now_count": len(known),
            "held_back": [line for one in held for line in one.lines.values()],
        }

    def found(self, kind: type[Any], wanted: str) -> Any:
        """The command with an id. Raises 404, or 409 for one of the configuration."""
        known = {one.id: one for one in self.replica.commands() if isinstance(one, kind)}
        if wanted not in known:
            names = ", ".join(sorted(known)[-3:])
            hint = f"there are, for example, {names}" if known else "there are none"
            raise refusal(
                web.HTTPNotFound, f"there is no {commands.kind_name(kind)} {wanted[:100]!r}; {hint}"
            )
        if wanted.startswith("file:"):
            raise refusal(web.HTTPConflict, f"{wanted} is in burnline.yaml: take it out there and restart")
        return known[wanted]

    def standing(self, wanted: str) -> Alert:
        """The alert that people were told of, by its dedup key or the name of its scope."""
        told = [alert for alert in self.replica.alerting().active() if alert.state != State.PENDING]
        for alert in told:
            if wanted in (alert.dedup_key, alert.scope):
                return alert
        hint = f"what fires: {', '.join(alert.dedup_key for alert in told[:3])}" if told else "nothing fires"
        raise refusal(web.HTTPNotFound, f"no alert {wanted[:300]!r} fires; {hint}")

    def feedback(self) -> Iterable[Feedback]:
        return (one for one in self.replica.commands() if isinstance(one, Feedback))

    async def write(self, command: Command) -> None:
        await self.replica.append(topics.COMMANDS, commands.key(command), commands.encode(command))


def new_id(now_s: int) -> str:
    """Six random digits, since two replicas may make one at the same time."""
    return f"{dt.datetime.fromtimestamp(now_s, dt.UTC):%Y%m%d}-{secrets.token_hex(3)}"

"""Actions over HTTP: what is proposed, approving or declining it by name, and the log of all of it."""

import asyncio
from typing import Annotated, Final

import msgspec
from aiohttp import web

from stream.schema import actions
from stream.schema.actions import Action
from stream.schema.commands import Approval
from stream.serve import questions
from stream.serve.answers import answer, refusal
from stream.serve.commands import Commands, new_id

_DECIDED_WITHIN_S: Final = 10.0  # a commit of the alerts stage, and its way to here
_LOOK_S: Final = 0.1


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    by: Annotated[str, msgspec.Meta(max_length=100)] = ""
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Decisions:
    """Handlers; what they share with other commands is that of `commands`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._replica = commands.replica

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/actions", self.listed),
            web.get("/api/v1/actions/log", self.log),
            web.post("/api/v1/actions/{id}/approve", self.approve),
            web.post("/api/v1/actions/{id}/decline", self.decline),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        """What was proposed of late, the newest first."""
        questions.check_parameters(request, ())
        return answer({"now_s": self._commands.now_s, "actions": self._replica.alerting().actions()})

    async def log(self, request: web.Request) -> web.Response:
        """The newest entries, the oldest of them first."""
        questions.check_parameters(request, ("limit",))
        limit = questions.whole_number(request, "limit", 1_000, 1, 10_000)
        return answer({"now_s": self._commands.now_s, "entries": list(self._replica.action_log())[-limit:]})

    async def approve(self, request: web.Request) -> web.Response:
        return await self._decide(request, approved=True)

    async def decline(self, request: web.Request) -> web.Response:
        return await self._decide(request, approved=False)

    async def _decide(self, request: web.Request, *, approved: bool) -> web.Response:
        questions.check_parameters(request, ())
        said = await questions.body(request, _Said)
        if not said.by.strip():
            raise refusal(web.HTTPBadRequest, "say who you are: by must be a name")
        now_s = self._commands.now_s
        action = self._waiting(request.match_info["id"], now_s)
        command = Approval(
            id=new_id(now_s),
            by=said.by.strip(),
            made_s=now_s,
            note=said.note,
            action=action.id,
            approved=approved,
        )
        await self._commands.write(command)
        return await self._outcome(command)

    async def _outcome(self, command: Approval) -> web.Response:
        """What the alerts stage made of it: of two at once it heeds the first."""
        looks = int(_DECIDED_WITHIN_S / _LOOK_S)
        for _ in range(looks):
            action = self._found(command.action)
            if action.decision == command.id:
                return answer(action)
            if action.state != actions.PROPOSED:
                raise _decided(action)
            await asyncio.sleep(_LOOK_S)
        raise refusal(
            web.HTTPServiceUnavailable,
            "it is written, but the alerts stage has not taken it yet: see burnline action list",
        )

    def _found(self, wanted: str) -> Action:
        known = {one.id: one for one in self._replica.alerting().actions()}
        if wanted not in known:
            waiting = [one.id for one in known.values() if one.state == actions.PROPOSED][:3]
            hint = f"there are {', '.join(waiting)}" if waiting else "none waits for an approval"
            raise refusal(web.HTTPNotFound, f"there is no action {wanted[:100]!r}; {hint}")
        return known[wanted]

    def _waiting(self, wanted: str, now_s: int) -> Action:
        action = self._found(wanted)
        if action.state != actions.PROPOSED:
            raise _decided(action)
        if now_s >= action.expires_s:
            raise refusal(web.HTTPConflict, f"{action.id} has expired: it is too late to approve it")
        return action


def _decided(action: Action) -> web.HTTPException:
    whose = f" by {action.by}" if action.by else ""
    return refusal(web.HTTPConflict, f"{action.id} was {action.state}{whose} already")

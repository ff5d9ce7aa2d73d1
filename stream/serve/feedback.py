"""Feedback over HTTP: what an alert was, what that would change, and taking it back."""

from typing import Annotated, Final

import msgspec
from aiohttp import web

from stream.alerts.consequence import Consequence, consequence, past, proposed
from stream.schema.feedback import Feedback, Verdict
from stream.serve import questions, told
from stream.serve.answers import answer, refusal
from stream.serve.commands import By, Commands, new_id

WEEKS: Final = 4
MOST_WEEKS: Final = 12  # `alerts` is kept for 90 days


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    alert: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    verdict: Verdict
    by: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "api"
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""
    weekly: bool = False
    ceiling_usd_per_hour: Annotated[float, msgspec.Meta(gt=0)] | None = None
    weeks: Annotated[int, msgspec.Meta(ge=1, le=MOST_WEEKS)] = WEEKS


class Judgement:
    """Handlers; what they share with other commands is that of `commands`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._replica = commands.replica

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/feedback", self.listed),
            web.get("/api/v1/feedback/preview", self.previewed),
            web.post("/api/v1/feedback", self.saved),
            web.post("/api/v1/feedback/{id}/revoke", self.revoked),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        known = sorted(self._commands.feedback(), key=lambda one: (-one.made_s, one.id))
        rows = [{**msgspec.to_builtins(one), "holds": one.holds(self._commands.now_s)} for one in known]
        return answer({"now_s": self._replica.now_s, "feedback": rows})

    async def previewed(self, request: web.Request) -> web.Response:
        """What a verdict would change. Changes nothing, and needs no token."""
        names = ("alert", "verdict", "weekly", "ceiling_usd_per_hour", "weeks")
        questions.check_parameters(request, names)
        given: dict[str, object] = {**request.query}
        given["weekly"] = questions.choice(request, "weekly", ("no", "yes")) == "yes"
        try:
            said = msgspec.convert(given, _Said, strict=False)
        except msgspec.ValidationError as error:
            raise refusal(web.HTTPBadRequest, f"the parameters make no sense: {error}") from None
        feedback, follows = self._judged(said)
        return answer({"feedback": feedback, "consequence": follows})

    async def saved(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        feedback, follows = self._judged(await questions.body(request, _Said))
        await self._commands.write(feedback)
        return answer({"feedback": feedback, "consequence": follows}, 201)

    async def revoked(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        said = await questions.body(request, By)
        feedback = self._commands.found(Feedback, request.match_info["id"])
        if feedback.ended_s is None:
            now_s = self._commands.now_s
            feedback = msgspec.structs.replace(feedback, ended_s=now_s, ended_by=said.by)
            await self._commands.write(feedback)
        return answer(feedback)

    def _judged(self, said: _Said) -> tuple[Feedback, Consequence]:
        now_s = self._commands.now_s
        since_s = now_s - said.weeks * 7 * 86_400
        transitions = told.known(self._replica, since_s)
        alert = told.found(transitions, said.alert)
        feedback = proposed(
            alert,
            said.verdict,
            id_=new_id(now_s),
            by=said.by,
            now_s=now_s,
            note=said.note,
            weekly=said.weekly,
            ceiling_usd_per_hour=said.ceiling_usd_per_hour,
        )
        known = past(transitions, self._commands.feedback(), since_s)
        return feedback, consequence(feedback, known, since_s, now_s)

"""The read API and the console, as one aiohttp application over a replica."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from stream.config import Config, Http
from stream.notify import page
from stream.schema.dead_letters import DeadLetter, Reason
from stream.serve import console, questions, told
from stream.serve.access import guard
from stream.serve.actions import Decisions
from stream.serve.answers import answer, sentences
from stream.serve.commands import Commands
from stream.serve.destinations import Destinations
from stream.serve.feedback import Judgement
from stream.serve.incidents import Incidents
from stream.serve.replica import Replica
from stream.serve.runbook import Runbooks
from stream.serve.views import DAYS_HELD, HISTORY, Views

_ORIGINAL_CHARS: Final = 4_096  # of base64: the first 3,072 bytes
MAX_BODY_BYTES: Final = 64 * 1024  # the largest body opens an incident over 20 scopes: about 12 kB


def application(
    replica: Replica, http: Http, now_ms: Callable[[], int], config: Config | None = None
) -> web.Application:
    """Serve it with `stream.serve.listen.listening`. `now_ms` is the shell's clock.

    Raises `UserError` when `http` would let others in without a token.
    """
    config = config or Config()
    api = _Api(replica, now_ms)
    commands = Commands(api.views, now_ms)
    made = web.Application(middlewares=[sentences, guard(http, "serve")], client_max_size=MAX_BODY_BYTES)
    made.add_routes(
        [
            web.get("/", console.page),
            web.get("/runbooks/{name}", Runbooks(replica).show),
            web.get("/health", api.health),
            web.get("/api/v1/burn", api.burn),
            web.get(r"/api/v1/burn/{scope:[\s\S]+}/history", api.history),
            web.get("/api/v1/alerts", api.alerts),
            web.get("/api/v1/alerts/one", api.alert),
            web.get("/api/v1/estimates", api.estimates),
            web.get("/api/v1/calibrations", api.calibrations),
            web.get("/api/v1/dead-letters", api.dead_letters),
            web.get("/api/v1/identity", api.identity),
            *Incidents(api.views, now_ms).routes(),
            *commands.routes(),
            *Judgement(commands).routes(),
            *Decisions(commands).routes(),
            *Destinations(replica, config, now_ms).routes(),
        ]
    )
    return made


class _Api:
    def __init__(self, replica: Replica, now_ms: Callable[[], int]) -> None:
        self.views = Views(replica)
        self._replica = replica
        self._now_ms = now_ms

    async def health(self, request: web.Request) -> web.Response:
        heard, status = self.views.health(self._now_ms())
        return answer(status, 200 if heard else 503)

    async def burn(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ("scope", "sort", "limit"))
        sort = questions.choice(request, "sort", ("excess", "burn"))
        limit = questions.whole_number(request, "limit", 100, 1, 10_000)
        chosen = request.query.getall("scope", [])
        for scope in chosen:
            if self.views.burn_of(scope) is None:
                raise questions.unknown_scope(scope, self.views.scopes())
        return answer(self.views.burn(chosen, sort, limit))

    async def history(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ("window",))
        window = questions.choice(request, "window", HISTORY)
        scope = request.match_info["scope"]
        if self.views.burn_of(scope) is None:
            raise questions.unknown_scope(scope, self.views.scopes())
        return answer(self.views.history(scope, window))

    async def alerts(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        stage = self._replica.alerting()
        return answer(
            {
                "now_s": self._replica.now_s,
                "alerts": stage.active(),
                "held_back": stage.held_back(),
                "digest": stage.digest(),
            }
        )

    async def alert(self, request: web.Request) -> web.Response:
        """One alert, with the page as people read it."""
        questions.check_parameters(request, ("alert", "days"))
        days = questions.whole_number(request, "days", 14, 1, 90)
        alerts = told.known(self._replica, self._replica.now_s - days * 86_400)
        found = told.found(alerts, request.query.get("alert", ""))
        return answer({"now_s": self._replica.now_s, "alert": found, "page": page.render(found)})

    async def estimates(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ("by", "days"))
        questions.choice(request, "by", ("billing",))
        days = questions.whole_number(request, "days", DAYS_HELD, 1, DAYS_HELD)
        return answer(self.views.estimates(days))

    async def calibrations(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        return answer({"calibrations": self._replica.calibrations()})

    async def dead_letters(self, request: web.Request) -> web.Response:
        """How many there are by reason, and the newest: of each original the beginning."""
        questions.check_parameters(request, ("reason", "since_s", "limit"))
        reason = questions.choice(request, "reason", ("any", *Reason))
        since_ms = 1000 * questions.whole_number(request, "since_s", 0, 0, 99_999_999_999)
        limit = questions.whole_number(request, "limit", 20, 1, 1_000)
        counts: Counter[str] = Counter()
        newest: deque[DeadLetter] = deque(maxlen=limit)
        async for letter in self._replica.dead_letters():
            if letter.timestamp_ms >= since_ms and reason in ("any", letter.reason):
                counts[letter.reason] += 1
                newest.append(msgspec.structs.replace(letter, original=letter.original[:_ORIGINAL_CHARS]))
        return answer({"counts": dict(counts.most_common()), "letters": list(newest)})

    async def identity(self, request: web.Request) -> web.Response:
        questions.check_parameters(request, ())
        return answer(self.views.identity())

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


class SlackServer(Receiver):
    """Incoming webhooks under /services/, and the methods of Slack's API that burnline calls under /api/.

    `messages` holds each message of the channel by its time, `threads` the replies to it.
    """

    def __init__(self, *script: Behaviour, token: str = "xoxb-good") -> None:
        super().__init__(*script, path="/{kind:api|services}/{rest:.*}")
        self.token = token
        self.messages: dict[str, Any] = {}
        self.threads: dict[str, list[Any]] = {}

    @property
    def hook(self) -> str:
        return f"{self.base}/services/T000/B000/XXXX"

    async def take(self, request: web.Request, body: bytes) -> web.StreamResponse:
        message = msgspec.json.decode(body)
        wrong = complaints("slack_message", message)
        if request.match_info["kind"] == "services":
            if wrong:
                return web.Response(status=400, text="invalid_payload")
            self._post(message)
            return web.Response(text="ok")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _json(200, {"ok": False, "error": "invalid_auth"})
        if wrong:
            return _json(200, {"ok": False, "error": "invalid_blocks", "errors": wrong})
        return _json(200, self._called(request.match_info["rest"], message))

    def _called(self, method: str, message: Any) -> dict[str, Any]:
        if method == "chat.update":
            if message["ts"] not in self.messages:
                return {"ok": False, "error": "message_not_found"}
            self.messages[message["ts"]] = message
            return {"ok": True, "channel": message["channel"], "ts": message["ts"], "text": message["text"]}
        if method != "chat.postMessage":
            return {"ok": False, "error": "unknown_method"}
        at = self._post(message)
        return {"ok": True, "channel": "C0123456789", "ts": at, "message": {"text": message["text"]}}

    def _post(self, message: Any) -> str:
        replies = sum(map(len, self.threads.values()))
        at = f"1767276000.{len(self.messages) + replies:06}"
        if "thread_ts" in message:
            self.threads.setdefault(message["thread_ts"], []).append(message)
        else:
            self.messages[at] = message
        return at


def said(document: Mapping[str, Any], **headers: str) -> Behaviour:
    """Answers 200 with this document."""

    async def act(_: web.Request) -> web.StreamResponse:
        answer = _json(200, document)
        answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return answer

    return act


class GitHubServer(Receiver):
    """Issues of one repository of GitHub: opened, commented, closed."""

    def __init__(self, *script: Behaviour) -> None:
        super().__init__(*script, path="/repos/acme/operations/issues{rest:.*}")
        self.issues: dict[int, dict[str, Any]] = {}

    async def take(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Bearer github_pat_0000":
            return _json(401, {"message": "Bad credentials", "status": "401"})
        document, rest = msgspec.json.decode(body), request.match_info["rest"]
        if request.method == "POST" and not rest:
            if wrong := complaints("github_issue", document):
                return _json(422, {"message": "Validation Failed", "errors": wrong})
            number = len(self.issues) + 4711
            self.issues[number] = {**document, "state": "open", "comments": []}
            return _json(201, {"number": number, "state": "open", "title": document["title"]})
        issue = self.issues.get(int(rest.split("/")[1]))
        if issue is None:
            return _json(410, {"message": "This issue was deleted", "status": "410"})
        if request.method == "PATCH":
            issue |= document
            return _json(200, {"state": issue["state"]})
        issue["comments"].append(document["body"])
        return _json(201, {"id": 1, "body": document["body"]})


class JiraServer(Receiver):
    """Issues of Jira Cloud, REST API v3: opened, commented, moved on. A description is a document (ADF)."""

    def __init__(self, *script: Behaviour) -> None:
        super().__init__(*script, path="/rest/api/3/issue{rest:.*}")
        self.issues: dict[str, dict[str, Any]] = {}

    async def take(self, request: web.Request, body: bytes) -> web.StreamResponse:
        document, rest = msgspec.json.decode(body), request.match_info["rest"]
        if not rest:
            if wrong := complaints("jira_issue", document):
                return _json(400, {"errorMessages": wrong, "errors": {}})
            key = f"OPS-{len(self.issues) + 24}"
            self.issues[key] = {**document["fields"], "comments": [], "moved": []}
            return _json(201, {"id": "10000", "key": key, "self": f"{self.base}{request.path}/10000"})
        _, key, what = rest.split("/")
        if key not in self.issues:
            return _json(404, {"errorMessages": ["Issue does not exist"], "errors": {}})
        if what == "transitions":
            self.issues[key]["moved"].append(document["transition"]["id"])
            return web.Response(status=204)
        if wrong := complaints("jira_comment", document):
            return _json(400, {"errorMessages": wrong, "errors": {}})
        self.issues[key]["comments"].append(document["body"])
        return _json(201, {"id": "1"})

"""The section `notify` of `burnline.yaml`: destinations, one section a kind."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from stream.config_section import Section

SeverityName = Literal["page", "ticket", "digest"]
EVERY: tuple[SeverityName, ...] = ("page", "ticket", "digest")


class Place(Section):
    """What every destination has."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """what metrics and logs call it; also the name of its read position, so keep it"""
    severities: tuple[SeverityName, ...] = EVERY
    """which alerts it gets; it also hears how one that it got goes on, whatever that became"""


class Alertmanager(Place):
    """A Prometheus Alertmanager."""

    kind: Literal["alertmanager"] = "alertmanager"
    """Alertmanager, API v2"""
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "alertmanager"
    """what metrics and logs call it; also the name of its read position, so keep it"""
    url: str
    """its base URL; of a cluster name every peer as a destination of its own"""
    token: SecretStr | None = None
    """bearer token"""


class PagerDuty(Place):
    """A PagerDuty service, by an integration "Events API v2"."""

    kind: Literal["pagerduty"] = "pagerduty"
    """PagerDuty, Events API v2"""
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "pagerduty"
    """what metrics and logs call it; also the name of its read position, so keep it"""
    severities: tuple[SeverityName, ...] = ("page",)
    """which alerts it gets; it also hears how one that it got goes on, whatever that became"""
    url: str = "https://events.pagerduty.com/v2/enqueue"
    """where events go; of an account in the EU https://events.eu.pagerduty.com/v2/enqueue"""
    routing_key: SecretStr
    """the integration key of the service: 32 characters"""
    page_severity: Literal["critical", "error", "warning", "info"] = "critical"
    """PagerDuty's severity of a page"""
    ticket_severity: Literal["critical", "error", "warning", "info"] = "warning"
    """PagerDuty's severity of a ticket"""
    digest_severity: Literal["critical", "error", "warning", "info"] = "info"
    """PagerDuty's severity of a digest"""
    image_url: Annotated[str, Field(pattern=r"^https://")] | None = None
    """a picture to show, such as a rendered panel of Grafana; `{scope}` is filled in"""

    @model_validator(mode="after")
    def _key_is_whole(self) -> "PagerDuty":
        if len(self.routing_key.get_secret_value()) != 32:
            raise ValueError("routing_key must have 32 characters: copy the whole integration key")
        return self


class Slack(Place):
    """A channel of Slack. With `token` and `channel` an alert is one message that is kept up to date, with a
    thread; with `url` each transition is a message."""

    kind: Literal["slack"] = "slack"
    """Slack, by a bot's token or by an incoming webhook"""
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "slack"
    """what metrics and logs call it; also the name of its read position, so keep it"""
    severities: tuple[SeverityName, ...] = ("page", "ticket")
    """which alerts it gets; it also hears how one that it got goes on, whatever that became"""
    url: SecretStr | None = None
    """an incoming webhook, `https://hooks.slack.com/services/...`"""
    token: SecretStr | None = None
    """a bot's token, `xoxb-...`, with the right `chat:write`; invite the bot to the channel"""
    channel: str | None = None
    """ID of the channel, such as `C0123456789`; with `token`"""
    api_url: str = "https://slack.com/api"
    """where Slack's API is"""

    @model_validator(mode="after")
    def _one_way(self) -> "Slack":
        if (self.url is None) == (self.token is None) or (self.token is None) != (self.channel is None):
            raise ValueError("give either url (an incoming webhook), or token and channel (a bot)")
        return self


class Email(Place):
    """E-mail by a mail server; for digests, which nobody needs at once."""

    kind: Literal["email"] = "email"
    """e-mail by SMTP"""
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "email"
    """what metrics and logs call it; also the name of its read position, so keep it"""
    severities: tuple[SeverityName, ...] = ("digest",)
    """which alerts it gets; it also hears how one that it got goes on, whatever that became"""
    host: str
    """the mail server"""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """its port"""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`tls` from the first byte (mostly on port 465), `starttls` or none; certificates are checked"""
    ca_file: Path | None = None
    """PEM file of the authority that signed the server's certificate; else the system's"""
    username: str | None = None
    """user to log in as; without it there is no login"""
    password: SecretStr | None = None
    """password to log in with"""
    sender: Annotated[str, Field(pattern=r"^[^\s@]+@[^\s@]+$")]
    """address that it comes from"""
    recipients: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^\s@,]+@[^\s@,]+$")], ...], Field(min_length=1)
    ]
    """addresses that it goes to"""


PLACES: tuple[str, ...] = (
    "id", "key", "title", "summary", "text", "markdown", "state", "severity", "scope", "runbook_url",
    "console_url",
)  # fmt: skip


class Call(Section):
    """One request to a tracker. `{...}` in `url` and in texts of `body` is filled in: `id` (of the ticket),
    `key`, `title`, `summary`, `text` (the whole page), `markdown` (the same as a code block), `state`,
    `severity`, `scope`, `runbook_url`, `console_url`."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """the HTTP method"""
    url: str
    """where; each value that is filled in is quoted"""
    body: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """what to send, as JSON"""

    @model_validator(mode="after")
    def _places_are_known(self) -> "Call":
        for place in re.findall(r"\{(\w+)\}", f"{self.url} {list(_texts(self.body))}"):
            if place not in PLACES:
                raise ValueError(f"{{{place}}} can't be filled in; known are {', '.join(PLACES)}")
        return self


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict | list):
        for inner in body.values() if isinstance(body, dict) else body:
            yield from _texts(inner)


class Ticket(Place):
    """Tickets in any tracker with an HTTP API: one a problem. deploy/tickets/ has templates for GitHub and
    Jira."""

    kind: Literal["ticket"] = "ticket"
    """a tracker, by templates"""
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "ticket"
    """what metrics and logs call it; also the name of its read position, so keep it"""
    severities: tuple[SeverityName, ...] = ("ticket",)
    """which alerts it gets; it also hears how one that it got goes on, whatever that became"""
    headers: dict[str, SecretStr] = {}  # noqa: RUF012 - pydantic copies it
    """headers of every request, such as `Authorization`; secret"""
    open: Call
    """opens a ticket"""
    id: Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")] = "id"
    """where in the answer of `open` the ticket's name stands; dots go one level down"""
    update: tuple[Call, ...] = ()
    """tells a ticket what is new, in this order"""
    close: tuple[Call, ...] = ()
    """tells a ticket that it is over, and closes it, in this order"""

    @model_validator(mode="after")
    def _has_no_id_yet(self) -> "Ticket":
        if "{id}" in f"{self.open.url} {list(_texts(self.open.body))}":
            raise ValueError("open can't use {id}: there is no ticket yet")
        return self


class Webhook(Place):
    """Any HTTP endpoint. docs/formats.md describes what it gets."""

    kind: Literal["webhook"] = "webhook"
    """a POST of one JSON object a transition"""
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "webhook"
    """what metrics and logs call it; also the name of its read position, so keep it"""
    url: str
    """where to post"""
    secret: SecretStr | None = None
    """key of the HMAC-SHA256 in `X-Burnline-Signature`; without it nothing is signed"""


AnyDestination = Annotated[
    Alertmanager | Email | PagerDuty | Slack | Ticket | Webhook, Field(discriminator="kind")
]


class Heartbeat(Section):
    """A sign of life that is sent while spend is being judged, not merely while a process lives. Something
    outside must page when it stops: a service such as healthchecks.io, or a route of Alertmanager to one."""

    kind: Literal["ping", "alertmanager"] = "ping"
    """`ping`: a request to `url`; `alertmanager`: the alert BurnlineWatchdog, severity `none`, which ends
    when it is not repeated"""
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "heartbeat"
    """what metrics and logs call it"""
    url: SecretStr
    """where to; of an Alertmanager its base URL"""
    method: Literal["GET", "POST", "HEAD"] = "POST"
    """of a ping"""
    token: SecretStr | None = None
    """bearer token of an Alertmanager"""
    every_s: Annotated[int, Field(ge=1)] = 60
    """how often"""
    stale_after_s: Annotated[int, Field(ge=1)] = 300
    """how far the newest judged spend may be behind the clock; more than your slowest source is"""


class Notify(Section):
    """Where alerts go. Only hosts in `allowed_hosts` are ever contacted."""

    destinations: tuple[AnyDestination, ...] = ()
    """each gets the alerts of its severities, in order, at least once"""
    heartbeats: tuple[Heartbeat, ...] = ()
    """signs of life, for who must notice that burnline itself is silent"""
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "alertmanager")
    """hosts that may be contacted; a destination elsewhere stops the start"""
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """limit of one attempt"""
    alarm_after_s: Annotated[int, Field(ge=0)] = 300
    """how long a destination may take nothing before the others are told"""
    unproven_after_s: Annotated[int, Field(ge=0)] = 3600
    """how long a destination may stay unproven (nothing taken, no test) before the others are told"""
    resend_s: Annotated[int, Field(ge=1, le=60)] = 60
    """how often an Alertmanager is told again what fires; it forgets after four times as long"""

    @model_validator(mode="after")
    def _names_differ(self) -> "Notify":
        names = [destination.name for destination in self.destinations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two destinations are called {name!r}: give each its own name")
        beats = [heartbeat.name for heartbeat in self.heartbeats]
        for name in beats:
            if beats.count(name) > 1:
                raise ValueError(f"two heartbeats are called {name!r}: give each its own name")
        return self

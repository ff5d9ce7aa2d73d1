"""`burnline.yaml`: one strict file. Unknown keys are errors, secrets print as stars.

Environment variables override single values: BURNLINE_KAFKA__BOOTSTRAP sets kafka.bootstrap (two
underscores go one level down; values are read as YAML).

The string below a key is its meaning; docs/configuration.md is made of them (stream/config_reference.py).
"""

import datetime as dt
import difflib
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from stream.config_actions import ActionRule
from stream.config_alerts import Alerting, Maintenance, Plan
from stream.config_notify import Notify
from stream.config_policy import Policy
from stream.config_section import Section
from stream.errors import UserError
from stream.public_holidays import public_holidays
from stream.schema.commands import check_timezone


class ScopeRule(Section):
    """One kind of scope: a scope exists for each distinct value of `labels`, e.g. `service=shop/checkout`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """what scopes of this kind are called: `service` makes `service=shop/checkout`"""
    labels: tuple[str, ...]
    """the labels that make one; without the last of them an estimate is in no scope of this kind"""
    children: str | None = None
    """the kind whose members are shown as the parts of this one"""


DEFAULT_SCOPES = (
    ScopeRule(name="total", labels=(), children="team"),
    ScopeRule(name="team", labels=("team",), children="service"),
    ScopeRule(name="account", labels=("account",), children="service"),
    ScopeRule(name="namespace", labels=("namespace",), children="service"),
    ScopeRule(name="service", labels=("namespace", "service")),
)


class OwnerRule(Section):
    """Labels to add where all of `match` fit (shell patterns: `*`, `?`). The first match wins for each
    label; labels that an estimate carries itself are kept. `set` values may use `{label}`."""

    match: dict[str, str]
    """label and shell pattern; all must fit, and a missing label is empty"""
    set: dict[str, str]
    """label and value to add; `{label}` in a value is replaced by that label's value"""


class Budget(Section):
    """What one scope may spend in a month."""

    scope: str
    """the scope by its name, such as `total` or `team=payments`"""
    monthly_usd: Annotated[Decimal, Field(gt=0)]
    """what it may spend in a calendar month (UTC)"""


class Prices(Section):
    """Prices of estimates that carry no cost. The format of a book is described in docs/prices.md."""

    book: Path | None = None
    """a CSV that replaces the built-in list prices"""


class Meter(Section):
    """Limits of what the meter takes. Each is a sanity bound: beyond it lies a unit mistake or an attack."""

    future_s: Annotated[int, Field(ge=0)] = 300
    """an estimate that starts or ends further ahead of its arrival is rejected"""
    # The longest window; a month's billing line (31 d) fits.
    max_span_s: Annotated[int, Field(ge=1, le=35 * 86400)] = 35 * 86400
    """an estimate that lasts longer is rejected"""
    max_estimate_usd: Annotated[int, Field(gt=0, le=100_000_000)] = 10_000_000  # int64 nano holds 9.2e9 USD
    """an estimate that costs more, or gives back more, is rejected"""
    max_message_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """a longer message is rejected, and a longer HTTP body refused"""
    late_after_s: Annotated[int, Field(ge=0)] = 60
    """an estimate that ends this far before the newest one counts as late; its money counts all the same"""
    max_label_sets: Annotated[int, Field(ge=1)] = 200_000
    """distinct label sets remembered; when there are as many, they are worked out anew"""
    compiled: bool = True
    """read messages with the compiled reader, where it was built; false: Python, 1.3 to 2.3 times slower"""


class Holidays(Section):
    """Days that are expected to be like another day of the week and teach the baseline nothing."""

    dates: tuple[dt.date, ...] = ()
    """single days: `2026-12-24`"""
    country: str | None = None
    """all public holidays of a country, by its ISO 3166 code: `DE`"""
    subdivision: str | None = None
    """and those of a part of it: `BY`"""
    like: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "sun"
    """the day of the week that they are like"""

    @model_validator(mode="after")
    def _are_known(self) -> "Holidays":
        if self.subdivision is not None and self.country is None:
            raise ValueError("subdivision needs its country")
        self.of_year(2026)
        return self

    def of_year(self, year: int) -> list[dt.date]:
        own = [day for day in self.dates if day.year == year]
        return own if self.country is None else [*own, *public_holidays(self.country, self.subdivision, year)]


class Burn(Section):
    """Windows and detectors."""

    evaluate_every_s: Annotated[int, Field(ge=10, le=300, multiple_of=10)] = 10
    """how often the detectors look"""
    idle_after_s: Annotated[int, Field(ge=1)] = 60
    """how long time waits for a usage partition that stands still or is not heard"""
    max_scopes: Annotated[int, Field(ge=1)] = 10_000
    """scopes watched, shared evenly among the spend partitions; what is over it adds up in `other`"""
    refresh_every_s: Annotated[int, Field(ge=1)] = 60
    """how often the figures of a signal older than 10 minutes are told anew"""
    timezone: str = "UTC"
    """whose clocks the hours of the week go by in the baseline: `Europe/Berlin`"""
    holidays: Holidays = Holidays()
    """days that are unlike their weekday"""
    learn_after_h: Annotated[int, Field(ge=1, le=24)] = 6
    """hours of a new normal that must be known before the baseline goes by it"""

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        check_timezone(name)
        return name


class Listen(Section):
    """One HTTP port."""

    host: str = "127.0.0.1"
    """address to listen on"""
    port: Annotated[int, Field(ge=0, le=65535)]
    """port to listen on; 0 takes a free one"""


class Http(Listen):
    """One HTTP port that can be written to."""

    token: SecretStr | None = None
    """what a client must show to write; needed where `host` is not loopback"""


class Deploys(Section):
    """What tells of deploys. Their shapes are described in docs/formats.md."""

    github_secret: SecretStr | None = None
    """the secret of GitHub's webhook: its events must then be signed, and need no `ingest.token`"""
    github_workflows: tuple[str, ...] = ("*deploy*", "*release*", "*rollout*", "*promote*")
    """shell patterns of the names or files of GitHub workflows that deploy; runs of others are passed over"""


class Kafka(Section):
    """How to reach Kafka; `burnline run`, `replay` and `demo` need none."""

    bootstrap: str = "127.0.0.1:9092"
    """brokers, `host:port`, separated by commas"""
    topic_prefix: str = ""
    """put before the name of every topic"""
    group: str = "burnline"
    """begins the names of consumer groups and transactional ids"""
    usage_partitions: Annotated[int, Field(ge=1)] = 4
    """partitions of `usage`; fixed once the topics are made"""
    spend_partitions: Annotated[int, Field(ge=1)] = 4
    """partitions of `spend`; fixed once the topics are made"""
    replication: Annotated[int, Field(ge=1)] = 1
    """copies of each partition; 3 for more than a trial"""
    commit_every_s: Annotated[float, Field(gt=0)] = 1.0
    """time between commits"""
    session_timeout_s: Annotated[float, Field(gt=0)] = 6.0
    """a process that is silent for longer loses its partitions; brokers allow 6 s and more by default"""
    transaction_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """limit of one commit; a longer one ends the process"""
    read_batches: bool = True
    """read record batches without an object a record, by private names of aiokafka; false: its public way"""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """how to talk to the brokers"""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """how to log in"""
    sasl_username: str | None = None
    """user to log in as"""
    sasl_password: SecretStr | None = None
    """password to log in with"""
    ca_file: Path | None = None
    """PEM file of the authority that signed the brokers' certificates; else the system's"""


class Embedded(Section):
    """The SQLite file of `burnline run`."""

    database: Path = Path("burnline.db")
    """the SQLite file"""
    commit_every_s: Annotated[float, Field(gt=0)] = 1.0
    """longest time between commits; a sender waits for one"""


PORTS: Final = {"ingest": 9106, "serve": 9107, "metrics": 9108}


class Config(Section):
    scopes: tuple[ScopeRule, ...] = DEFAULT_SCOPES
    """kinds of scopes that are watched; one must be `total`"""
    owner_label: str = "team"
    """the label that says whose an estimate is; without it the money also counts in `unmapped`"""
    owners: tuple[OwnerRule, ...] = ()
    """rules that add labels"""
    policies: tuple[Policy, ...] = ()
    """cost rules; what breaks one is a ticket"""
    budgets: tuple[Budget, ...] = ()
    """what scopes may spend"""
    prices: Prices = Prices()
    """prices of estimates that carry no cost"""
    meter: Meter = Meter()
    """what the meter takes"""
    burn: Burn = Burn()
    """windows and detectors"""
    detectors: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - pydantic copies it
    """settings by detector, see [detectors](detectors.md)"""
    alerts: Alerting = Alerting()
    """from signals to alerts"""
    maintenance: tuple[Maintenance, ...] = ()
    """windows in which what is planned rings nobody"""
    plans: tuple[Plan, ...] = ()
    """planned ceilings: what may be burnt, and when"""
    actions: tuple[ActionRule, ...] = ()
    """what is proposed to contain alerts, and waits for an approval"""
    notify: Notify = Notify()
    """where alerts go"""
    deploys: Deploys = Deploys()
    """what tells of deploys"""
    ingest: Http = Http(port=PORTS["ingest"])
    """the HTTP port that takes estimates, deploys and records of reconciliation in"""
    serve: Http = Http(port=PORTS["serve"])
    """the HTTP port of API and console"""
    metrics: Listen = Listen(port=PORTS["metrics"])
    """the HTTP port that Prometheus scrapes; it has no login"""
    kafka: Kafka = Kafka()
    """how to reach Kafka; `burnline run` needs none"""
    embedded: Embedded = Embedded()
    """the SQLite file of `burnline run`"""

    @model_validator(mode="before")
    @classmethod
    def _ports_have_numbers(cls, document: Any) -> Any:
        """Who gives a section a host or a token alone means its usual port."""
        if not isinstance(document, dict):
            return document
        sections = {
            name: {"port": port, **document[name]}
            for name, port in PORTS.items()
            if isinstance(document.get(name), dict)
        }
        return {**document, **sections}

    @model_validator(mode="after")
    def _names_differ(self) -> "Config":
        for section in ("maintenance", "plans", "actions"):
            names = [window.name for window in getattr(self, section)]
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{section}: two are called {name!r}: give each its own name")
        return self

    @model_validator(mode="after")
    def _actions_have_webhooks(self) -> "Config":
        webhooks = [one.name for one in self.notify.destinations if one.kind == "webhook"]
        for rule in self.actions:
            if rule.destination and rule.destination not in webhooks:
                known = f"there are {', '.join(webhooks)}" if webhooks else "there is none"
                raise ValueError(
                    f"actions: {rule.name!r} goes to {rule.destination!r}, which is no webhook of "
                    f"notify.destinations; {known}"
                )
        return self

    @model_validator(mode="after")
    def _scopes_are_known(self) -> "Config":
        names = [rule.name for rule in self.scopes]
        if "total" not in names:
            raise ValueError("scopes must contain one named 'total' with no labels")
        for rule in self.scopes:
            if rule.name == "policy":
                raise ValueError("no scope may be called 'policy': what breaks a policy adds up in such ones")
            if rule.children is not None and rule.children not in names:
                raise ValueError(f"scope {rule.name!r} has children {rule.children!r}, which is no scope")
        return self


ENV_PREFIX = "BURNLINE_"
# Read by the tests and the command line, not settings of the file.
ENV_RESERVED = frozenset({"BURNLINE_DATA", "BURNLINE_TEST_KAFKA", "BURNLINE_CONFIG", "BURNLINE_CRASH_AT"})


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the file (or the defaults when there is none) and the environment.

    Raises `UserError` naming every mistake at once, each with its place and the nearest known key.
    """
    document: Any = {}
    if path is not None:
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(
                f"cannot read {path}: {error.strerror}; name an existing file with --config"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            where = getattr(error, "problem_mark", None)
            line = f" line {where.line + 1}" if where else ""
            raise UserError(f"{path}{line} is not valid YAML: {getattr(error, 'problem', error)}") from None
        document = {} if document is None else document
        if not isinstance(document, dict):
            raise UserError(f"{path} must hold a mapping of sections at the top, such as 'budgets:'")
    for name, value in environ.items():
        if name.startswith(ENV_PREFIX) and name not in ENV_RESERVED:
            _set(document, name.removeprefix(ENV_PREFIX).lower().split("__"), value, name)
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise UserError("\n".join(explain(error, str(path or "environment")))) from None


def _set(document: dict[str, Any], keys: list[str], value: str, variable: str) -> None:
    for key in keys[:-1]:
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise UserError(f"{variable}: {key!r} is not a section")
    try:
        document[keys[-1]] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"{variable} does not hold a YAML value: quote it") from None


def explain(error: ValidationError, source: str) -> list[str]:
    """One line a mistake: place, what is wrong, and for an unknown key the nearest known one."""
    lines = []
    for mistake in error.errors(include_url=False):
        place = ".".join(str(part) for part in mistake["loc"]) or "top level"
        if mistake["type"] == "extra_forbidden":
            known = _keys_at(mistake["loc"][:-1])
            near = difflib.get_close_matches(str(mistake["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            lines.append(f"{source}: {place}: unknown key; {hint}")
        else:
            lines.append(f"{source}: {place}: {mistake['msg'].removeprefix('Value error, ')}")
    return lines


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """The keys known at a place in the file, found by walking the schema."""
    schema = Config.model_json_schema()
    node: Any = schema
    for part in place:
        node = _resolve(node, schema)
        if isinstance(part, int):
            node = node.get("items", {})
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif "mapping" in node.get("discriminator", {}):
            node = {"$ref": node["discriminator"]["mapping"].get(part, "")}
    return sorted(_resolve(node, schema).get("properties", {}))


def _resolve(node: Any, schema: Any) -> Any:
    while "$ref" in node:
        node = schema["$defs"].get(node["$ref"].rsplit("/", 1)[-1], {})
    return node

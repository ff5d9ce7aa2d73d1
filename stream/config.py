"""`burnline.yaml`: one strict file. Unknown keys are errors, secrets print as stars.

Environment variables override single values: BURNLINE_KAFKA__BOOTSTRAP sets kafka.bootstrap (two
underscores go one level down; values are read as YAML).
"""

import difflib
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from stream.errors import UserError


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScopeRule(Section):
    """One kind of scope: a scope exists for each distinct value of `labels`, e.g. `service=shop/checkout`.

    `children` names the scope kind whose members are shown as the parts of this one.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    labels: tuple[str, ...]
    children: str | None = None


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
    set: dict[str, str]


class Budget(Section):
    scope: str
    monthly_usd: Annotated[Decimal, Field(gt=0)]


class Prices(Section):
    """`book` is a CSV in the format of docs/configuration.md; without it, the built-in list prices."""

    book: Path | None = None


class Meter(Section):
    """Limits of what the meter takes. Each is a sanity bound: beyond it lies a unit mistake or an attack."""

    future_s: int = 300
    max_span_s: int = 35 * 86400  # the longest window; a month's billing line (31 d) fits
    max_estimate_usd: Annotated[int, Field(gt=0, le=100_000_000)] = 10_000_000  # int64 nano holds 9.2e9 USD
    max_message_bytes: int = 8 * 1024 * 1024
    late_after_s: int = 60
    max_label_sets: int = 200_000


class Burn(Section):
    evaluate_every_s: Annotated[int, Field(ge=10, le=300, multiple_of=10)] = 10
    idle_after_s: int = 60
    max_scopes: int = 10_000
    refresh_every_s: int = 60


class Alerting(Section):
    """How signals become alerts. Seconds are event time.

    `explains` is the share of a wider scope's excess that a narrower one must make up to be the cause.
    """

    page_for_s: int = 20
    ticket_for_s: int = 300
    hold_s: int = 600
    explains: Annotated[float, Field(gt=0, le=1)] = 0.6
    group_wait_s: int = 20
    runbook_url: str = "https://example.com/burnline/runbooks/{detector}"
    console_url: str = "http://127.0.0.1:9107"


class Alertmanager(Section):
    kind: Literal["alertmanager"] = "alertmanager"
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "alertmanager"
    url: str
    token: SecretStr | None = None


class Webhook(Section):
    kind: Literal["webhook"] = "webhook"
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "webhook"
    url: str
    secret: SecretStr | None = None


class Notify(Section):
    """Where alerts go. Only hosts in `allowed_hosts` are ever contacted."""

    destinations: tuple[Annotated[Alertmanager | Webhook, Field(discriminator="kind")], ...] = ()
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "alertmanager")
    timeout_s: float = 10.0
    resend_s: Annotated[int, Field(ge=1, le=60)] = 60

    @model_validator(mode="after")
    def _names_differ(self) -> "Notify":
        names = [destination.name for destination in self.destinations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two destinations are called {name!r}: give each its own name")
        return self


class Http(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    token: SecretStr | None = None


class Kafka(Section):
    bootstrap: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    group: str = "burnline"
    usage_partitions: Annotated[int, Field(ge=1)] = 4
    spend_partitions: Annotated[int, Field(ge=1)] = 4
    replication: Annotated[int, Field(ge=1)] = 1
    commit_every_s: Annotated[float, Field(gt=0)] = 1.0
    session_timeout_s: float = 10.0
    transaction_timeout_s: float = 10.0
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ca_file: Path | None = None


class Embedded(Section):
    database: Path = Path("burnline.db")
    commit_every_s: Annotated[float, Field(gt=0)] = 1.0


class Config(Section):
    scopes: tuple[ScopeRule, ...] = DEFAULT_SCOPES
    owner_label: str = "team"
    owners: tuple[OwnerRule, ...] = ()
    budgets: tuple[Budget, ...] = ()
    prices: Prices = Prices()
    meter: Meter = Meter()
    burn: Burn = Burn()
    detectors: dict[str, dict[str, Any]] = {}
    alerts: Alerting = Alerting()
    notify: Notify = Notify()
    ingest: Http = Http(port=9106)
    serve: Http = Http(port=9107)
    metrics: Http = Http(port=9108)
    kafka: Kafka = Kafka()
    embedded: Embedded = Embedded()

    @model_validator(mode="after")
    def _scopes_are_known(self) -> "Config":
        names = [rule.name for rule in self.scopes]
        if "total" not in names:
            raise ValueError("scopes must contain one named 'total' with no labels")
        for rule in self.scopes:
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

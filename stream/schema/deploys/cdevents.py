"""CDEvents: the CloudEvents of delivery pipelines (Tekton, Jenkins, Spinnaker and others).

Read are `service.deployed`, `service.upgraded` and `service.rolledback`; of the others none is a deploy.
"""

from typing import Any, Final

import msgspec

from stream.schema.deploys.record import Deploy, made

PREFIX: Final = "dev.cdevents."
_VERBS: Final = {"deployed": "deploy", "upgraded": "deploy", "rolledback": "rollback"}


class _Environment(msgspec.Struct):
    id: str = ""


class _Content(msgspec.Struct, rename="camel"):
    artifact_id: str = ""
    environment: _Environment = msgspec.field(default_factory=_Environment)


class _Subject(msgspec.Struct):
    id: str
    content: _Content = msgspec.field(default_factory=_Content)


class _Data(msgspec.Struct):
    subject: _Subject


def read(document: Any, kind: str, timestamp_ms: int) -> list[Deploy]:
    """`kind` is such as `dev.cdevents.service.deployed.0.2.0`."""
    subject, _, verb = kind.removeprefix(PREFIX).partition(".")
    verb = verb.partition(".")[0]
    if subject != "service" or verb not in _VERBS:
        return []
    told = msgspec.convert(document, _Data).subject
    name = told.id.rpartition("/")[2]  # the specification's own is `service/myapp`
    labels = {"deployment": name, "environment": told.content.environment.id}
    artifact = told.content.artifact_id
    what = f"{name} {verb}" + (f": {artifact}" if artifact else "")
    return [made(what, labels, None, timestamp_ms, kind=_VERBS[verb])]

"""What a record on `deploys`, or a body that was posted, says: which shape it is, and what is in it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from stream.schema.deploys import argocd, cdevents, cloudevents, github, kubernetes
from stream.schema.deploys.record import Deploy, plain

# What reading JSON from outside may raise.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NOTHING: Final = (
    "no shape that burnline reads: send `what` and `labels`, a CloudEvent, or what Argo CD, GitHub or "
    "Kubernetes send (docs/formats.md#deploys)"
)


def decode(
    value: bytes,
    timestamp_ms: int,
    headers: Mapping[str, str] | None = None,
    workflows: Iterable[str] = ("*",),
) -> tuple[Deploy, ...]:
    """All deploys and scale events in it; none where it is about something else, such as a sender's test.

    `timestamp_ms` (the log's) stands in for a missing time. `headers` (names in small letters) tell of
    CloudEvents in binary mode and the kind of a GitHub event. `workflows` are shell patterns of the GitHub
    workflows that deploy. Raises one of `UNREADABLE` when it is none of the shapes.
    """
    headers = headers or {}
    document = msgspec.json.decode(value)
    binary = cloudevents.binary(headers, document)
    if binary is not None:
        return tuple(_event(binary, timestamp_ms, workflows))
    if not isinstance(document, list):
        return tuple(_one(document, timestamp_ms, headers, workflows))
    found: list[Deploy] = []
    for number, each in enumerate(document, 1):
        try:
            found += _one(each, timestamp_ms, headers, workflows)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"number {number} of {len(document)}: {error}") from None
    return tuple(found)


def _one(
    document: Any, timestamp_ms: int, headers: Mapping[str, str], workflows: Iterable[str]
) -> Iterable[Deploy]:
    if isinstance(document, dict) and "specversion" in document:
        return _event(cloudevents.structured(document), timestamp_ms, workflows)
    return _shape(document, timestamp_ms, headers.get(github.EVENT, ""), workflows)


def _event(event: cloudevents.Event, timestamp_ms: int, workflows: Iterable[str]) -> Iterable[Deploy]:
    """What a CloudEvent says. Its time and id count where its data has none."""
    if event.type.startswith(cdevents.PREFIX):
        found: Iterable[Deploy] = cdevents.read(event.data, event.type, event.moment_ms(timestamp_ms))
    else:
        kind = event.type.rpartition(".")[2] if ".github." in f".{event.type}" else ""
        found = _shape(event.data, event.moment_ms(timestamp_ms), kind, workflows)
    several = list(found)
    return [
        deploy
        if deploy.id
        else msgspec.structs.replace(deploy, id=f"{event.identity}{f'#{place}' if place else ''}")
        for place, deploy in enumerate(several)
    ]


def _shape(document: Any, timestamp_ms: int, github_event: str, workflows: Iterable[str]) -> Iterable[Deploy]:
    if not isinstance(document, dict):
        raise msgspec.ValidationError(_NOTHING)
    if github_event or github.fits(document):
        return github.read(document, github_event, timestamp_ms, workflows)
    if argocd.fits(document):
        return argocd.read(document, timestamp_ms)
    if kubernetes.fits(document):
        return kubernetes.read(document, timestamp_ms)
    if "what" in document or "labels" in document:
        return [plain(document, timestamp_ms)]
    raise msgspec.ValidationError(_NOTHING)

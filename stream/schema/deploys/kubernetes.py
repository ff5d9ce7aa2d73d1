"""Kubernetes objects: rollouts of Deployments, and Events about pods and nodes that are scaled.

Taken bare, in a list, or as a watch gives them (`{"type": "MODIFIED", "object": …}`). Events of `v1` and of
`events.k8s.io/v1` have the same under other names. What an Event says of other things is passed over.
"""

import datetime as dt
import re
from typing import Any, Final

import msgspec

from stream.schema.deploys import argocd
from stream.schema.deploys.record import Deploy, made

_REVISION: Final = "deployment.kubernetes.io/revision"
# The deployment controller's reasons (pkg/controller/deployment/util) while a rollout is under way.
_ROLLING: Final = frozenset({"NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"})
_COMPLETE: Final = "NewReplicaSetAvailable"
_FAILED: Final = "ProgressDeadlineExceeded"
# "from 3" since Kubernetes 1.27.
_REPLICA_SET: Final = re.compile(
    r"^Scaled (?:up|down) replica set (\S+) (?:from (\d+) to (\d+)|to (\d+)(?: from (\d+))?)$"
)
_RESCALE: Final = re.compile(r"^New size: (\d+)(?:; reason: (.*))?$", re.DOTALL)
_NODE_GROUP: Final = re.compile(r"setting group (\S+) size to (\d+) instead of (\d+)")
_TRIGGERED: Final = re.compile(r"(\S+) (\d+)->(\d+) \(max: \d+\)")


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] | None = None
    creation_timestamp: dt.datetime | None = None


class _Condition(msgspec.Struct, rename="camel"):
    type: str
    reason: str = ""
    last_update_time: dt.datetime | None = None


class _Container(msgspec.Struct):
    image: str = ""


class _PodSpec(msgspec.Struct):
    containers: list[_Container] = []


class _Template(msgspec.Struct):
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)


class _Spec(msgspec.Struct):
    template: _Template = msgspec.field(default_factory=_Template)


class _Status(msgspec.Struct):
    conditions: list[_Condition] | None = None


class _Deployment(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


class _About(msgspec.Struct):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class _Series(msgspec.Struct, rename="camel"):
    last_observed_time: dt.datetime | None = None


class _Event(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    reason: str
    involved_object: _About | None = None
    regarding: _About | None = None
    message: str = ""
    note: str = ""
    count: int | None = None
    first_timestamp: dt.datetime | None = None
    last_timestamp: dt.datetime | None = None
    event_time: dt.datetime | None = None
    deprecated_count: int | None = None
    deprecated_last_timestamp: dt.datetime | None = None
    series: _Series | None = None

    @property
    def about(self) -> _About:
        return self.involved_object or self.regarding or _About()

    @property
    def time(self) -> dt.datetime | None:
        """When it last happened; of the many times that an Event has, some are null."""
        seen = self.series.last_observed_time if self.series else None
        last = self.last_timestamp or self.deprecated_last_timestamp
        return seen or last or self.event_time or self.first_timestamp or self.metadata.creation_timestamp


def fits(document: dict[str, Any]) -> bool:
    watched = isinstance(document.get("object"), dict) and isinstance(document.get("type"), str)
    return watched or ("kind" in document and "apiVersion" in document) or "involvedObject" in document


def read(document: dict[str, Any], timestamp_ms: int) -> list[Deploy]:
    """Raises `msgspec.ValidationError` for a kind that says nothing of deploys or scale."""
    if "object" in document:
        if document["type"] in ("BOOKMARK", "DELETED"):
            return []
        document = document["object"]
    # What kubernetes-event-exporter sends is an Event without kind and version.
    kind = "Event" if "involvedObject" in document else document.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(document.get("items"), list):
        # Within a list, items carry neither kind nor version.
        each = {"kind": kind.removesuffix("List"), "apiVersion": document.get("apiVersion")}
        return [one for item in document["items"] for one in read(each | item, timestamp_ms)]
    if argocd.fits(document):
        return argocd.read(document, timestamp_ms)
    if kind == "Deployment":
        return _rollout(msgspec.convert(document, _Deployment), timestamp_ms)
    if kind == "Event":
        return _event(msgspec.convert(document, _Event), timestamp_ms)
    raise msgspec.ValidationError(
        f"a Kubernetes {kind}: send Deployments, Events or Argo CD Applications only"
    )


def _rollout(deployment: _Deployment, timestamp_ms: int) -> list[Deploy]:
    """The rollout that its condition Progressing tells of. Scaling alone leaves that as it was."""
    meta = deployment.metadata
    progress = next((one for one in deployment.status.conditions or () if one.type == "Progressing"), None)
    if progress is None or progress.reason not in _ROLLING | {_COMPLETE, _FAILED}:
        return []
    revision = (meta.annotations or {}).get(_REVISION, "")
    images = ", ".join(
        one.image.rpartition("/")[2].partition("@")[0]
        for one in deployment.spec.template.spec.containers
        if one.image
    )
    what = f"{meta.name} revision {revision}" + (f" ({images})" if images else "")
    return [
        made(
            f"{what}: rollout failed" if progress.reason == _FAILED else what,
            {"namespace": meta.namespace, "deployment": meta.name},
            progress.last_update_time,
            timestamp_ms,
            end=None if progress.reason in _ROLLING else progress.last_update_time,
            id=f"kubernetes/{meta.uid}/{revision}",
        )
    ]


def _event(event: _Event, timestamp_ms: int) -> list[Deploy]:
    scaled = _SCALED.get(event.reason)
    found = None if scaled is None else scaled(event, (event.message or event.note).strip())
    if found is None:
        return []
    what, labels, before, after = found
    count = event.count or event.deprecated_count or 1
    again = f"/{count}" if count > 1 else ""
    return [
        made(
            what,
            labels,
            event.time,
            timestamp_ms,
            kind="scale",
            id=f"kubernetes/{event.metadata.uid or event.metadata.name}{again}",
            count_before=before,
            count_after=after,
        )
    ]


_Found = tuple[str, dict[str, str], int | None, int | None]


def _replica_set(event: _Event, message: str) -> _Found | None:
    """`Scaled up replica set checkout-7f9c to 40 from 3`. Those of a set that is new or gone are steps of a
    rollout, which the Deployment tells of: they are passed over."""
    told = _REPLICA_SET.match(message)
    if told is None:
        return None
    before, after = told[2] or told[5], int(told[3] or told[4])
    if before == "0" or after == 0:
        return None
    name = event.about.name
    return f"{name} scaled", _of(event), None if before is None else int(before), after


def _rescaled(event: _Event, message: str) -> _Found | None:
    """`New size: 40; reason: cpu resource utilization (percentage of request) above target`."""
    told = _RESCALE.match(message)
    if told is None:
        return None
    why = f" by the autoscaler: {told[2]}" if told[2] else " by the autoscaler"
    return f"{event.about.name} scaled{why}", _of(event), None, int(told[1])


def _node_group(event: _Event, message: str) -> _Found | None:
    """`Scale-up: setting group pool-1 size to 10 instead of 3 (max: 100)`, of the cluster autoscaler."""
    told = _NODE_GROUP.search(message)
    return None if told is None else (f"node group {told[1]} scaled", {}, int(told[3]), int(told[2]))


def _triggered(event: _Event, message: str) -> _Found | None:
    """`pod triggered scale-up: [{pool-1 3->10 (max: 100)}]`, of the cluster autoscaler on a pod."""
    told = _TRIGGERED.search(message.replace("{", " "))
    if told is None:
        return None
    return f"node group {told[1]} scaled", {}, int(told[2]), int(told[3])


def _of(event: _Event) -> dict[str, str]:
    return {"namespace": event.about.namespace or event.metadata.namespace, "deployment": event.about.name}


_SCALED: Final = {
    "ScalingReplicaSet": _replica_set,
    "SuccessfulRescale": _rescaled,
    "ScaledUpGroup": _node_group,
    "TriggeredScaleUp": _triggered,
}

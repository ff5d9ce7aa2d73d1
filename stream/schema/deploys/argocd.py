"""An Argo CD Application, as a notification template or a watch of the cluster sends it.

{{toJson .app}}                                   the Application alone
{"app": {{toJson .app}}, "context": {{toJson .context}}}   with the address of Argo CD, for the link
"""

import datetime as dt
from typing import Any, Final

import msgspec

from stream.schema.deploys.record import Deploy, made

# What pays for pods; Rollout is Argo's own.
_WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout", "CronJob", "Job"})


class _Resource(msgspec.Struct):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class _Result(msgspec.Struct, rename="camel"):
    revision: str = ""
    revisions: list[str] = []
    resources: list[_Resource] | None = None


class _Operation(msgspec.Struct, rename="camel"):
    phase: str
    started_at: dt.datetime
    finished_at: dt.datetime | None = None
    message: str = ""
    sync_result: _Result | None = None


class _Summary(msgspec.Struct):
    images: list[str] | None = None


class _Status(msgspec.Struct, rename="camel"):
    operation_state: _Operation | None = None
    summary: _Summary = msgspec.field(default_factory=_Summary)


class _Destination(msgspec.Struct):
    namespace: str = ""
    name: str = ""
    server: str = ""


class _Spec(msgspec.Struct):
    project: str = ""
    destination: _Destination = msgspec.field(default_factory=_Destination)


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Application(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


def fits(document: dict[str, Any]) -> bool:
    """Whether it is one. A manifest that a template wrote has kind and version, `.app` has them too."""
    application = document.get("app")
    return _is_application(document) or (isinstance(application, dict) and _is_application(application))


def _is_application(document: dict[str, Any]) -> bool:
    return document.get("kind") == "Application" and str(document.get("apiVersion", "")).startswith(
        "argoproj.io/"
    )


def read(document: dict[str, Any], timestamp_ms: int) -> list[Deploy]:
    """Its last sync; nothing of an application that has never been synced."""
    context = document.get("context")
    application = msgspec.convert(document.get("app", document), _Application)
    operation = application.status.operation_state
    if operation is None:
        return []
    name, where = application.metadata.name, application.spec.destination
    result = operation.sync_result or _Result()
    revision = " and ".join(one[:7] for one in (result.revisions or [result.revision]) if one)
    images = ", ".join(
        image.rpartition("/")[2].partition("@")[0] for image in application.status.summary.images or ()
    )
    what = f"{name}" + (f" {revision}" if revision else "") + (f" ({images})" if images else "")
    if operation.phase in ("Failed", "Error"):
        what = f"{what}: sync {operation.phase.lower()}"
    base = context.get("argocdUrl") if isinstance(context, dict) else None
    return [
        made(
            what,
            {
                "namespace": where.namespace,
                "deployment": _workload(name, result.resources),
                "cluster": where.name,
                "project": application.spec.project,
                "application": name,
            },
            operation.started_at,
            timestamp_ms,
            end=operation.finished_at,
            url=f"{base}/applications/{application.metadata.namespace}/{name}"
            if isinstance(base, str)
            else "",
            id=f"argocd/{application.metadata.namespace}/{name}/{operation.started_at.isoformat()}",
        )
    ]


def _workload(application: str, resources: list[_Resource] | None) -> str:
    """The one workload that was synced; none of several; the application where that is not known."""
    names = {one.name for one in resources or () if one.kind in _WORKLOADS}
    if not names:
        return application
    return names.pop() if len(names) == 1 else ""

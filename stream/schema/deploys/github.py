"""GitHub's webhooks `deployment`, `deployment_status`, `workflow_run` and `release`.

The events of one deployment, and of the workflow run that makes it, have one id: it begins with the first and
ends with the last. Labels are `repository` and `environment`, and those of `labels` in the deployment's own
`payload`, which win.
"""

import datetime as dt
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from stream.schema.deploys.record import Deploy, made

EVENT: Final = "x-github-event"
_KNOWN: Final = ("deployment_status", "deployment", "workflow_run", "release")  # the first that it has, it is
_FAILED: Final = frozenset({"failure", "error", "cancelled", "timed_out", "startup_failure"})
_RUNNING: Final = frozenset({"in_progress", "success"}) | _FAILED


class _Repository(msgspec.Struct):
    full_name: str
    html_url: str = ""


class _Deployment(msgspec.Struct):
    id: int
    created_at: dt.datetime
    sha: str = ""
    ref: str = ""
    environment: str = ""
    description: str | None = None
    payload: Any = None


class _Status(msgspec.Struct):
    state: str
    created_at: dt.datetime
    log_url: str | None = None
    target_url: str | None = None
    environment_url: str | None = None


class _Run(msgspec.Struct):
    id: int
    name: str | None = None
    path: str = ""
    display_title: str = ""
    head_branch: str | None = None
    head_sha: str = ""
    html_url: str = ""
    conclusion: str | None = None
    run_attempt: int = 1
    created_at: dt.datetime | None = None
    run_started_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None


class _Release(msgspec.Struct):
    id: int
    tag_name: str
    html_url: str = ""
    name: str | None = None
    draft: bool = False
    created_at: dt.datetime | None = None
    published_at: dt.datetime | None = None


class _Event(msgspec.Struct):
    repository: _Repository
    action: str = ""
    deployment: _Deployment | None = None
    deployment_status: _Status | None = None
    workflow_run: _Run | None = None
    release: _Release | None = None


def fits(document: dict[str, Any]) -> bool:
    """Whether it is one, where no header says so."""
    return "repository" in document and any(isinstance(document.get(name), dict) for name in _KNOWN)


def read(document: dict[str, Any], event: str, timestamp_ms: int, workflows: Iterable[str]) -> list[Deploy]:
    """`event` is that of the header, "" where it is not known. Events of other kinds say nothing."""
    if event and event not in _KNOWN:
        return []
    told = msgspec.convert(document, _Event)
    kind = event or next(name for name in _KNOWN if getattr(told, name) is not None)
    if getattr(told, kind) is None:
        raise msgspec.ValidationError(f"Object missing required field `{kind}`")
    if kind == "release":
        return _release(told, timestamp_ms)
    if kind == "workflow_run":
        return _run(told, timestamp_ms, workflows)
    return _deployment(told, timestamp_ms)


def _deployment(told: _Event, timestamp_ms: int) -> list[Deploy]:
    deployment, status = told.deployment, told.deployment_status
    if deployment is None:
        raise msgspec.ValidationError("Object missing required field `deployment`")
    if status is not None and status.state not in _RUNNING:  # queued, pending, waiting, inactive
        return []
    repository, run = told.repository, told.workflow_run
    id = f"run/{run.id}/{run.run_attempt}" if run is not None else f"deployment/{deployment.id}"
    labels = {"repository": repository.full_name, "environment": deployment.environment}
    where = f" to {deployment.environment}" if deployment.environment else ""
    failed = f" ({status.state})" if status is not None and status.state in _FAILED else ""
    about = f": {deployment.description}" if deployment.description else ""
    revision = _revision(deployment.ref, deployment.sha)
    url = f"{repository.html_url}/deployments" if repository.html_url else ""
    if status is not None:
        url = status.log_url or status.target_url or status.environment_url or url
    return [
        made(
            f"{repository.full_name} {revision}{where}{failed}{about}",
            labels | _given(deployment.payload),
            deployment.created_at,
            timestamp_ms,
            end=None if status is None or status.state == "in_progress" else status.created_at,
            url=url,
            id=f"github/{repository.full_name}/{id}",
        )
    ]


def _run(told: _Event, timestamp_ms: int, workflows: Iterable[str]) -> list[Deploy]:
    run = told.workflow_run
    assert run is not None
    names = ((run.name or "").lower(), run.path.rpartition("/")[2].partition("@")[0].lower())
    deploys = any(fnmatchcase(name, pattern.lower()) for name in names for pattern in workflows)
    done = told.action == "completed"
    if not deploys or told.action == "requested" or run.conclusion == "skipped":
        return []
    repository = told.repository
    failed = f" ({run.conclusion})" if run.conclusion in _FAILED else ""
    title = f": {run.display_title}" if run.display_title else ""
    revision = _revision(run.head_branch or "", run.head_sha)
    return [
        made(
            f"{repository.full_name} {revision} by {run.name or names[1]}{failed}{title}",
            {"repository": repository.full_name},
            run.run_started_at or run.created_at,
            timestamp_ms,
            end=run.updated_at if done else None,
            url=run.html_url,
            id=f"github/{repository.full_name}/run/{run.id}/{run.run_attempt}",
        )
    ]


def _release(told: _Event, timestamp_ms: int) -> list[Deploy]:
    release = told.release
    assert release is not None
    if told.action not in ("published", "") or release.draft:  # what else is done to one deploys nothing
        return []
    repository = told.repository
    name = f": {release.name}" if release.name and release.name != release.tag_name else ""
    return [
        made(
            f"{repository.full_name} release {release.tag_name}{name}",
            {"repository": repository.full_name},
            release.published_at or release.created_at,
            timestamp_ms,
            url=release.html_url,
            id=f"github/{repository.full_name}/release/{release.id}",
        )
    ]


def _revision(ref: str, sha: str) -> str:
    short = sha[:7]
    return f"{ref}@{short}" if ref and short and not sha.startswith(ref) else ref or short


def _given(payload: Any) -> dict[str, str]:
    """Labels that whoever deploys has put into the deployment. The API lets it be text as well."""
    if isinstance(payload, str):
        try:
            payload = msgspec.json.decode(payload) if payload else None
        except msgspec.MsgspecError:
            return {}
    labels = payload.get("labels") if isinstance(payload, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {name: value for name, value in labels.items() if isinstance(value, str)}

"""What each tool sends is read as what it means. Payloads are whole, with the fields that the tools publish:

- GitHub: docs.github.com, "Webhook events and payloads", and the schemas of octokit/webhooks
- Argo CD: the Application of argoproj.io/v1alpha1, pkg/apis/application/v1alpha1/types.go
- Kubernetes: apps/v1 Deployment, v1 and events.k8s.io/v1 Event; messages are those of pkg/controller
  (deployment/sync.go, podautoscaler/horizontal.go) and of the cluster autoscaler
- CDEvents: cdevents/spec, continuous-deployment.md
"""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.schema.deploys import UNREADABLE, Deploy, decode, encode

FOLDER = Path(__file__).parent / "deploys"
NOW_MS = 1_795_529_400_000  # 2026-11-24T14:10:00Z
SHOP = {"namespace": "shop", "deployment": "checkout"}
RUN = "https://github.com/acme/checkout/actions/runs/6120001"
GITHUB = {"repository": "acme/checkout"}
REASON = "cpu resource utilization (percentage of request) above target"
WORKFLOWS = ("*deploy*", "*release*")


def payload(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def read(document: Any, **headers: str) -> tuple[Deploy, ...]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return decode(json.dumps(document).encode(), NOW_MS, named, WORKFLOWS)


def at(clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return 1_795_478_400 + hours * 3600 + minutes * 60 + seconds  # 24 November 2026


MEANT = {
    "github_deployment": Deploy(
        time_s=at("14:02:10"),
        kind="deploy",
        what="acme/checkout main@9f3c2ab to production",
        labels={**GITHUB, "environment": "production"},
        url="https://github.com/acme/checkout/deployments",
        id="github/acme/checkout/deployment/914",
    ),
    "github_deployment_status": Deploy(
        time_s=at("14:02:10"),
        end_s=at("14:05:31"),
        kind="deploy",
        what="acme/checkout main@9f3c2ab to production",
        labels={**GITHUB, "environment": "production"},
        url=f"{RUN}/job/1",
        id="github/acme/checkout/run/6120001/1",
    ),
    "github_workflow_run": Deploy(
        time_s=at("14:01:40"),
        end_s=at("14:05:31"),
        kind="deploy",
        what="acme/checkout main@9f3c2ab by Deploy to production: Switch the price cache off",
        labels=GITHUB,
        url=RUN,
        id="github/acme/checkout/run/6120001/1",
    ),
    "github_release": Deploy(
        time_s=at("14:00:12"),
        kind="deploy",
        what="acme/checkout release v2.14.1: 2.14.1: no price cache",
        labels=GITHUB,
        url="https://github.com/acme/checkout/releases/tag/v2.14.1",
        id="github/acme/checkout/release/3301",
    ),
    "argocd_application": Deploy(
        time_s=at("14:02:58"),
        end_s=at("14:03:02"),
        kind="deploy",
        what="checkout 9f3c2ab (checkout:2.14.1)",
        labels={**SHOP, "cluster": "eu-1", "project": "shop", "application": "checkout"},
        id="argocd/argocd/checkout/2026-11-24T14:02:58+00:00",
    ),
    "kubernetes_rollout": Deploy(
        time_s=at("14:03:01"),
        kind="deploy",
        what="checkout revision 207 (checkout:2.14.1)",
        labels=SHOP,
        id="kubernetes/5b0e2a44-6d0c-4f0e-8d57-1f0c8a3e9b21/207",
    ),
    "kubernetes_scaling": Deploy(
        time_s=at("14:41:07"),
        kind="scale",
        what="checkout scaled",
        labels=SHOP,
        id="kubernetes/9a3f9f2c-58f1-4a36-8b3b-2c9c7a0f4411",
        count_before=3,
        count_after=40,
    ),
    "kubernetes_rescale": Deploy(
        time_s=at("14:41:06"),
        kind="scale",
        what=f"checkout scaled by the autoscaler: {REASON}",
        labels=SHOP,
        id="kubernetes/1c7e8e0a-1a4e-4a6c-bb4e-0f4a6d1f2a90",
        count_after=40,
    ),
    "kubernetes_node_group": Deploy(
        time_s=at("14:41:40"),
        kind="scale",
        what="node group eu-1-general scaled",
        labels={},
        id="kubernetes/b2a7d8a1-0b0d-4e0f-9f5a-2d5e1f0a6c33",
        count_before=4,
        count_after=12,
    ),
    "cdevents_deployed": Deploy(
        time_s=at("14:05:31"),
        kind="deploy",
        what="checkout deployed: pkg:oci/checkout@sha256%3A4f1e?repository_url=ghcr.io%2Facme",
        labels={"deployment": "checkout", "environment": "production"},
        id="/pipelines/acme/checkout 271069a8-fc18-44f1-b38f-9d70a1695819",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANT)
def test_each_shape_is_read_as_what_it_means(name: str) -> None:
    assert read(payload(name)) == (MEANT[name],)


@pytest.mark.parametrize("name", MEANT)
def test_what_was_read_is_the_same_in_its_plain_form(name: str) -> None:
    assert decode(encode(MEANT[name]), 0) == (MEANT[name],)


@pytest.mark.parametrize("name", [name for name in MEANT if name.startswith("github")])
def test_the_header_says_the_same_as_the_payload(name: str) -> None:
    assert read(payload(name), x_github_event=name.removeprefix("github_")) == (MEANT[name],)


def test_a_ping_and_other_events_of_github_say_nothing() -> None:
    assert read(payload("github_ping"), x_github_event="ping") == ()
    assert (
        read({"issue": {}, "repository": payload("github_ping")["repository"]}, x_github_event="issues") == ()
    )


@pytest.mark.parametrize("state", ["queued", "pending", "waiting", "inactive"])
def test_a_deployment_that_does_not_run_says_nothing(state: str) -> None:
    document = payload("github_deployment_status")
    document["deployment_status"]["state"] = state
    assert read(document) == ()


def test_a_deployment_that_fails_has_touched_things_all_the_same() -> None:
    document = payload("github_deployment_status")
    document["deployment_status"]["state"] = "failure"
    [deploy] = read(document)
    assert deploy.what == "acme/checkout main@9f3c2ab to production (failure)"


@pytest.mark.parametrize("packed", [False, True])
def test_labels_in_the_deployment_of_github(packed: bool) -> None:
    document = payload("github_deployment")
    own: Any = {"labels": {"namespace": "shop", "service": "checkout", "environment": "eu"}, "ticket": 7}
    document["deployment"]["payload"] = json.dumps(own) if packed else own
    assert read(document)[0].labels == {**GITHUB, **own["labels"]}


def test_a_workflow_that_only_tests_is_no_deploy() -> None:
    document = payload("github_workflow_run")
    document["workflow_run"] |= {"name": "Tests", "path": ".github/workflows/test.yml"}
    assert read(document) == ()
    document["workflow_run"]["path"] = ".github/workflows/deploy-eu.yml@main"
    assert len(read(document)) == 1
    assert read({**payload("github_workflow_run"), "action": "requested"}) == ()


def test_an_application_with_several_workloads_names_none() -> None:
    document = payload("argocd_application")
    resources = document["status"]["operationState"]["syncResult"]["resources"]
    resources.append({**resources[1], "kind": "StatefulSet", "name": "ledger"})
    assert "deployment" not in read(document)[0].labels


def test_an_application_in_a_notification_has_a_link() -> None:
    document = {"app": payload("argocd_application"), "context": {"argocdUrl": "https://cd.acme.example"}}
    [deploy] = read(document)
    assert deploy == msgspec.structs.replace(
        MEANT["argocd_application"], url="https://cd.acme.example/applications/argocd/checkout"
    )


def test_an_application_that_was_never_synced_says_nothing() -> None:
    document = payload("argocd_application")
    del document["status"]["operationState"]
    assert read(document) == ()


def test_a_rollout_ends_and_scaling_alone_is_none() -> None:
    document = payload("kubernetes_rollout")
    progressing = document["object"]["status"]["conditions"][1]
    progressing |= {"reason": "NewReplicaSetAvailable", "lastUpdateTime": "2026-11-24T14:05:00Z"}
    [deploy] = read(document)
    assert (deploy.end_s, deploy.id) == (at("14:05:00"), MEANT["kubernetes_rollout"].id)
    del document["object"]["status"]["conditions"]
    assert read(document) == ()


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        ("Scaled up replica set checkout-7f9c6d5b84 from 3 to 40", (3, 40)),
        ("Scaled down replica set checkout-7f9c6d5b84 from 40 to 3", (40, 3)),
        ("Scaled up replica set checkout-7f9c6d5b84 to 40", (None, 40)),
        ("Scaled up replica set checkout-7f9c6d5b84 from 0 to 1", None),
        ("Scaled down replica set checkout-6b5d4c7f58 to 0", None),
        ("Scaled sideways", None),
    ],
)
def test_replica_sets_of_all_versions(message: str, counts: tuple[int | None, int] | None) -> None:
    document = payload("kubernetes_scaling")
    document["object"]["message"] = message
    assert [(one.count_before, one.count_after) for one in read(document)] == ([counts] if counts else [])


def test_a_pod_that_needs_nodes() -> None:
    document = payload("kubernetes_scaling")["object"]
    document |= {
        "reason": "TriggeredScaleUp",
        "message": "pod triggered scale-up: [{eu-1-general 4->12 (max: 100)}]",
    }
    [told] = read(document)
    assert (told.what, told.count_before, told.count_after) == ("node group eu-1-general scaled", 4, 12)


def test_other_events_bookmarks_and_lists() -> None:
    event = payload("kubernetes_scaling")["object"]
    other = {**event, "reason": "BackOff", "message": "Back-off restarting failed container"}
    assert read(other) == ()
    assert read({"type": "BOOKMARK", "object": {"kind": "Event", "apiVersion": "v1"}}) == ()
    bare = {name: value for name, value in event.items() if name not in ("kind", "apiVersion")}
    listed = {"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": [bare, other]}
    assert read(listed) == (MEANT["kubernetes_scaling"],)


def test_an_event_of_the_exporter_has_no_kind() -> None:
    event = payload("kubernetes_scaling")["object"]
    bare = {name: value for name, value in event.items() if name not in ("kind", "apiVersion")}
    about = {**event["involvedObject"], "labels": {"app": "checkout"}, "annotations": {}}
    assert read({**bare, "clusterName": "eu-1", "involvedObject": about}) == (MEANT["kubernetes_scaling"],)


PLAIN = {"what": "checkout 2.14.1", "labels": {"service": "checkout"}}
EVENT = {"specversion": "1.0", "id": "1", "source": "/ci", "type": "deploy", "time": "2026-11-24T14:02:00Z"}


def test_a_cloud_event_of_any_mode() -> None:
    meant = Deploy(time_s=at("14:02:00"), kind="deploy", **PLAIN, id="/ci 1")  # type: ignore[arg-type]
    assert read({**EVENT, "data": PLAIN}) == (meant,)
    assert read([{**EVENT, "data": PLAIN}, {**EVENT, "id": "2", "data": PLAIN}]) == (
        meant,
        msgspec.structs.replace(meant, id="/ci 2"),
    )
    packed = base64.b64encode(json.dumps(PLAIN).encode()).decode()
    assert read({**EVENT, "data_base64": packed}) == (meant,)
    assert read({**EVENT, "data": json.dumps(PLAIN)}) == (meant,)
    for prefix in ("ce-", "ce_"):
        headers = {f"{prefix}{name}": value for name, value in EVENT.items()}
        assert decode(json.dumps(PLAIN).encode(), NOW_MS, headers) == (meant,)


def test_a_cloud_event_around_what_other_tools_send() -> None:
    data = payload("kubernetes_scaling")["object"]
    assert read({**EVENT, "type": "dev.knative.apiserver.resource.add", "data": data}) == (
        MEANT["kubernetes_scaling"],
    )
    github = {**EVENT, "type": "dev.knative.source.github.deployment", "data": payload("github_deployment")}
    assert read(github) == (MEANT["github_deployment"],)


def test_its_time_is_that_of_the_log_where_none_is_given() -> None:
    assert read(PLAIN)[0].time_s == NOW_MS // 1000
    assert read({**PLAIN, "time": 1_795_478_400_999, "end": "2026-11-24T00:01:00"})[0] == Deploy(
        time_s=at("0:0:0"),
        end_s=at("0:1:0"),
        kind="deploy",
        **PLAIN,  # type: ignore[arg-type]
    )


def without(document: Any, *path: str) -> Any:
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return document


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"hello": "world"}, "no shape that burnline reads: send `what` and `labels`, a CloudEvent, or"),
        ("deployed", "no shape that burnline reads"),
        ({"what": "v2"}, "Object missing required field `labels`"),
        ({"what": "v2", "labels": {"service": 7}}, r"Expected `str`, got `int` - at `\$.labels"),
        ({**PLAIN, "what": ""}, "length >= 1"),
        ({**PLAIN, "time": "yesterday"}, "Invalid RFC3339|Expected"),
        ({**PLAIN, "time": 1_795_529_400_000_000}, "Timestamp is out of range"),
        ({**PLAIN, "labels": {f"a{n}": "" for n in range(65)}}, "length <= 64"),
        ([PLAIN, {"what": 1, "labels": {}}], "number 2 of 2: Expected `str`, got `int`"),
        ({**EVENT, "specversion": "0.3", "data": PLAIN}, "version 0.3: send specversion 1.0"),
        (without({**EVENT, "data": PLAIN}, "source"), "Object missing required field `source`"),
        ({**EVENT, "data": "no JSON"}, r"text that is no JSON - at `\$.data`"),
        ({**EVENT, "data_base64": "!"}, "data_base64 holds no JSON"),
        (EVENT, "no shape that burnline reads"),
        (without(payload("github_deployment"), "deployment", "id"), r"field `id` - at `\$.deployment`"),
        (without(payload("github_workflow_run"), "repository", "full_name"), "field `full_name`"),
        (without(payload("argocd_application"), "status", "operationState", "phase"), "field `phase` - at"),
        ({"kind": "Pod", "apiVersion": "v1"}, "a Kubernetes Pod: send Deployments, Events or"),
        (without(payload("kubernetes_scaling"), "object", "reason"), "field `reason`"),
        (without(payload("cdevents_deployed"), "data", "subject"), "field `subject`"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_none_of_them_is_refused_with_a_sentence(document: Any, sentence: str) -> None:
    with pytest.raises(UNREADABLE, match=sentence) as raised:
        read(document)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", [*MEANT, "github_ping"])
def test_nothing_that_is_cut_or_bent_is_more_than_unreadable(name: str) -> None:
    """Each field in turn is left out, and is of another type."""
    whole = payload(name)
    for bent in bend(whole):
        try:
            read(bent)
        except UNREADABLE as error:
            assert "\n" not in str(error)


def bend(document: Any) -> Any:
    for name in list(document):
        for value in (None, 7, "text", [], {}, [None], {"a": None}):
            yield {**document, name: value}
        yield {key: value for key, value in document.items() if key != name}
        if isinstance(document[name], dict):
            for inner in bend(document[name]):
                yield {**document, name: inner}

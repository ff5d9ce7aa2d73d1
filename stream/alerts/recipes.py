"""How spending is contained, by what leads it: commands of the tools that people have at hand.

An argument with `{label}` in it is filled in by `stream.alerts.contain`; one that begins with `?` is left out
where nobody has named that label. A value always stands behind `--option=` or a prefix, so that one that
begins with a dash is no option. `{count}` is `alerts.contain_count`.
"""

from dataclasses import dataclass
from typing import Final

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """`run`, `undo` and `before` are commands; several of `run` are joined by pipes.

    `<before>` in `undo` is what `before` shows. `needs_blame`: only where a deploy is to blame.
    """

    id: str
    what: str
    run: tuple[Words, ...]
    undo: Words
    before: Words = ()
    needs_blame: bool = False


# The names under which labels go about, the most exact first.
ALIASES: Final[dict[str, Words]] = {
    "cluster": ("cluster", "kube_context", "k8s.cluster.name"),
    "namespace": ("namespace", "k8s.namespace.name"),
    "workload": ("workload", "deployment", "k8s.deployment.name", "service", "app"),
    "region": ("region", "cloud.region"),
    "function": ("function", "faas.name", "function_name", "service"),
    "bucket": ("bucket", "aws.s3.bucket"),
    "security_group": ("security_group",),
    "node_group": ("node_group", "autoscaling_group", "eks:nodegroup-name"),
    "repo": ("repo", "repository"),
    "workflow": ("workflow",),
}

_KUBECTL: Final = ("kubectl", "?--context={cluster}", "--namespace={namespace}")
_LAMBDA: Final = ("--function-name={function}", "?--region={region}")
_BUCKET: Final = ("--bucket={bucket}", "?--region={region}")
_GROUP: Final = (
    "--group-id={security_group}",
    "--ip-permissions=IpProtocol=-1,IpRanges=[{CidrIp=0.0.0.0/0}]",
    "?--region={region}",
)
_NODES: Final = ("--auto-scaling-group-name={node_group}", "?--region={region}")
_PUBLIC: Final = (
    "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
)
_NO_EGRESS: Final = (
    '{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"burnline-no-egress"},'
    '"spec":{"podSelector":{},"policyTypes":["Egress"]}}'
)

_ROLL_BACK: Final = Recipe(
    "roll-back",
    "take back the last deploy of {workload}",
    run=((*_KUBECTL, "rollout", "undo", "deployment/{workload}"),),
    undo=(*_KUBECTL, "rollout", "undo", "deployment/{workload}", "--to-revision=<before>"),
    before=(*_KUBECTL, "rollout", "history", "deployment/{workload}"),
    needs_blame=True,
)
_CAP: Final = Recipe(
    "cap-autoscaler",
    "let the autoscaler of {workload} go up to {count} pods only",
    run=((*_KUBECTL, "patch", "hpa/{workload}", '--patch={"spec":{"maxReplicas":{count}}}'),),
    undo=(*_KUBECTL, "patch", "hpa/{workload}", '--patch={"spec":{"maxReplicas":<before>}}'),
    before=(*_KUBECTL, "get", "hpa/{workload}"),
)
_SCALE: Final = Recipe(
    "scale-workload",
    "run {workload} with {count} pods (without an autoscaler)",
    run=((*_KUBECTL, "scale", "deployment/{workload}", "--replicas={count}"),),
    undo=(*_KUBECTL, "scale", "deployment/{workload}", "--replicas=<before>"),
    before=(*_KUBECTL, "get", "deployment/{workload}"),
)
_STOP_FUNCTION: Final = Recipe(
    "stop-function",
    "stop the function {function}: not one call more",
    run=(("aws", "lambda", "put-function-concurrency", *_LAMBDA, "--reserved-concurrent-executions=0"),),
    undo=("aws", "lambda", "delete-function-concurrency", *_LAMBDA),
    before=("aws", "lambda", "get-function-concurrency", *_LAMBDA),
)
_CLOSE_BUCKET: Final = Recipe(
    "close-bucket",
    "close the bucket {bucket} to the public",
    run=(("aws", "s3api", "put-public-access-block", *_BUCKET,
          f"--public-access-block-configuration={_PUBLIC}"),),
    undo=("aws", "s3api", "delete-public-access-block", *_BUCKET),
    before=("aws", "s3api", "get-public-access-block", *_BUCKET),
)  # fmt: skip
_DENY_READS: Final = Recipe(
    "deny-bucket-reads",
    "let nobody read from the bucket {bucket}; it replaces its policy, so keep what it has",
    run=(("aws", "s3api", "put-bucket-policy", *_BUCKET, "--policy={bucket_policy}"),),
    undo=("aws", "s3api", "put-bucket-policy", *_BUCKET, "--policy=<before>"),
    before=("aws", "s3api", "get-bucket-policy", *_BUCKET, "--query=Policy", "--output=text"),
)
_CLOSE_GROUP: Final = Recipe(
    "close-security-group",
    "let nothing out of the security group {security_group}",
    run=(("aws", "ec2", "revoke-security-group-egress", *_GROUP),),
    undo=("aws", "ec2", "authorize-security-group-egress", *_GROUP),
    before=("aws", "ec2", "describe-security-groups", "--group-ids={security_group}", "?--region={region}"),
)
_NO_EGRESS_STEP: Final = Recipe(
    "deny-egress",
    "let no pod of the namespace {namespace} send anything out",
    run=(("printf", "%s", _NO_EGRESS), (*_KUBECTL, "apply", "--filename=-")),
    undo=(*_KUBECTL, "delete", "networkpolicy/burnline-no-egress"),
)
_CAP_NODES: Final = Recipe(
    "cap-nodes",
    "run {node_group} with {count} machines at most",
    run=(("aws", "autoscaling", "update-auto-scaling-group", *_NODES, "--max-size={count}",
          "--desired-capacity={count}"),),
    undo=("aws", "autoscaling", "update-auto-scaling-group", *_NODES, "--max-size=<before>",
          "--desired-capacity=<before>"),
    before=("aws", "autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names={node_group}",
            "?--region={region}", "--query=AutoScalingGroups[].[MaxSize,DesiredCapacity]", "--output=text"),
)  # fmt: skip
_QUIET_LOGS: Final = Recipe(
    "quiet-logs",
    "let {workload} log warnings only (where it reads LOG_LEVEL)",
    run=((*_KUBECTL, "set", "env", "deployment/{workload}", "LOG_LEVEL=warn"),),
    undo=(*_KUBECTL, "set", "env", "deployment/{workload}", "LOG_LEVEL-"),
    before=(*_KUBECTL, "set", "env", "deployment/{workload}", "--list"),
)
_CANCEL_RUNS: Final = Recipe(
    "cancel-runs",
    "cancel the builds of {repo} that run now",
    run=(("gh", "run", "list", "--repo={repo}", "--status=in_progress", "--limit=200", "--json=databaseId",
          "--jq=.[].databaseId"),
         ("xargs", "-r", "-n", "1", "gh", "run", "cancel", "--repo={repo}")),
    undo=("gh", "run", "rerun", "--repo={repo}", "<before>"),
    before=("gh", "run", "list", "--repo={repo}", "--status=in_progress"),
)  # fmt: skip
_DISABLE_WORKFLOW: Final = Recipe(
    "disable-workflow",
    "start no more builds of the workflow {workflow}",
    run=(("gh", "workflow", "disable", "--repo={repo}", "--", "{workflow}"),),
    undo=("gh", "workflow", "enable", "--repo={repo}", "--", "{workflow}"),
)

PODS: Final = (_ROLL_BACK, _CAP, _SCALE)
FUNCTIONS: Final = (_STOP_FUNCTION,)
EGRESS: Final = (_CLOSE_BUCKET, _DENY_READS, _CLOSE_GROUP, _NO_EGRESS_STEP)
NODES: Final = (_CAP_NODES,)
LOGS: Final = (_QUIET_LOGS, *PODS)
CI: Final = (_CANCEL_RUNS, _DISABLE_WORKFLOW)

BY_DRIVER: Final[dict[str, tuple[Recipe, ...]]] = {
    "invocations": FUNCTIONS,
    "requests": FUNCTIONS,
    "gb_seconds": FUNCTIONS,
    "egress_bytes": EGRESS,
    "nat_bytes": EGRESS,
    "node_hours": NODES,
    "log_bytes": LOGS,
    "ci_minutes": CI,
}
"""Drivers that are not here (pods, cores, tokens) are contained where they are used: by fewer pods."""

ALL: Final = (*LOGS, *FUNCTIONS, *EGRESS, *NODES, *CI)

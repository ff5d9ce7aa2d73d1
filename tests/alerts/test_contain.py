"""Commands for the labels at hand: what they say, that bash takes them, and what they run, for real."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detectors.registry import BUILT_IN
from stream.alerts import contain, recipes
from stream.alerts.contain import Containment
from stream.config import Config
from stream.notify.facts import facts
from stream.notify.words import line
from stream.schema.actions import Step
from stream.schema.alerts import Alert, Blame, State
from tests.alerts.estate import Estate, signal
from tests.notify.pages import RUNAWAY, alert, share

SHOP = {"namespace": "shop", "service": "checkout"}
EVERYTHING = {
    "cluster": "eu-1", "namespace": "shop", "workload": "checkout", "region": "eu-west-1",
    "function": "resize", "bucket": "invoices", "security_group": "sg-0abc", "node_group": "spot",
    "repo": "acme/shop", "workflow": "ci.yml",
}  # fmt: skip
DRIVERS = (
    "pod_hours",
    "invocations",
    "egress_bytes",
    "node_hours",
    "log_bytes",
    "ci_minutes",
    "llm_input_tokens",
)
HOSTILE = "$(touch owned); `id` 'x' \"y\" | tee owned > owned && $HOME \\ \N{SNOWMAN} --all"


def steps(driver: str, labels: dict[str, str], kind: str = "step", **config: Any) -> tuple[Step, ...]:
    about = alert(labels=labels, drivers=(share(driver, 5, 4), share("other", 9, 1)), detectors=(kind,))
    return Containment(Config.model_validate(config)).told(about).steps


def commands(step: Step) -> Iterator[str]:
    yield from filter(None, (step.before, step.run, step.undo))


class Shell:
    """bash with tools that do nothing but write down what they were called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.called = folder / "called"
        tools = folder / "bin"
        tools.mkdir()
        for name in ("kubectl", "aws", "gh"):
            tool = tools / name
            # `gh run list` prints two runs, for what reads them.
            tool.write_text(
                "#!/bin/bash\n"
                f'printf "%s\\0" {name} "$@" >> "{self.called}"\nprintf "\\1\\0" >> "{self.called}"\n'
                f'[ "{name} $1 $2" = "gh run list" ] && printf "11\\n12\\n"\n'
                f'[ "${{!#}}" = "--filename=-" ] && cat > "{folder}/stdin"\nexit 0\n'
            )
            tool.chmod(0o755)
        for name in ("bash", "cat", "xargs"):
            (tools / name).symlink_to(str(shutil.which(name)))

    def run(self, command: str) -> list[list[str]]:
        """The calls that a command makes."""
        self.called.write_bytes(b"")
        where = self.folder / "empty"
        where.mkdir(exist_ok=True)
        done = subprocess.run(
            ["bash", "-c", command], check=False, cwd=where,
            env={"PATH": str(self.folder / "bin"), "HOME": str(where)}, capture_output=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert os.listdir(where) == [], "something ran that was not meant"
        calls = self.called.read_bytes().decode().split("\x01\0")
        return [call.split("\0")[:-1] for call in calls if call]


@pytest.fixture(scope="module")
def taken() -> set[str]:
    """What bash has taken already: most kinds have the same."""
    return set()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_the_commands_of_a_page_are_of_its_labels() -> None:
    found = Containment(Config()).told(RUNAWAY)
    assert [(step.id, step.run, step.undo) for step in found.steps] == [
        (
            "roll-back",
            "kubectl --namespace=shop rollout undo deployment/checkout",
            "kubectl --namespace=shop rollout undo deployment/checkout '--to-revision=<before>'",
        ),
        (
            "cap-autoscaler",
            'kubectl --namespace=shop patch hpa/checkout \'--patch={"spec":{"maxReplicas":10}}\'',
            'kubectl --namespace=shop patch hpa/checkout \'--patch={"spec":{"maxReplicas":<before>}}\'',
        ),
        (
            "scale-workload",
            "kubectl --namespace=shop scale deployment/checkout --replicas=10",
            "kubectl --namespace=shop scale deployment/checkout '--replicas=<before>'",
        ),
    ]
    assert not any(step.missing for step in found.steps)


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_step_runs_what_is_meant_and_nothing_else(driver: str, shell: Shell) -> None:
    for step in steps(driver, EVERYTHING):
        assert step.missing == ()
        for command in commands(step):
            [first, *_] = calls = shell.run(command)
            assert first[0] in ("kubectl", "aws", "gh")
            if step.id == "cancel-runs" and command == step.run:
                assert calls[1:] == [["gh", "run", "cancel", "--repo=acme/shop", run] for run in ("11", "12")]
            else:
                assert len(calls) == 1


def test_what_each_step_runs(shell: Shell) -> None:
    made = {step.id: step for driver in DRIVERS for step in steps(driver, EVERYTHING)}
    assert set(made) == {recipe.id for recipe in recipes.ALL}
    assert {name: " ".join(shell.run(step.run)[0]) for name, step in made.items()} == {
        "roll-back": "kubectl --context=eu-1 --namespace=shop rollout undo deployment/checkout",
        "cap-autoscaler":
            'kubectl --context=eu-1 --namespace=shop patch hpa/checkout --patch={"spec":{"maxReplicas":10}}',
        "scale-workload": "kubectl --context=eu-1 --namespace=shop scale deployment/checkout --replicas=10",
        "quiet-logs": "kubectl --context=eu-1 --namespace=shop set env deployment/checkout LOG_LEVEL=warn",
        "stop-function": "aws lambda put-function-concurrency --function-name=resize --region=eu-west-1 "
            "--reserved-concurrent-executions=0",
        "close-bucket": "aws s3api put-public-access-block --bucket=invoices --region=eu-west-1 "
            "--public-access-block-configuration=BlockPublicAcls=true,IgnorePublicAcls=true,"
            "BlockPublicPolicy=true,RestrictPublicBuckets=true",
        "deny-bucket-reads": "aws s3api put-bucket-policy --bucket=invoices --region=eu-west-1 "
            '--policy={"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",'
            '"Action":"s3:GetObject","Resource":"arn:aws:s3:::invoices/*"}]}',
        "close-security-group": "aws ec2 revoke-security-group-egress --group-id=sg-0abc "
            "--ip-permissions=IpProtocol=-1,IpRanges=[{CidrIp=0.0.0.0/0}] --region=eu-west-1",
        "deny-egress": "kubectl --context=eu-1 --namespace=shop apply --filename=-",
        "cap-nodes": "aws autoscaling update-auto-scaling-group --auto-scaling-group-name=spot "
            "--region=eu-west-1 --max-size=10 --desired-capacity=10",
        "cancel-runs": "gh run list --repo=acme/shop --status=in_progress --limit=200 --json=databaseId "
            "--jq=.[].databaseId",
        "disable-workflow": "gh workflow disable --repo=acme/shop -- ci.yml",
    }  # fmt: skip
    shell.run(made["deny-egress"].run)
    assert json.loads((shell.folder / "stdin").read_text())["spec"] == {
        "podSelector": {},
        "policyTypes": ["Egress"],
    }


@pytest.mark.parametrize("kind", [detector.name for detector in BUILT_IN])
@pytest.mark.parametrize(
    "labels", [{}, {"namespace": "shop"}, SHOP, EVERYTHING, dict.fromkeys(EVERYTHING, HOSTILE)]
)
def test_every_kind_has_commands_that_bash_takes(kind: str, labels: dict[str, str], taken: set[str]) -> None:
    for driver in DRIVERS:
        made = steps(driver, labels, kind)
        assert made, "a page without a way out"
        for command in {command for step in made for command in commands(step)} - taken:
            done = subprocess.run(["bash", "-n"], check=False, input=command.encode(), capture_output=True)
            assert (done.returncode, done.stderr) == (0, b""), command
            taken.add(command)


def said(text: str) -> bool:
    """Whether a value can be shown as it is, by the words of docs/operations.md."""
    return (
        text == " ".join(text.split())
        and 0 < len(shlex.quote(text)) <= 260
        and text.isprintable()
        and not text.lower().startswith(("file://", "fileb://", "http://", "https://"))
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.text(max_size=40) | st.sampled_from(list(HOSTILE)), min_size=3, max_size=3)
    .map(tuple)
    .filter(all)
)
@example(("$(rm -rf /)", "'; rm -rf / #", "\N{RIGHT-TO-LEFT OVERRIDE}x"))
@example((HOSTILE, "a\nb", "--kubeconfig=/tmp/evil"))
@example(("{workload}", "<namespace>", "{count}"))
@example(("file:///etc/passwd", "'" * 300, "a  b"))
def test_no_label_runs_anything(values: tuple[str, str, str]) -> None:
    cluster, namespace, workload = values
    labels = {"cluster": cluster, "namespace": namespace, "workload": workload, "function": workload,
              "bucket": namespace, "repo": namespace}  # fmt: skip
    with TemporaryDirectory() as folder:
        shell = Shell(Path(folder))
        context = [f"--context={cluster}"] if said(cluster) else []
        within = f"--namespace={namespace}" if said(namespace) else "--namespace=<namespace>"
        name = workload if said(workload) else "<workload>"
        scale = next(one for one in steps("pod_hours", labels) if one.id == "scale-workload")
        assert shell.run(scale.run) == [
            ["kubectl", *context, within, "scale", f"deployment/{name}", "--replicas=10"]
        ]
        assert shell.run(scale.undo)[0][-1] == "--replicas=<before>"
        missing = [label for label in ("namespace", "workload") if not said(labels[label])]
        assert list(scale.missing) == missing

        bucket = namespace if said(namespace) else "<bucket>"
        deny = next(one for one in steps("egress_bytes", labels) if one.id == "deny-bucket-reads")
        [[*_, policy]] = shell.run(deny.run)
        [statement] = json.loads(policy.removeprefix("--policy="))["Statement"]
        assert statement["Resource"] == f"arn:aws:s3:::{bucket}/*"

        repo = namespace if said(namespace) else "<repo>"
        cancel = next(one for one in steps("ci_minutes", labels) if one.id == "cancel-runs")
        assert shell.run(cancel.run)[1:] == [
            ["gh", "run", "cancel", f"--repo={repo}", run] for run in ("11", "12")
        ]


@given(st.dictionaries(st.sampled_from(sorted(EVERYTHING)), st.text(max_size=400) | st.just(HOSTILE)))
@example(dict.fromkeys(EVERYTHING, "'" * 52))
def test_no_command_is_cut_or_broken_where_it_is_shown(labels: dict[str, str]) -> None:
    """A command that loses its end loses a quote, and the shell would run what follows as a part of it."""
    for driver in DRIVERS:
        made = steps(driver, labels)
        for step in made:
            for command in commands(step):
                assert line(f"undo: {command}") == f"undo: {command}"
        about = alert(labels=labels, steps=made, steps_of=RUNAWAY.scope)
        told = {fact.name: fact.lines for fact in facts(about)}["contain"]
        for step in [step for step in made if not step.missing][:2]:
            assert step.run in told and f"undo: {step.undo}" in told


def test_what_is_missing_is_named_and_comes_last() -> None:
    [first, *others] = steps("egress_bytes", {"namespace": "shop"})
    assert (first.id, first.missing) == ("deny-egress", ())
    assert [step.missing for step in others] == [("bucket",), ("bucket",), ("security_group",)]
    assert "--bucket='<bucket>'" in others[0].run or "'--bucket=<bucket>'" in others[0].run


def test_a_wide_scope_is_contained_at_its_largest_part() -> None:
    parts = (share("service=shop/cart", 9, 1), share("service=shop/checkout", 5, 4))
    found = Containment(Config()).told(
        alert(scope="team=payments", labels={"team": "payments"}, children=parts)
    )
    assert found.steps_of == "service=shop/checkout"
    assert "--namespace=shop" in found.steps[0].run and "deployment/checkout" in found.steps[0].run


def test_owner_rules_name_what_labels_do_not() -> None:
    rule = {"match": {"namespace": "shop"}, "set": {"cluster": "eu-1"}}
    assert "--context=eu-1" in steps("pod_hours", SHOP, owners=[rule])[0].run
    assert "--replicas=3" in steps("pod_hours", SHOP, alerts={"contain_count": 3})[-1].run


@pytest.mark.parametrize(
    ("labels", "first"),
    [
        ({"function": "resize"}, "stop-function"),
        ({"repository": "a/b"}, "cancel-runs"),
        ({"bucket": "b"}, "close-bucket"),
        (SHOP, "cap-autoscaler"),
    ],
)
def test_without_a_driver_the_labels_decide(labels: dict[str, str], first: str) -> None:
    about = msgspec.structs.replace(RUNAWAY, labels=labels, drivers=(), blame=None)
    assert Containment(Config()).told(about).steps[0].id == first


def test_a_deploy_is_rolled_back_only_where_one_is_to_blame() -> None:
    innocent = msgspec.structs.replace(RUNAWAY, blame=None)
    assert Containment(Config()).told(innocent).steps[0].id == "cap-autoscaler"
    assert isinstance(RUNAWAY.blame, Blame)


def test_the_stage_tells_them_until_the_alert_is_resolved() -> None:
    estate = Estate()
    estate.say(signal("service=shop/checkout"))
    [page] = estate.wait(50)
    assert [step.id for step in page.steps] == ["cap-autoscaler", "scale-workload"]
    [standing] = estate.stage.active()
    assert standing.steps == page.steps
    estate.say(signal("service=shop/checkout", "none"))
    [resolved] = estate.wait(200)
    assert (resolved.state, resolved.steps) == (State.RESOLVED, ())


def test_ready_are_those_that_lack_nothing() -> None:
    some: Alert = alert(steps=steps("egress_bytes", {"namespace": "shop"}))
    assert [step.id for step in contain.ready(some)] == ["deny-egress"]

"""A schedule says since when spending is forbidden, on any clock; what breaks a rule becomes a ticket."""

import datetime as dt

import numpy as np
import pytest

from stream.burn.policies import ALWAYS_S, Policies, over_s
from stream.config import Config
from stream.config_policy import Policy, Schedule
from stream.meter.attribute import Attributor
from stream.schema.spend import CHILD, DRIVER, Name
from tests.burn.rig import NANO, START, Rig, record

OFFICE = Schedule(start="07:00", end="19:00", timezone="Europe/Berlin")
NIGHT = Schedule(days=("fri",), start="22:00", end="06:00")


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("schedule", "time", "seconds"),
    [
        (OFFICE, "2026-01-05T07:00:00+01:00", 60 * 3600),  # Monday: the bucket that ends then is weekend
        (OFFICE, "2026-01-05T07:00:10+01:00", 0),
        (OFFICE, "2026-01-05T19:00:00+01:00", 0),
        (OFFICE, "2026-01-05T19:00:10+01:00", 10),
        (OFFICE, "2026-01-10T19:00:00+01:00", 24 * 3600),  # Saturday
        (OFFICE, "2026-07-06T06:59:00+02:00", 59 * 3600 + 59 * 60),  # summer time
        (OFFICE, "2026-03-30T06:00:00+02:00", 58 * 3600),  # clocks were put forward on Sunday
        (NIGHT, "2026-01-10T05:00:00+00:00", 0),  # the night of Friday
        (NIGHT, "2026-01-10T07:00:00+00:00", 3600),
        (NIGHT, "2026-01-09T21:00:00+00:00", 6 * 86400 + 15 * 3600),
        (Schedule(days=(), start="07:00", end="19:00"), "2026-01-05T12:00:00+00:00", ALWAYS_S),
    ],
)
def test_since_when_a_schedule_has_been_over(schedule: Schedule, time: str, seconds: float) -> None:
    assert over_s(schedule, at(time)) == seconds


def test_only_scopes_of_policies_have_a_rule() -> None:
    policies = Policies(
        [
            Policy(name="gpu", match={"sku": "p4*"}),
            Policy(name="night", match={"env": "dev"}, schedule=OFFICE),
        ]
    )
    found = policies.forbidden_s(["total", "policy=gpu", "policy=night"], at("2026-01-05T12:00:00+01:00"))
    assert found.tolist() == pytest.approx([np.nan, ALWAYS_S, 0], nan_ok=True)


POLICIES = (
    Policy(name="untagged", allow={"team": "?*"}),
    Policy(name="gpu", match={"namespace": "dev-*", "sku": "p4d.*"}),
    Policy(name="region", match={"provider": "aws"}, allow={"region": "eu-*"}),
)


def broken(labels: dict[str, str], sku: str = "m5.large") -> set[str]:
    config = Config(policies=POLICIES)
    attributor = Attributor(config.scopes, (), config.owner_label, 100, config.policies)
    rows = attributor.attribute(labels, "pod_hours", sku).rows
    return {row.scope for row in rows if row.scope.startswith("policy=") and row.role == DRIVER}


def test_which_rules_an_estimate_breaks() -> None:
    assert broken({"team": "pay"}) == set()
    assert broken({}) == {"policy=untagged"}
    assert broken({"team": "pay", "namespace": "dev-1"}, "p4d.24xlarge") == {"policy=gpu"}
    assert broken({"team": "pay", "namespace": "live"}, "p4d.24xlarge") == set()
    assert broken({"team": "pay", "provider": "aws", "region": "us-east-1"}) == {"policy=region"}
    assert broken({"team": "pay", "provider": "aws", "region": "eu-west-1"}) == set()


def test_who_breaks_a_rule_is_its_part() -> None:
    config = Config(policies=POLICIES)
    attributor = Attributor(config.scopes, (), config.owner_label, 100, config.policies)
    rows = attributor.attribute({"namespace": "shop", "service": "web"}, "pod_hours").rows
    assert Name("policy=untagged", "service=shop/web", CHILD) in rows


def test_a_broken_rule_is_a_ticket_by_no_other_detector() -> None:
    scope = "policy=untagged"
    rig = Rig(Config(policies=POLICIES))
    for minute in range(10):
        start_s = START + minute * 60
        rows = [
            (Name(scope, "pod_hours", DRIVER), 10, bucket, NANO)
            for bucket in range(start_s // 10, start_s // 10 + 6)
        ]
        rig.take(record(start_s + 60, *rows))
    rig.commit()
    told = [signal for evaluation in rig.evaluations for signal in evaluation.signals]
    assert {(signal.scope, signal.detector, signal.severity) for signal in told} == {
        (scope, "policy", "ticket")
    }
    assert told[0].reason == "$360.00/h is spent on what the rule of policy=untagged forbids."


def test_a_rule_that_concerns_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="neither match nor allow"):
        Policy(name="all")
    with pytest.raises(ValueError, match="no time of day"):
        Schedule(start="7", end="19:00")
    with pytest.raises(ValueError, match="no time zone"):
        Schedule(start="07:00", end="19:00", timezone="Berlin")

"""What people ask for in these tests; everything that a test does not name is dull."""

from typing import Any

from stream.schema.commands import Acknowledge, Maintenance, Match, Plan
from stream.schema.feedback import Feedback, Verdict
from tests.alerts.estate import T0

CHECKOUT = "service=shop/checkout"


def maintenance(until_s: int, *scopes: str, **changes: Any) -> Maintenance:
    match = Match(scopes=scopes or (CHECKOUT,))
    given: dict[str, Any] = {"id": "m1", "by": "ana", "made_s": T0, "match": match, "since_s": T0 - 60}
    return Maintenance(**{**given, "until_s": until_s, "note": "move of the database", **changes})


def plan(ceiling: float, until_s: int, **changes: Any) -> Plan:
    given: dict[str, Any] = {"id": "p1", "by": "ana", "made_s": T0, "since_s": T0 - 60, "until_s": until_s}
    match = Match(scopes=(CHECKOUT,))
    return Plan(**{**given, "ceiling_usd_per_hour": ceiling, "match": match, "note": "load test", **changes})


def acknowledge(alert: str, **changes: Any) -> Acknowledge:
    return Acknowledge(**{"id": "a1", "by": "ana", "made_s": T0, "alert": alert, **changes})


def feedback(verdict: Verdict, **changes: Any) -> Feedback:
    given: dict[str, Any] = {"id": "f1", "by": "ana", "made_s": T0, "alert": f"{CHECKOUT}@{T0}/page"}
    given |= {"verdict": verdict, "scope": CHECKOUT, "detectors": ("step",), "since_s": T0}
    given |= {"until_s": T0 + 600, "expires_s": T0 + 30 * 86_400}
    return Feedback(**{**given, **changes})

"""Was it told, how soon, what did it cost until then, and was it right about the cause?"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
import numpy as np

from stream.demo.catalogue import Service
from stream.gameday.world import Case, Expected, Floats, scope_of
from stream.schema.alerts import Alert, State
from stream.scopes import PRICE, source_scope

# What was said within two hours of the end still speaks of what happened.
AFTERWARDS_S: Final = 7200
_RANK: Final = {"digest": 1, "ticket": 2, "page": 3}


class Call(NamedTuple):
    """One alert that reached people. `new` is false where an alert that they have becomes more urgent."""

    time_s: int
    scope: str
    severity: str
    driver: str = ""
    deploy: str = ""
    new: bool = True


class Outcome(msgspec.Struct, kw_only=True):
    """One monitor on one scenario. `delay_s` counts from the beginning, `delay_10x_s` and `delay_3x_s` from
    when the service at fault really burnt so many times what it else would have; None where that never came,
    or nothing was said. `lost_usd` is what was spent beyond normal until people were told, or until the end.
    """

    seed: int
    scenario: str
    monitor: str
    expected: Expected
    told: bool = False
    severity: str = ""
    scope: str = ""
    delay_s: int | None = None
    delay_10x_s: int | None = None
    delay_3x_s: int | None = None
    lost_usd: float = 0.0
    right_scope: bool | None = None
    right_driver: bool | None = None
    right_deploy: bool | None = None
    pages: int = 0
    false_pages: int = 0
    tickets: int = 0
    false_tickets: int = 0
    false: tuple[str, ...] = ()


class Truth(NamedTuple):
    """What happened in dollars an hour, (steps, services) from the beginning on: as it was, and as it would
    have been."""

    step_s: int
    burn: Floats
    normal: Floats


def calls(told: Iterable[Alert]) -> list[Call]:
    """The alerts that burnline sent."""
    return [
        Call(
            alert.time_s,
            alert.scope,
            alert.severity,
            alert.drivers[0].name if alert.drivers else "",
            alert.blame.what if alert.blame else "",
            alert.state == State.FIRING,
        )
        for alert in told
        if alert.state in (State.FIRING, State.ESCALATED)
    ]


def outcome(seed: int, scenario: str, monitor: str, case: Case, said: list[Call], truth: Truth,
            numbers: list[int]) -> Outcome:  # fmt: skip
    """`numbers` are the columns of `truth` that are the services at fault."""
    begin_s, until_s = case.begin_ms // 1000, case.until_ms // 1000
    scopes = at_fault(case.services) | {source_scope(name) for name in (case.silent, case.repeated) if name}
    found = Outcome(seed=seed, scenario=scenario, monitor=monitor, expected=case.expected)
    repriced = any(effect.on_price for effect in case.effects)
    right = [
        call
        for call in said
        if call.scope in scopes or (repriced and call.scope.startswith(f"{PRICE}="))
        if begin_s <= call.time_s <= until_s + AFTERWARDS_S
    ]
    wanted = [call for call in right if _RANK[call.severity] >= _RANK.get(case.expected, 4)]
    first = min(wanted, default=None)
    excess = np.maximum(truth.burn - truth.normal, 0)[:, numbers].sum(axis=1) * truth.step_s / 3600
    until = len(excess) if first is None else (first.time_s - begin_s) // truth.step_s
    found.lost_usd = float(excess[: max(until, 0)].sum())
    if first is not None:
        _describe(found, first, case, truth, numbers, begin_s)
    paged: set[str] = set()  # a ticket that becomes a page wakes people as well, once
    for call in said:
        fine = call in right and _fine(call, case, first)
        new = call.new
        if call.severity == "page":
            new = new or (case.expected != "page" and call.scope not in paged)
            paged.add(call.scope)
        if call.severity == "page":
            found.pages += fine and new
            found.false_pages += not fine and new
        elif call.severity == "ticket":
            found.tickets += fine and new
            found.false_tickets += not fine and new
        if not fine and new and call.severity != "digest":
            found.false += (f"{call.severity} {call.scope} {call.time_s - begin_s:+,d} s",)
    return found


def _fine(call: Call, case: Case, first: Call | None) -> bool:
    """One page for one cause: a second is false. Tickets beside a page, or where one is due, are not."""
    if case.expected == "page":
        return call is first or call.severity != "page" or not call.new
    return case.expected == "ticket" and call.severity != "page"


def _describe(
    found: Outcome, first: Call, case: Case, truth: Truth, numbers: list[int], begin_s: int
) -> None:
    found.told, found.severity, found.scope = True, first.severity, first.scope
    found.delay_s = first.time_s - begin_s
    found.delay_10x_s = _since(10, found.delay_s, truth, numbers)
    found.delay_3x_s = _since(3, found.delay_s, truth, numbers)
    if len(case.services) == 1:
        found.right_scope = first.scope == scope_of(case.services[0])
    if case.driver:
        found.right_driver = first.driver == case.driver
    found.right_deploy = first.deploy == (case.deploy.what if case.deploy else "")


def _since(times: float, delay_s: int, truth: Truth, numbers: list[int]) -> int | None:
    over = truth.burn[:, numbers].sum(axis=1) >= times * truth.normal[:, numbers].sum(axis=1)
    return delay_s - int(over.argmax()) * truth.step_s if over.any() else None


def at_fault(services: Iterable[Service]) -> set[str]:
    """The scopes in which the money of these services counts."""
    found = {"total", "account=shop-prod", "account=shop"}
    for service in services:
        found |= {scope_of(service), f"namespace={service.namespace}", f"team={service.team}"}
    return found

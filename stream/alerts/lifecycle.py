"""The life of one alert: pending, firing, escalated, resolved. A pure state machine over event time.

    pending ──held──► firing ──a higher level held──► escalated ──clear for hold_s──► resolved
       └──clear──► over, never seen

What is worth a line in the digest stays pending. An alert never steps down: a page that has become a
ticket's worth of trouble stays the same page until all is clear. It rings again only for a higher level,
and that is what its new dedup key says.
"""

from typing import Final

import msgspec

from stream.config_alerts import Alerting
from stream.schema.alerts import Severity, State

# How urgent a tier is within its severity. A detector without tiers ("", such as step) is as urgent as
# the fastest tier: when burn-vs-baseline's "fast" follows a step's page minutes later, nothing is new and
# nothing rings. "day" and "month" (emergency) are about as slow as the windows of "slow" and "long". A
# tier that is not listed here counts as "".
TIERS: Final = {"long": 1, "month": 1, "slow": 2, "day": 2, "medium": 3, "fast": 4, "": 4}
SEVERITIES: Final = {Severity.DIGEST: 5, Severity.TICKET: 10, Severity.PAGE: 20}


class Level(msgspec.Struct, frozen=True):
    """How bad it is: the severity first, then the tier."""

    severity: Severity
    tier: str

    @property
    def rank(self) -> int:
        return SEVERITIES[self.severity] + TIERS.get(self.tier, TIERS[""])


class Held(msgspec.Struct, frozen=True):
    """A level that has been reached or passed without a break since `since_s`."""

    level: Level
    since_s: int


class Life(msgspec.Struct, kw_only=True):
    """Where one alert stands; all times are event time.

    `fired` is the level that people were told last. `held` has rising levels, so falling ages.
    `spent_s` is when the level of the last transition was first reached: the money that decided.
    """

    began_s: int
    state: State = State.PENDING
    held: list[Held] = []
    fired: Level | None = None
    fired_s: int = 0
    spent_s: int = 0
    clear_s: int | None = None
    resolved_s: int | None = None

    @property
    def over(self) -> bool:
        """Resolved, or cleared before anybody was told."""
        return self.state == State.RESOLVED or (self.fired is None and self.clear_s is not None)

    @property
    def rung(self) -> bool:
        """Whether people were told and have not been told the end."""
        return self.fired is not None and self.state != State.RESOLVED

    def since_s(self, level: Level) -> int | None:
        """Since when `level` or a higher one has been held, if it is."""
        return min((held.since_s for held in self.held if held.level.rank >= level.rank), default=None)


def advance(
    life: Life,
    now_s: int,
    level: Level | None,
    rules: Alerting,
    *,
    since_s: int | None = None,
    wait_s: int = 0,
    quiet: bool = False,
    hold_s: int | None = None,
) -> State | None:
    """Move `life` on to `now_s`, where `level` is what the detectors say (None: clear).

    `since_s` lends an earlier start of this level. `wait_s` is the least age (a lent one counts) at which
    it may fire for the first time. `quiet` keeps it from firing and escalating, but not from resolving;
    what it keeps back is `due`. `hold_s` is longer than that of `rules` for a scope that flaps.
    Returns the state that was entered, None without a transition that people see.
    """
    if level is None:
        return _clear(life, now_s, rules.hold_s if hold_s is None else hold_s)
    life.clear_s = None
    since_s = now_s if since_s is None else min(since_s, now_s)
    _hold(life, level, since_s)
    if quiet or (life.fired is None and now_s - min(life.began_s, since_s) < wait_s):
        return None
    reached = due(life, now_s, rules)
    if reached is None:
        return None
    life.state = State.FIRING if life.fired is None else State.ESCALATED
    life.fired_s = now_s if life.fired is None else life.fired_s
    life.fired, life.spent_s = reached.level, reached.since_s
    return life.state


def due(life: Life, now_s: int, rules: Alerting) -> Held | None:
    """The level that has been held long enough to be told, and is higher than what was told."""
    reached = [
        held
        for held in life.held
        if held.level.severity != Severity.DIGEST and now_s - held.since_s >= _for_s(held.level, rules)
    ]
    if not reached or (life.fired is not None and reached[-1].level.rank <= life.fired.rank):
        return None
    return reached[-1]


def _clear(life: Life, now_s: int, hold_s: int) -> State | None:
    life.held = []
    if life.clear_s is None:
        life.clear_s = now_s
    if life.fired is None or now_s - life.clear_s < hold_s:
        return None
    life.state, life.resolved_s, life.spent_s = State.RESOLVED, now_s, now_s
    return life.state


def _hold(life: Life, level: Level, since_s: int) -> None:
    """Note that `level` is reached: higher ones end, and it has lasted at least as long as they had."""
    held = life.held
    while held and held[-1].level.rank >= level.rank:
        since_s = min(since_s, held.pop().since_s)
    held.append(Held(level, since_s))


def _for_s(level: Level, rules: Alerting) -> int:
    return rules.page_for_s if level.severity == Severity.PAGE else rules.ticket_for_s

"""The life of one alert, against a model of half a page."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stream.alerts.lifecycle import TIERS, Level, Life, advance
from stream.config_alerts import Alerting
from stream.schema.alerts import Severity, State

RULES = Alerting(page_for_s=20, ticket_for_s=60, hold_s=50)
PAGE, TICKET = Level(Severity.PAGE, ""), Level(Severity.TICKET, "")
DIGEST = Level(Severity.DIGEST, "")
FAST, SLOW = Level(Severity.PAGE, "fast"), Level(Severity.PAGE, "slow")


def run(*levels: Level | None) -> list[tuple[int, State, Level | None]]:
    """Say one level every 10 s from 0 on; what is entered, and when."""
    life = Life(began_s=0)
    entered = []
    for index, level in enumerate(levels):
        state = advance(life, index * 10, level, RULES)
        if state is not None:
            entered.append((index * 10, state, life.fired))
    return entered


def test_a_page_fires_when_it_has_been_held() -> None:
    assert run(PAGE, PAGE) == []
    assert run(PAGE, PAGE, PAGE) == [(20, State.FIRING, PAGE)]


def test_a_ticket_is_held_longer() -> None:
    assert run(*[TICKET] * 6) == []
    assert run(*[TICKET] * 7) == [(60, State.FIRING, TICKET)]


def test_a_break_while_pending_starts_it_anew() -> None:
    assert run(PAGE, PAGE, None, PAGE, PAGE) == []


def test_it_resolves_after_it_was_clear_for_the_hold_time() -> None:
    assert run(*[PAGE] * 3, *[None] * 6) == [(20, State.FIRING, PAGE), (80, State.RESOLVED, PAGE)]


def test_a_return_within_the_hold_time_is_the_same_alert_and_rings_nobody() -> None:
    flapping = [*[PAGE] * 3, *[None] * 5, PAGE] * 3
    assert run(*flapping) == [(20, State.FIRING, PAGE)]


def test_a_ticket_that_becomes_a_page_escalates_once_it_is_held() -> None:
    assert run(*[TICKET] * 7, PAGE, PAGE, PAGE, PAGE) == [
        (60, State.FIRING, TICKET),
        (90, State.ESCALATED, PAGE),
    ]


def test_a_higher_tier_escalates_and_a_lower_one_never_steps_down() -> None:
    assert run(*[SLOW] * 3, *[FAST] * 3, *[SLOW] * 3, *[FAST] * 3, *[TICKET] * 9) == [
        (20, State.FIRING, SLOW),
        (50, State.ESCALATED, FAST),
    ]


def test_a_detector_without_tiers_is_as_urgent_as_the_fastest() -> None:
    assert run(*[PAGE] * 3, *[FAST] * 9) == [(20, State.FIRING, PAGE)]
    assert run(*[SLOW] * 3, *[PAGE] * 3) == [(20, State.FIRING, SLOW), (50, State.ESCALATED, PAGE)]


def test_time_at_a_higher_level_counts_for_the_lower_one() -> None:
    assert run(*[PAGE, PAGE, *[TICKET] * 5]) == [(60, State.FIRING, TICKET)]


def test_a_quiet_alert_keeps_its_age() -> None:
    life = Life(began_s=0)
    for now_s in (0, 10, 20, 30):
        assert advance(life, now_s, PAGE, RULES, quiet=True) is None
    assert advance(life, 40, PAGE, RULES) == State.FIRING
    assert (life.fired_s, life.spent_s) == (40, 0)


LEVELS = [Level(severity, tier) for severity in Severity for tier in ("long", "slow", "fast")]


class LifeOfAnAlert(RuleBasedStateMachine):
    """The model keeps the whole history and looks back; the real thing keeps a few numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(began_s=0)
        self.history: list[tuple[int, Level | None]] = []
        self.now_s = 0
        self.told: list[tuple[State, int]] = []

    def held(self, rank: int) -> int:
        """For how long the last levels, without a break, have been at least `rank` (0: clear)."""
        start_s = self.now_s
        for time_s, level in reversed(self.history):
            if (level is not None and level.rank >= rank) if rank else level is None:
                start_s = time_s
            else:
                break
        return self.now_s - start_s

    def expected(self, level: Level | None) -> tuple[State, int] | None:
        fired = max((rank for _, rank in self.told), default=0)
        if level is None:
            return (State.RESOLVED, 0) if fired and self.held(0) >= RULES.hold_s else None
        due = [
            one.rank
            for one in LEVELS
            if one.severity != Severity.DIGEST
            and one.rank <= level.rank
            and self.held(one.rank)
            >= (RULES.page_for_s if one.severity == Severity.PAGE else RULES.ticket_for_s)
        ]
        # A rank below the lowest ever reached was never said by any detector.
        seen = {one.rank for _, one in self.history if one is not None}
        top = max((rank for rank in due if rank in seen), default=0)
        if top <= fired:
            return None
        return (State.ESCALATED if fired else State.FIRING), top

    @rule(level=st.sampled_from([None, *LEVELS]), repeat=st.integers(1, 8))
    def say(self, level: Level | None, repeat: int) -> None:
        for _ in range(repeat):
            if self.life.over:
                self.life, self.history, self.told = Life(began_s=self.now_s), [], []
            self.history.append((self.now_s, level))
            expected = self.expected(level)
            state = advance(self.life, self.now_s, level, RULES)
            assert state == (expected[0] if expected else None)
            if expected is not None:
                assert state is not None
                self.told.append(expected)
                if state != State.RESOLVED:
                    assert self.life.fired is not None
                    assert self.life.fired.rank == expected[1]
            self.now_s += 10

    @invariant()
    def transitions_are_in_order_and_each_is_told_once(self) -> None:
        states = [state for state, _ in self.told]
        assert states[:1] in ([], [State.FIRING])
        assert State.FIRING not in states[1:]
        assert State.RESOLVED not in states[:-1]
        assert self.life.state == (states[-1] if states else State.PENDING)


LifeOfAnAlert.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLifeOfAnAlert = LifeOfAnAlert.TestCase


def test_what_is_worth_a_line_in_the_digest_is_never_sent_on_its_own() -> None:
    assert run(*[DIGEST] * 99, *[None] * 9) == []
    assert run(*[DIGEST] * 9, *[TICKET] * 7) == [(150, State.FIRING, TICKET)]


def test_every_page_outranks_every_ticket_and_that_every_digest() -> None:
    ranks = [[Level(severity, tier).rank for tier in TIERS] for severity in Severity]
    page, ticket, digest = ranks
    assert min(page) > max(ticket) > min(ticket) > max(digest) > min(digest) > 0

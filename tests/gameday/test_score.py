"""How a game is scored: by hand-made calls on a hand-made truth."""

import numpy as np
import pytest

from stream.demo.deploys import deploy_of
from stream.gameday import rivals
from stream.gameday.game import QUIET
from stream.gameday.report import report
from stream.gameday.score import Call, Outcome, Truth, outcome
from stream.gameday.world import MONDAY_MS, Case, Expected, World

WORLD = World(1, 40)
SERVICE = WORLD.services[3]
SCOPE = f"service={SERVICE.namespace}/{SERVICE.name}"
BEGIN_S = MONDAY_MS // 1000 + 7200
DEPLOY = deploy_of(SERVICE, BEGIN_S * 1000 - 120_000, "v2", "deploy")
NUMBERS = [3]


def case(expected: Expected = "page", deploy: bool = True) -> Case:
    end_ms = (BEGIN_S + 3600) * 1000
    return Case(
        expected, BEGIN_S * 1000, end_ms, end_ms, (), (SERVICE,), "pod_hours", DEPLOY if deploy else None
    )


def truth() -> Truth:
    """$10/h is normal; $20/h for a minute, $60/h for one more, then $120/h."""
    normal = np.full((360, 40), 10.0)
    burn = normal.copy()
    burn[:6, 3], burn[6:12, 3], burn[12:, 3] = 20, 60, 120
    return Truth(10, burn, normal)


def judged(said: list[Call], which: Case | None = None) -> Outcome:
    return outcome(1, "x", "burnline", which or case(), said, truth(), NUMBERS)


def test_a_page_in_time_about_the_right_thing() -> None:
    found = judged([Call(BEGIN_S + 180, SCOPE, "page", "pod_hours", "v2")])
    assert (found.told, found.delay_s, found.delay_10x_s, found.delay_3x_s) == (True, 180, 60, 120)
    assert (found.right_scope, found.right_driver, found.right_deploy) == (True, True, True)
    assert (found.pages, found.false_pages) == (1, 0)
    # 60 s of $10/h, 60 s of $50/h and 60 s of $110/h beyond normal.
    assert found.lost_usd == pytest.approx((10 + 50 + 110) / 60)


def test_silence_costs_all_of_it() -> None:
    found = judged([])
    assert (found.told, found.delay_s) == (False, None)
    assert found.lost_usd == pytest.approx((10 + 50 + 58 * 110) / 60)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call(BEGIN_S - 10, SCOPE, "page"), "before it began"),
        (Call(BEGIN_S + 3600 + 7201, SCOPE, "page"), "long after its end"),
        (Call(BEGIN_S + 60, "service=other/other", "page"), "another service"),
    ],
)
def test_a_page_about_something_else_is_false(call: Call, why: str) -> None:
    found = judged([call])
    assert (found.told, found.pages, found.false_pages) == (False, 0, 1), why


def test_a_ticket_is_not_enough_where_a_page_is_due() -> None:
    found = judged([Call(BEGIN_S + 60, SCOPE, "ticket", "pod_hours", "v2")])
    assert (found.told, found.tickets, found.false_tickets) == (False, 1, 0)


def test_a_second_page_for_the_same_cause_is_false_a_higher_tier_is_not() -> None:
    first, wide = Call(BEGIN_S + 60, SCOPE, "page"), Call(BEGIN_S + 90, "total", "page")
    worse = Call(BEGIN_S + 120, SCOPE, "page", new=False)
    found = judged([first, wide, worse])
    assert (found.pages, found.false_pages) == (1, 1)


def test_where_a_ticket_is_due_a_page_tells_but_is_false() -> None:
    found = judged([Call(BEGIN_S + 60, SCOPE, "page", "pod_hours", "v2")], case("ticket"))
    assert (found.told, found.false_pages) == (True, 1)


def test_where_nothing_is_due_everything_is_false() -> None:
    said = [Call(BEGIN_S + 60, SCOPE, "page"), Call(BEGIN_S + 61, "total", "ticket")]
    found = judged(said, case("nothing"))
    assert (found.told, found.false_pages, found.false_tickets) == (False, 1, 1)


def test_naming_a_deploy_that_is_not_to_blame_is_wrong() -> None:
    found = judged([Call(BEGIN_S + 60, SCOPE, "page", "egress_bytes", "v2")], case(deploy=False))
    assert (found.right_driver, found.right_deploy) == (False, False)


def test_totals_count_every_monitor_over_all_games() -> None:
    page = judged([Call(BEGIN_S + 60, SCOPE, "page", "pod_hours", "v2")])
    missed = judged([Call(BEGIN_S + 60, "service=other/other", "page")])
    quiet = outcome(1, QUIET, "burnline", case("nothing"), [Call(BEGIN_S, "total", "page")], truth(), [])
    [total] = report([page, missed, quiet], quiet_days=10).totals
    assert (total.page_recall, total.page_precision) == (0.5, 0.5)
    assert total.quiet_false_pages_a_month == 3  # one in ten days


class TestRivals:
    @staticmethod
    def rates(jump: float) -> np.ndarray:
        """Two weeks and three days of $10/h, and from the second hour of the game on more."""
        rates = np.full((17 * rivals.DAY_STEPS, 40), 10.0)
        rates[14 * rivals.DAY_STEPS + 24 :, 3] = jump
        return rates

    @pytest.mark.parametrize(
        ("number", "after_s"), [(0, 7500), (1, 7500), (2, 86_400 + rivals.BILLING_LAG_S)]
    )
    def test_each_tells_of_a_jump_at_its_own_pace(self, number: int, after_s: int) -> None:
        first, *_ = rivals.calls(rivals.RIVALS[number], WORLD, self.rates(100.0))
        assert (first.time_s - MONDAY_MS // 1000, first.scope, first.severity) == (after_s, SCOPE, "page")

    @pytest.mark.parametrize("rival", rivals.RIVALS, ids=lambda rival: rival.name)
    def test_none_tells_of_cents(self, rival: rivals.Rival) -> None:
        assert rivals.calls(rival, WORLD, self.rates(10.5)) == []

"""`policy`: what is spent against a rule is a ticket, what its schedule allows is not."""

import numpy as np
import pytest

from detectors.contract import NONE, TICKET, Scores
from detectors.policy import Policy, PolicyParams
from tests.detectors.steady import steady


def judge(forbidden_s: float, burn: float = 4.0, hour: float = 4.0) -> tuple[Scores, int]:
    view = steady(forbidden_s=forbidden_s, burn={300: burn, 3600: hour})
    scores = Policy(PolicyParams()).observe(view)
    return scores, view.time_s - int(scores.onset_s[0])


def test_a_scope_without_a_rule_is_none_of_its_business() -> None:
    scores, _ = judge(np.nan, burn=1e6)
    assert np.isnan(scores.score[0])


@pytest.mark.parametrize(("forbidden_s", "severity"), [(0, NONE), (290, NONE), (300, TICKET), (1e7, TICKET)])
def test_it_speaks_once_five_minutes_are_forbidden(forbidden_s: float, severity: int) -> None:
    assert judge(forbidden_s)[0].severity.tolist() == [severity]


def test_less_than_a_dollar_an_hour_is_let_be() -> None:
    assert judge(1e7, burn=0.99)[0].severity.tolist() == [NONE]
    assert judge(1e7, burn=-5.0)[0].score.tolist() == [0]


def test_the_onset_is_the_end_of_the_schedule_or_the_age_of_the_spend() -> None:
    assert judge(4000)[1] == 4000
    assert judge(1e7, burn=4.0, hour=1.0)[1] == 900
    assert judge(1e7)[1] == 3600


def test_the_reason_names_the_rule() -> None:
    view = steady(forbidden_s=1e7, burn=4.0)
    detector = Policy(PolicyParams())
    assert detector.reason(view, detector.observe(view), 0) == (
        "$4.00/h is spent on what the rule of service=shop/s0 forbids."
    )

"""Money, times and sentences as people read them."""

import doctest

import pytest

from stream.alerts import text
from stream.config_alerts import Alerting
from tests.alerts.estate import Estate, signal


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (412.4, "$412"),
        (1_234_567.8, "$1,234,568"),
        (0.42, "$0.42"),
        (9.994, "$9.99"),
        (9.996, "$10"),
        (10.4, "$10"),
        (0, "$0"),
        (0.005, "$0.01"),
        (0.0049, "<$0.01"),
        (-0.001, "-<$0.01"),
        (-1234, "-$1,234"),
    ],
)
def test_dollars(amount: float, written: str) -> None:
    assert text.usd(amount) == written


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(text).failed == 0


def test_a_summary_without_a_baseline_says_so() -> None:
    estate = Estate()
    estate.say(signal("total", normal=None))
    [page] = estate.wait(50)
    assert page.summary == (
        "total burns $412/h, what is normal is not known yet; $33 beyond normal since 14:00 UTC"
    )


def test_a_summary_tells_the_day_when_it_is_not_today() -> None:
    estate = Estate()
    estate.say(signal("total", normal=0.0, onset_s=estate.now_s - 86_400))
    [page] = estate.wait(50)
    assert page.summary == "total burns $412/h, normally $0/h; $33 beyond normal since 31 Dec 14:00 UTC"


def test_links_are_filled_in_and_quoted() -> None:
    rules = Alerting(
        runbook_url="https://wiki/{detector}?s={scope}&x={other}&a={key}", console_url="https://burn/"
    )
    assert text.runbook_url(rules, "step", "service=a/b&c", "a@1/page") == (
        "https://wiki/step?s=service%3Da%2Fb%26c&x={other}&a=a%401%2Fpage"
    )
    assert text.runbook_url(Alerting(), "delivery", "slack") == "http://127.0.0.1:9107/runbooks/delivery"
    assert text.console_url(rules, "service=a/b") == "https://burn/?scope=service%3Da%2Fb"

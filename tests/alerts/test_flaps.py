"""Flap damping: what comes back again and again rings a few times, not all night."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.alerts.flaps import Flaps
from stream.config import Config
from stream.config_alerts import Alerting
from stream.schema.alerts import State
from tests.alerts.estate import T0, Estate, signal

HOUR_S = 3600
SCOPE = "service=shop/checkout"


def test_each_time_it_is_held_twice_as_long() -> None:
    flaps = Flaps(Alerting(hold_s=600))
    held = []
    for n in range(6):
        flaps.fired(SCOPE, T0 + n)
        held.append(flaps.hold_s(SCOPE, T0 + n))
    assert held == [600, 1200, 2400, 4800, 7200, 7200]
    assert flaps.hold_s("total", T0) == 600
    assert flaps.hold_s(SCOPE, T0 + 6 * HOUR_S) == 7200, "five of the six are within the window"
    assert flaps.hold_s(SCOPE, T0 + 7 * HOUR_S) == 600
    flaps.forget(T0 + 7 * HOUR_S)
    assert list(flaps.rows()) == []


def test_a_spike_every_half_hour_makes_three_pages_a_night() -> None:
    """Five minutes of runaway every 30 minutes, for eight hours."""
    estate = Estate(Config())
    for _ in range(16):
        estate.say(signal(SCOPE))
        estate.wait(290)
        estate.say(signal(SCOPE, "none"))
        estate.wait(1490)
    rung = [alert for alert in estate.sent if alert.state == State.FIRING]
    assert [alert.fired_count for alert in rung] == [1, 2, 3]
    [standing] = estate.stage.active()
    assert standing.state == State.FIRING
    estate.wait(2 * HOUR_S)
    assert estate.sent[-1].state == State.RESOLVED, "in the end it is over"


@given(pauses=st.lists(st.integers(1, 200), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_it_never_rings_more_often_than_doubling_allows(pauses: list[int]) -> None:
    """Within 2 h (200 × 40 × 10 s at most is longer, so times are cut), holds of 10, 20, 40 and 80 min leave
    room for at most four pages, whatever the rhythm."""
    estate = Estate(Config())
    for pause in pauses:
        if estate.now_s > T0 + 2 * HOUR_S:
            break
        estate.say(signal(SCOPE))
        estate.wait(20)
        estate.say(signal(SCOPE, "none"))
        estate.wait(pause * 10)
    assert sum(alert.state == State.FIRING for alert in estate.sent) <= 4

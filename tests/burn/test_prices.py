"""A price that moved: its ticket, and that it ends by itself."""

from stream.schema.prices import Moved
from stream.schema.signals import Signal
from tests.burn.rig import START, Rig, estate, record

MOVED = Moved(
    provider="aws", region="eu-west-2", driver="pod_hours", sku="m5.large", old_usd=0.10, new_usd=0.125,
    units_per_hour=600.0, since_s=START + 3600,
)  # fmt: skip
SCOPE = "price=aws/eu-west-2/pod_hours/m5.large"


def told(rig: Rig) -> list[Signal]:
    return [one for each in rig.evaluations for one in each.signals if one.detector == "price-change"]


def go_on(rig: Rig, first: int, hours: int, *moved: Moved) -> None:
    for step in range(first * 12, (first + hours) * 12):
        start_s = START + step * 300
        rows = estate(start_s, start_s + 300, {"service=shop/web": 10.0})
        rig.take(record(start_s + 300, *rows, prices=moved if step == first * 12 else ()))
    rig.commit()


def test_the_ticket_says_old_new_and_what_it_makes_a_month() -> None:
    rig = Rig()
    go_on(rig, 0, 1)
    go_on(rig, 1, 1, MOVED)
    signal = told(rig)[-1]
    assert (signal.scope, signal.severity, signal.onset_s) == (SCOPE, "ticket", START + 3600)
    assert signal.score == 15
    assert signal.reason == (
        "The price of pod_hours of m5.large at aws in eu-west-2 went from $0.1 to $0.125 a unit (+25 %). "
        "At the present use that is $10,950 a month more."
    )


def test_it_ends_by_itself_also_after_a_restart() -> None:
    rig = Rig()
    go_on(rig, 0, 1)
    go_on(rig, 1, 1, MOVED)
    rig.restart()
    go_on(rig, 2, 24)
    assert [one.severity for one in told(rig)][-2:] == ["ticket", "none"]
    assert not [key for key in rig.state if key.startswith(b"price/")]

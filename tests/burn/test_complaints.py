"""A source that lost its labels, or lags: its ticket, as it reads, and that it ends."""

import msgspec

from stream.config import Config
from stream.schema.signals import Signal
from stream.schema.sources import Late, Lost, Source
from tests.burn.rig import START, WEB, Rig, estate, record

SCOPE = "source=opencost/eu-1"
LOST = Lost(
    usual_owned=30.0, usual_unowned=1.0, owned=12.0, unowned=19.0, since_s=START + 3000, fed=[WEB]
)  # fmt: skip


def word(lost: Lost | None, *, gone: bool = False, late: Late | None = None) -> Source:
    return Source(
        name="opencost/eu-1", until_ms=0, silent=False, gone=gone, cadence_s=10.0, silent_after_s=60.0,
        usd_per_hour=31.0, most=["unmapped"], count=1, rates=[], lost=lost, late=late,
    )  # fmt: skip


def told(rig: Rig, detector: str = "lost-labels") -> list[Signal]:
    return [one for each in rig.evaluations for one in each.signals if one.detector == detector]


def go_on(rig: Rig, first: int, *words: Source) -> None:
    """Another hour, at whose beginning the meter says this."""
    for step in range(first * 12, (first + 1) * 12):
        start_s = START + step * 300
        rows = estate(start_s, start_s + 300, {WEB: 10.0})
        rig.take(record(start_s + 300, *rows, sources=words if step == first * 12 else ()))
    rig.commit()


def test_the_ticket_says_how_much_has_no_owner_and_who_is_blind_now() -> None:
    rig = Rig()
    go_on(rig, 0)
    go_on(rig, 1, word(LOST))
    signal = told(rig)[-1]
    assert (signal.scope, signal.severity, signal.onset_s) == (SCOPE, "ticket", START + 3000)
    assert (signal.score, signal.burn_usd_per_hour) == (3, 18)
    assert signal.reason == (
        "opencost/eu-1 has lost labels: $18.00/h that had an owner has none now. Without an owner is 61 % "
        "of what it sends; 3 % is usual. It is still counted, in unmapped and total, but reaches no owner's "
        f"figures, budget or page. Before, it fed {WEB} most: what these show is too low now."
    )


def test_it_ends_when_the_labels_are_back_also_after_a_restart() -> None:
    rig = Rig()
    go_on(rig, 0, word(LOST))
    rig.restart()
    go_on(rig, 1)
    assert told(rig)[-1].severity == "ticket"
    rig.restart()
    go_on(rig, 2, word(None))
    assert [one.severity for one in told(rig)][-2:] == ["ticket", "none"]
    ends = len(told(rig))
    rig.restart()
    go_on(rig, 3)
    assert len(told(rig)) == ends


def test_it_ends_with_its_source() -> None:
    rig = Rig()
    go_on(rig, 0, word(LOST))
    go_on(rig, 1, word(None, gone=True))
    assert told(rig)[-1].severity == "none"


def test_switched_off_it_says_nothing() -> None:
    rig = Rig(Config.model_validate({"detectors": {"lost-labels": {"enabled": False}}}))
    go_on(rig, 0)
    go_on(rig, 1, word(LOST))
    assert not told(rig)


def test_a_row_of_an_earlier_version_has_lost_nothing() -> None:
    known = msgspec.msgpack.decode(msgspec.msgpack.encode(word(None)))[:-2]
    assert msgspec.convert(known, Source) == word(None)


def test_one_that_lags_is_told_until_it_does_not() -> None:
    rig = Rig()
    go_on(rig, 0)
    go_on(rig, 1, word(None, late=Late(usual_s=60.0, lag_s=1320.0, since_s=START + 3000)))
    signal = told(rig, "late-source")[-1]
    assert (signal.scope, signal.severity, signal.onset_s, signal.score) == (SCOPE, "ticket", START + 3000, 2)
    assert signal.reason == (
        "opencost/eu-1 lags: its estimates arrive 22 min late, 60 s is usual. What it meters ($31.00/h) is "
        "seen that much later: a runaway there pages 22 min late. Nothing is lost; what arrives late counts "
        "in the hour to which it belongs."
    )
    rig.restart()
    go_on(rig, 2, word(None))
    assert [one.severity for one in told(rig, "late-source")][-2:] == ["ticket", "none"]
    assert not told(rig)

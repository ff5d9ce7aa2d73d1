from static_limit import StaticLimit

from detectors import check


def test_it_holds_to_the_contract() -> None:
    check(StaticLimit)

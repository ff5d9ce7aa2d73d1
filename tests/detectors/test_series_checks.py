"""The scorers of series hold to their contract."""

from detectors.novelty import Novelty
from detectors.series_checks import check_series_scorer


def test_novelty_holds_to_the_contract() -> None:
    check_series_scorer(Novelty)

"""A backtest tells what a live node tells, to the byte; each trial what one with that setting would."""

from pathlib import Path

import pytest

from stream.config import Config
from stream.schema import alerts
from tests.backtest.history import live, played, usage

CONFIG = Config.model_validate({"budgets": [{"scope": "total", "monthly_usd": 15_000}]})


def eventful(service: str, hour: float) -> float:
    """A runaway, a mild rise, and a lasting step."""
    if service == "checkout" and 10 <= hour < 12:
        return 9.0
    if service == "cart" and 16 <= hour < 20:
        return 2.2
    return 1.8 if service == "etl" and hour >= 22 else 1.0


def test_configured_and_changed_thresholds_give_the_very_records_of_a_node(tmp_path: Path) -> None:
    """The node runs over a database of its own, with the one setting changed in its configuration."""
    path = usage(tmp_path, 28, 3600, eventful)
    backtest = played([path], CONFIG)
    (tmp_path / "as-it-is").mkdir()
    assert backtest.store.alerts == live(path, CONFIG, tmp_path / "as-it-is")
    assert len(backtest.store.alerts) >= 2
    differing = [head for head in backtest.sweep.heads if head.told != backtest.told]
    equal = [head for head in backtest.sweep.heads if head.told == backtest.told]
    assert len({head.trial.setting.detector for head in differing}) >= 2
    for number, head in enumerate([*differing[:: max(1, len(differing) // 3)], equal[0]]):
        setting = head.trial.setting
        config = CONFIG.model_copy(update={"detectors": {setting.detector: {setting.name: head.trial.value}}})
        folder = tmp_path / str(number)
        folder.mkdir()
        assert [alerts.encode(alert) for alert in head.told] == live(path, config, folder), head.trial


def test_samples_of_a_minute_give_the_same_records_too(tmp_path: Path) -> None:
    path = usage(tmp_path, 8, 60, lambda service, hour: 20.0 if 7.2 <= hour < 7.5 else 1.0)
    backtest = played([path], CONFIG)
    assert backtest.store.alerts == live(path, CONFIG, tmp_path)
    severities = {alert.severity for alert in backtest.told}
    assert "page" in severities


def test_a_trial_goes_along_with_the_node_again(tmp_path: Path) -> None:
    """Else each would cost as much as a node, for the rest of the history."""
    path = usage(tmp_path, 28, 3600, eventful)
    heads = played([path], CONFIG).sweep.heads
    parted = [head for head in heads if head.trial.setting.detector == "step"]
    assert parted and all(head.own is None for head in parted)


@pytest.mark.parametrize("folder", ["home", "tmp"])
def test_nothing_is_written(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / folder
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    played([usage(tmp_path, 10, 900, eventful)], CONFIG, sweep=False)
    assert list(place.iterdir()) == []

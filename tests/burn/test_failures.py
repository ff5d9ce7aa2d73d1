"""A detector may be anybody's code: what it does wrong is counted and said, and nothing else suffers."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.contract import PAGE, Params, Scores, View
from stream.burn.signals import Signals
from stream.shell.troubles import Troubles
from tests.detectors.steady import steady

VIEW = steady()


class Toy:
    """Pages on everything."""

    name = "toy"
    params_type = Params

    def __init__(self, name: str = "toy") -> None:
        self.name = name

    def observe(self, view: View) -> Scores:
        one = np.ones(len(view.scopes), np.int64)
        return Scores(np.full(len(one), 2.0), one * PAGE, one * 0, one * 60, one * view.time_s, ("fast",))

    def reason(self, view: View, scores: Scores, index: int) -> str:
        return "It is so."

    def save(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        pass


def observed(*detectors: Any) -> tuple[Signals, list[str]]:
    signals = Signals(detectors, refresh_s=60)
    verdicts = signals.observe(VIEW, lambda scope, detector: True, VIEW.time_s - 10)
    return signals, [verdict.detector for verdict in verdicts]


def raises(*_: Any) -> Any:
    raise ZeroDivisionError("of all\nscopes")


def answers(**columns: Any) -> Callable[[View], Scores]:
    return lambda view: replace(Toy().observe(view), **columns)


@pytest.mark.parametrize(
    ("method", "instead", "sentence"),
    [
        ("observe", raises, "ZeroDivisionError('of all\\nscopes')"),
        ("observe", lambda view: None, "AttributeError("),
        ("observe", answers(score=np.array([2.0, 3.0, 4.0])), "score has shape (3,) for 1 scopes"),
        ("observe", answers(severity=np.array([9])), "a severity is unknown"),
        ("observe", answers(tier=np.array([1])), "a tier is no index into ('fast',)"),
        ("observe", answers(tiers=(7,)), "its tiers (7,) are not all text"),
        ("observe", answers(onset_s=np.array([VIEW.time_s + 1])), "an onset lies after the bucket"),
        ("reason", raises, "ZeroDivisionError('of all\\nscopes')"),
        ("reason", lambda *_: 7, "its reason is int, no text"),
    ],
)
def test_the_others_go_on(method: str, instead: Any, sentence: str) -> None:
    bad: Any = Toy("bad")
    setattr(bad, method, instead)
    signals, told = observed(bad, Toy("good"))
    assert told == ["good"]
    assert sentence in signals.failures["bad"].sentence
    assert (signals.failures["bad"].count, signals.failures["good"].count) == (1, 0)
    assert list(signals.standing) == [("good", VIEW.scopes[0])]


def test_one_that_recovers_is_heard_again() -> None:
    bad: Any = Toy("bad")
    bad.observe = raises
    signals, told = observed(bad)
    assert told == []
    del bad.observe
    [verdict] = signals.observe(VIEW, lambda scope, detector: True, VIEW.time_s - 10)
    assert verdict.detector == "bad"


@pytest.mark.parametrize("save", [raises, lambda: "text"])
def test_one_that_can_not_save_keeps_what_was_saved(save: Any) -> None:
    bad: Any = Toy("bad")
    bad.save = save
    signals, _ = observed(bad)
    assert signals.learnt("bad") is None
    assert signals.failures["bad"].sentence.startswith("could not save its state (")


def test_each_trouble_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bad: Any = Toy("bad")
    bad.observe = raises
    troubles = Troubles()
    with caplog.at_level(logging.ERROR):
        signals, _ = observed(bad)
        for _ in range(3):
            troubles.tell(signals.failures)
        for number in range(100):
            signals.failed("bad", f"failed otherwise {number}")
            troubles.tell(signals.failures)
    assert len(caplog.messages) == 5
    assert caplog.messages[0] == (
        "detector bad failed (ZeroDivisionError('of all\\nscopes')); the others go on: mend it, or switch it "
        "off with detectors.bad.enabled: false"
    )

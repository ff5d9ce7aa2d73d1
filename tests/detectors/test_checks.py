"""The conformance checks pass what is sound, and each planted fault is caught by the check meant for it."""

import json
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest

from detectors import check
from detectors.contract import PAGE, Floats, Params, Scores, View
from detectors.registry import BUILT_IN
from detectors.step import Step


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_the_built_in_detectors_hold_to_the_contract(kind: Any) -> None:
    check(kind)


class Sound:
    """A detector with memory that holds to the contract: each scope against its own slow mean."""

    name: ClassVar[str] = "sound"
    params_type: ClassVar[type[Params]] = Params

    def __init__(self, params: Params) -> None:
        self.mean: dict[str, float] = {}

    def observe(self, view: View) -> Scores:
        newest = view.recent_usd_per_hour[:, -1]
        return self.answer(
            view, np.array([self.follow(*pair) for pair in zip(view.scopes, newest, strict=True)])
        )

    def follow(self, scope: str, rate: float) -> float:
        if not 0 <= rate < 1e9:
            return float("nan")
        before = self.mean.get(scope, rate)
        self.mean[scope] = before + 0.1 * (rate - before)
        return float(rate / (3 * before + 1))

    def answer(self, view: View, score: Floats) -> Scores:
        fires = score >= 1
        zero = np.zeros(len(score), dtype=np.int64)
        return Scores(
            score, np.where(fires, PAGE, 0), zero, zero + 10, zero + view.time_s - 10 * fires, ("fast",)
        )

    def reason(self, view: View, scores: Scores, index: int) -> str:
        return f"It is {scores.score[index]:.1f} times the limit."

    def save(self) -> bytes:
        return json.dumps(self.mean).encode()

    def load(self, state: bytes) -> None:
        self.mean = json.loads(state)


class Shouts(Sound):
    name = "Shouts_Loud"


class TakesAnySetting(Sound):
    class Loose(Params, extra="ignore"):
        pass

    params_type = Loose


class WritesIntoTheView(Sound):
    def observe(self, view: View) -> Scores:
        view.recent_usd_per_hour[np.isnan(view.recent_usd_per_hour)] = 0
        return super().observe(view)


class UnlocksTheView(Sound):
    def observe(self, view: View) -> Scores:
        view.budget_usd.setflags(write=True)
        view.budget_usd[:] = 1
        return super().observe(view)


class RollsDice(Sound):
    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.random = np.random.default_rng()

    def follow(self, scope: str, rate: float) -> float:
        return super().follow(scope, rate) * float(self.random.uniform(0.9, 1.1))


class SharesItsMemory(Sound):
    everyone: ClassVar[dict[str, float]] = {}

    def __init__(self, params: Params) -> None:
        self.mean = self.everyone


class ReadsAhead(Sound):
    """The recent buckets may be a window on a longer array, whose rest is the future."""

    def observe(self, view: View) -> Scores:
        whole = view.recent_usd_per_hour.base
        rates = whole if isinstance(whole, np.ndarray) else view.recent_usd_per_hour
        return self.answer(view, rates.max(axis=1) / 1e6)


class RewritesThePast(Sound):
    def observe(self, view: View) -> Scores:
        fresh = super().observe(view)
        if not hasattr(self, "kept"):
            self.kept = fresh.score.copy()
        if len(self.kept) != len(fresh.score):
            self.kept = fresh.score.copy()
        self.kept[:] = fresh.score
        return self.answer(view, self.kept)


class Pickles(Sound):
    def save(self) -> bytes:
        return pickle.dumps(self.mean)

    def load(self, state: bytes) -> None:
        self.mean = pickle.loads(state)


class PicklesInDisguise(Pickles):
    """A header of its own in front hides where the pickle begins."""

    def save(self) -> bytes:
        return b"mine:" + super().save()

    def load(self, state: bytes) -> None:
        super().load(state.removeprefix(b"mine:"))


class PicklesAsText(Pickles):
    def save(self) -> bytes:
        return pickle.dumps(self.mean, protocol=0)


class SavesText(Sound):
    def save(self) -> bytes:
        return json.dumps(self.mean)  # type: ignore[return-value]


class Forgets(Sound):
    def save(self) -> bytes:
        return b"{}"


class FavoursTheFirst(Sound):
    def answer(self, view: View, score: Floats) -> Scores:
        return super().answer(view, score * np.where(np.arange(len(score)) == 0, 1.5, 1.0))


class ExpectsNoNewScopes(Sound):
    def observe(self, view: View) -> Scores:
        self.count = getattr(self, "count", len(view.scopes))
        if len(view.scopes) != self.count:
            raise IndexError(f"{len(view.scopes)} scopes where there were {self.count}")
        return super().observe(view)


class ChokesOnNan(Sound):
    def follow(self, scope: str, rate: float) -> float:
        return float(int(super().follow(scope, rate) * 1000) / 1000)


class PoisonedByNan(Sound):
    def follow(self, scope: str, rate: float) -> float:
        before = self.mean.get(scope, rate)
        self.mean[scope] = before + 0.1 * (rate - before)
        score = rate / (3 * before + 1)
        return float(score) if np.isfinite(score) else float("nan")


class Infinite(Sound):
    def follow(self, scope: str, rate: float) -> float:
        return float("inf") if rate > 0 else 0.0


class SavesEverything(Sound):
    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.seen: list[int] = []

    def observe(self, view: View) -> Scores:
        self.seen.append(view.time_s)
        return super().observe(view)

    def save(self) -> bytes:
        return json.dumps([self.mean, self.seen]).encode()

    def load(self, state: bytes) -> None:
        self.mean, self.seen = json.loads(state)


class HoardsInSecret(SavesEverything):
    def save(self) -> bytes:
        return json.dumps(self.mean).encode()

    def load(self, state: bytes) -> None:
        self.mean = json.loads(state)


class SlowsDown(Sound):
    """Keeps one number only, and counts up to it each time."""

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.buckets = 0

    def observe(self, view: View) -> Scores:
        self.buckets += 1
        for _ in range(self.buckets):
            pass
        return super().observe(view)

    def save(self) -> bytes:
        return json.dumps([self.mean, self.buckets]).encode()

    def load(self, state: bytes) -> None:
        self.mean, self.buckets = json.loads(state)


class SlowsDownInC(SlowsDown):
    def observe(self, view: View) -> Scores:
        np.arange(self.buckets).sum()
        self.buckets += 1
        return Sound.observe(self, view)


class PagesBelowItsThreshold(Sound):
    def answer(self, view: View, score: Floats) -> Scores:
        told = super().answer(view, score)
        return Scores(
            told.score, told.severity * 0 + PAGE, told.tier, told.window_s, told.onset_s, told.tiers
        )


class OnsetToCome(Sound):
    def answer(self, view: View, score: Floats) -> Scores:
        told = super().answer(view, score)
        return Scores(told.score, told.severity, told.tier, told.window_s, told.onset_s + 20, told.tiers)


class TierOfNothing(Sound):
    def answer(self, view: View, score: Floats) -> Scores:
        told = super().answer(view, score)
        return Scores(told.score, told.severity, told.tier + 1, told.window_s, told.onset_s, told.tiers)


class SaysNothing(Sound):
    def reason(self, view: View, scores: Scores, index: int) -> str:
        return ""


def test_a_sound_detector_with_memory_passes() -> None:
    check(Sound)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Shouts, "Shouts_Loud: the name 'Shouts_Loud' is not kebab-case"),
        (TakesAnySetting, "its params accept the unknown key"),
        (WritesIntoTheView, "it writes into the view"),
        (UnlocksTheView, "it writes into the view|it changes the view's budget_usd"),
        (RollsDice, r"the same views gave other scores the second time \(score\)"),
        (SharesItsMemory, "the same views gave other scores the second time"),
        (ReadsAhead, "scores depend on buckets that come later"),
        (RewritesThePast, "scores that were already given changed at a later bucket"),
        (Pickles, "gave a pickle"),
        (PicklesInDisguise, "gave a pickle"),
        (PicklesAsText, "gave a pickle"),
        (SavesText, "gave str, not bytes"),
        (Forgets, "scores differ after save and load"),
        (FavoursTheFirst, "scores depend on the order of the scopes"),
        (ExpectsNoNewScopes, "adding scopes between calls raised IndexError"),
        (ChokesOnNan, "NaN values raised ValueError"),
        (PoisonedByNan, "values an hour ago still leave scores NaN"),
        (Infinite, "a score is infinite"),
        (SavesEverything, r"save\(\) grew from \d+ to \d+ bytes from bucket 2500 to 5000"),
        (HoardsInSecret, "its memory grew by"),
        (SlowsDown, "a bucket takes [0-9]+ lines of Python where it took"),
        (SlowsDownInC, "a bucket takes [0-9]+ bytes at once where it took"),
        (PagesBelowItsThreshold, "a severity is told where the score is below 1 or NaN"),
        (OnsetToCome, "an onset lies after the bucket that was judged"),
        (TierOfNothing, "a tier is no index into"),
        (SaysNothing, "its reason '' is not one sentence"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_planted_fault_is_caught_by_its_check(fault: type[Sound], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as raised:
        check(fault)
    assert "\n" not in str(raised.value)


def test_a_detector_may_be_checked_with_other_settings() -> None:
    check(Step, Step.params_type.model_validate({"sigmas": 3, "ratio": 1.1}))

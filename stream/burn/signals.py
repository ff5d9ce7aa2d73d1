"""What is worth saying of an evaluation: new signals, changed ones, cleared ones, and once a minute the
figures of those that last."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from detectors.contract import DRIVER_EVERY_S, NONE, Detector, Scores, View, due, every_s, mistake_in

# While a signal is young its figures change by the bucket, and grouping compares those of several scopes:
# it is told at every evaluation. Ten minutes of that are 60 records.
FRESH_S: Final = 600
_REASON: Final = 1000  # characters; people are shown 300


class Standing(msgspec.Struct, array_like=True):
    """A signal that people know of: since when, how bad, and when it was last told."""

    severity: int
    tier: str
    onset_s: int
    told_s: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One detector on one scope, due to be told. `severity` 0 means that it has cleared."""

    detector: str
    index: int
    severity: int
    tier: str
    score: float
    window_s: int
    onset_s: int
    reason: str


class Failure(msgspec.Struct, frozen=True):
    """How often a detector has failed since the process began, and how the last time."""

    count: int
    sentence: str


class Signals:
    """Runs the detectors and remembers which signals stand. Part of the burn stage's state.

    A detector may be anybody's code. What it raises, or an answer that makes no sense, is counted in
    `failures`; it is asked again next time, and the others go on. What it said before stands until then.
    """

    def __init__(self, detectors: Iterable[Detector], refresh_s: int) -> None:
        self.detectors = {detector.name: detector for detector in detectors}
        self.standing: dict[tuple[str, str], Standing] = {}
        self.scores: dict[str, Scores] = {}
        self.failures = dict.fromkeys(self.detectors, Failure(0, ""))
        self._refresh_s = refresh_s

    def wants_drivers(self, last_s: int, time_s: int) -> bool:
        """Whether a detector that looks at `time_s` may use `View.drivers`."""
        return any(
            every_s(detector) >= DRIVER_EVERY_S and due(detector, last_s, time_s)
            for detector in self.detectors.values()
        )

    def observe(
        self,
        view: View,
        watched: Callable[[str, str], bool],
        last_s: int,
        held: Callable[[str], str | None] = lambda scope: None,
    ) -> list[Verdict]:
        """Verdicts to tell now; `watched` says of which scopes a detector may speak. The last look was at
        `last_s`; what a detector that is not due said then stands. `held` says why what stands of a scope
        can't be told to be over, if so."""
        verdicts: list[Verdict] = []
        for name, detector in self.detectors.items():
            if not due(detector, last_s, view.time_s):
                continue
            try:
                verdicts += self._asked(name, detector, view, watched, held)
            except Exception as error:
                self.failed(name, f"failed ({error!r:.500})")
        return verdicts + self._switched_off(view)

    def failed(self, name: str, sentence: str) -> None:
        """Count a failure of a detector; the sentence says which."""
        before = self.failures.get(name, Failure(0, ""))
        self.failures[name] = Failure(before.count + 1, " ".join(sentence.split()))

    def learnt(self, name: str) -> bytes | None:
        """What a detector would have saved; None where it fails to say."""
        try:
            state = self.detectors[name].save()
            if type(state) is bytes:
                return state
            raise TypeError(f"save() gave {type(state).__name__}, not bytes")
        except Exception as error:
            self.failed(name, f"could not save its state ({error!r:.500})")
            return None

    def _asked(
        self,
        name: str,
        detector: Detector,
        view: View,
        watched: Callable[[str, str], bool],
        held: Callable[[str], str | None],
    ) -> list[Verdict]:
        scores = detector.observe(view)
        if mistake := mistake_in(scores, view):
            raise ValueError(mistake)
        verdicts: list[Verdict] = []
        raised: list[int] = np.flatnonzero(scores.severity != NONE).tolist()
        firing = {index for index in raised if watched(view.scopes[index], name)}
        scopes = {scope for detector, scope in self.standing if detector == name}
        cleared = [index for index in _indices(view, scopes) if index not in firing]
        for index in sorted(firing):
            verdict = self._firing(name, detector, view, scores, index)
            if verdict is not None:
                verdicts.append(verdict)
        for index in cleared:
            why = held(view.scopes[index])
            if why is not None:
                verdicts += self._standing_on(name, view, index, why)
                continue
            score = float(np.nan_to_num(scores.score[index]))
            verdicts.append(self._cleared(name, view, index, score, int(scores.window_s[index])))
        self.scores[name] = scores
        return verdicts

    def _firing(
        self, name: str, detector: Detector, view: View, scores: Scores, index: int
    ) -> Verdict | None:
        severity = int(scores.severity[index])
        tier = scores.tiers[int(scores.tier[index])]
        key = (name, view.scopes[index])
        known = self.standing.get(key)
        if known is None:
            onset_s = int(scores.onset_s[index])
        else:
            onset_s = min(known.onset_s, int(scores.onset_s[index]))
            same = (known.severity, known.tier) == (severity, tier)
            lasting = view.time_s - onset_s > FRESH_S
            if same and lasting and view.time_s - known.told_s < self._refresh_s:
                return None
        reason = detector.reason(view, scores, index)
        if not isinstance(reason, str):
            raise TypeError(f"its reason is {type(reason).__name__}, no text")
        self.standing[key] = Standing(severity, tier, onset_s, view.time_s)
        score, window_s = float(scores.score[index]), int(scores.window_s[index])
        return Verdict(name, index, severity, tier, score, window_s, onset_s, reason[:_REASON])

    def _standing_on(self, name: str, view: View, index: int, why: str) -> list[Verdict]:
        known = self.standing[name, view.scopes[index]]
        if view.time_s - known.told_s < self._refresh_s:
            return []
        known.told_s = view.time_s
        return [Verdict(name, index, known.severity, known.tier, 1.0, 0, known.onset_s, why)]

    def _switched_off(self, view: View) -> list[Verdict]:
        """What stands of detectors that do not run any more: nobody else would ever say that it is over."""
        gone = [key for key in self.standing if key[0] not in self.detectors]
        return [self._cleared(name, view, view.scopes.index(scope), 0.0, 0) for name, scope in gone]

    def _cleared(self, name: str, view: View, index: int, score: float, window_s: int) -> Verdict:
        known = self.standing.pop((name, view.scopes[index]))
        return Verdict(name, index, NONE, known.tier, score, window_s, known.onset_s, "")

    def save(self) -> bytes:
        return msgspec.msgpack.encode([(*key, standing) for key, standing in self.standing.items()])

    def load(self, value: bytes) -> None:
        rows = msgspec.msgpack.decode(value, type=list[tuple[str, str, Standing]])
        self.standing = {(detector, scope): standing for detector, scope, standing in rows}


def _indices(view: View, scopes: set[str]) -> list[int]:
    return [index for index, scope in enumerate(view.scopes) if scope in scopes] if scopes else []

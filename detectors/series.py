"""The contract of a scorer of one series: a reading at a time in, how unusual it is out."""

from typing import ClassVar, Protocol


class SeriesScorer(Protocol):
    """Judges one series of readings, each as it comes, by what came before it.

    It must be deterministic, never see the future, use bounded memory and time a reading, and survive NaN,
    gaps, repeated times and steps back; `save` gives plain bytes, no pickle.
    """

    name: ClassVar[str]

    def score(self, time_s: float, value: float) -> float:
        """How unusual the reading is, from 0 (as ever) to 1; `time_s` in epoch seconds, NaN for no value."""

    def save(self) -> bytes:
        """Everything learnt so far."""

    def load(self, state: bytes) -> None:
        """Take up again what `save` gave; must accept the output of the same version."""

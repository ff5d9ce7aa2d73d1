"""How a source usually is, window by window, and what has changed: who owns its money, how late it is."""

import msgspec

from detectors.late_source import LateSource
from detectors.lost_labels import LEARNT_FROM, REMEMBERED, LostLabels


class Lag(msgspec.Struct, array_like=True):
    """By how many seconds the estimates of one source are late; the other fields are as in `Owned`."""

    usual_s: float = 0.0
    lag_s: float = 0.0
    known: int = 0
    agreed: int = 0
    since_s: int = 0
    late: bool = False

    def window(self, kind: LateSource, lag_s: float, usd_per_hour: float, from_s: int) -> None:
        """Take one more window, which began at `from_s`, of a source with that rate."""
        params = kind.params
        self.lag_s = lag_s
        shows = kind.score(self.usual_s, lag_s) >= 1 and usd_per_hour >= params.floor_usd_per_hour
        if _teaches(self, shows, params.told_for_s, from_s):
            self.agreed, self.late = 0, False
            self.known = min(self.known + 1, REMEMBERED)
            self.usual_s += (lag_s - self.usual_s) / self.known
        else:
            self.late = params.enabled and self.agreed >= params.windows


class Owned(msgspec.Struct, array_like=True):
    """Dollars an hour of one source: what is usual, and what the last window had. Part of its state row.

    `known` windows made the usual. `agreed` windows in a row have shown a loss, since `since_s`; it is told
    once they are enough. `fed` is what the source fed most before."""

    usual_owned: float = 0.0
    usual_unowned: float = 0.0
    owned: float = 0.0
    unowned: float = 0.0
    known: int = 0
    agreed: int = 0
    since_s: int = 0
    fed: list[str] = []
    lost: bool = False

    def window(self, kind: LostLabels, owned: float, unowned: float, from_s: int, fed: list[str]) -> None:
        """Take one more window, which began at `from_s`; before it the source fed `fed` most."""
        self.owned, self.unowned = owned, unowned
        if not self.agreed:
            self.fed = fed
        shows = kind.score(self.usual_owned, self.usual_unowned, owned, unowned) >= 1
        if _teaches(self, shows, kind.params.told_for_s, from_s):
            self._learn(owned, unowned)
        else:
            self.lost = kind.params.enabled and self.agreed >= kind.params.windows

    def _learn(self, owned: float, unowned: float) -> None:
        self.agreed, self.lost, self.fed = 0, False, []
        self.known = min(self.known + 1, REMEMBERED)
        self.usual_owned += (owned - self.usual_owned) / self.known
        self.usual_unowned += (unowned - self.usual_unowned) / self.known


def _teaches(habit: Owned | Lag, shows: bool, told_for_s: int, from_s: int) -> bool:
    """Whether a window says what is usual. One that shows a change does not, until enough is known to call it
    one, or until it has been told for long enough: then all is learnt anew."""
    if not shows:
        return True
    if habit.known < LEARNT_FROM:
        habit.known = 0
        return True
    if not habit.agreed:
        habit.since_s = from_s
    habit.agreed += 1
    if from_s - habit.since_s >= told_for_s:
        habit.known = 0
        return True
    return False

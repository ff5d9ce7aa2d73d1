"""What of a source's money has an owner, window by window, and whether that has changed."""

import msgspec

from detectors.lost_labels import LEARNT_FROM, REMEMBERED, LostLabels


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
        params = kind.params
        self.owned, self.unowned = owned, unowned
        shows = kind.score(self.usual_owned, self.usual_unowned, owned, unowned) >= 1
        if shows and self.known < LEARNT_FROM:
            self.known = 0  # what is usual is not known yet, and learnt anew
        if not shows or not self.known:
            self._learn(owned, unowned)
            return
        if not self.agreed:
            self.since_s, self.fed = from_s, fed
        self.agreed += 1
        if from_s - self.since_s >= params.told_for_s:
            self.known = 0  # that is how the source is
            self._learn(owned, unowned)
            return
        self.lost = params.enabled and self.agreed >= params.windows

    def _learn(self, owned: float, unowned: float) -> None:
        self.agreed, self.lost, self.fed = 0, False, []
        self.known = min(self.known + 1, REMEMBERED)
        self.usual_owned += (owned - self.usual_owned) / self.known
        self.usual_unowned += (unowned - self.usual_unowned) / self.known

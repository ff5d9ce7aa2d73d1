"""Kind `lost-labels`: what a source sends has no owner any more. Found by the meter."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

from pydantic import Field

from detectors.contract import Params
from detectors.scoring import usd

LEARNT_FROM: Final = 6
"""windows of 5 minutes that must be known before anything is missed: half an hour"""
REMEMBERED: Final = 12
"""windows of which the usual is the mean: what rises and falls with the day is followed within the hour"""


class LostLabelsParams(Params):
    """What counts as a loss, and for how long it is told."""

    least_share: Annotated[
        float,
        Field(
            gt=0, le=1, description="share of a source's owned money that must lose its owner: one in five"
        ),
    ] = 0.2
    windows: Annotated[
        int, Field(ge=1, description="windows of 5 minutes in a row that must show it: 10 minutes")
    ] = 2
    told_for_s: Annotated[
        int, Field(ge=60, description="how long the ticket stands at most; then that is how the source is")
    ] = 86_400


class LostLabels:
    """A source lost its labels.

    Severity: ticket.

    Of each source two rates are known, by windows of 5 minutes: what has an owner, and what has none
    (`owner_label`, after owner rules; it is in `unmapped`). What was lost is by how much the first fell below
    its usual, or by how much the second rose over its own, whichever is less: a job without labels that
    begins beside the others takes no owner away, nor does one that ends. Score: dollars an hour lost, divided
    by `floor_usd_per_hour` or by `least_share` of the usual owned rate, whichever is more; 1 is just over.

    Usual is the mean of the last hour of windows; a loss teaches nothing. A source that never had labels
    has lost none: the scope `unmapped` tells of that.

    Onset: the beginning of the first window that showed it. The ticket ends with the first window that does
    not, after `told_for_s`, or when the source is gone.

    Reference: a control chart with a rule of runs (Western Electric, 1956), of two figures that must move
    against each other.

    >>> kind = LostLabels(LostLabelsParams())
    >>> kind.score(usual_owned=30.0, usual_unowned=1.0, owned=12.0, unowned=19.0)
    3.0
    >>> kind.score(usual_owned=30.0, usual_unowned=1.0, owned=30.0, unowned=19.0)
    0.0
    """

    name: ClassVar[str] = "lost-labels"
    params_type: ClassVar[type[Params]] = LostLabelsParams

    def __init__(self, params: Params) -> None:
        assert isinstance(params, LostLabelsParams)
        self.params = params

    def score(self, usual_owned: float, usual_unowned: float, owned: float, unowned: float) -> float:
        """Dollars an hour, of one source."""
        lost = max(0.0, min(usual_owned - owned, unowned - usual_unowned))
        least = max(self.params.floor_usd_per_hour, self.params.least_share * usual_owned)
        return round(lost / least, 9)


def reason(
    source: str, usual_owned: float, usual_unowned: float, owned: float, unowned: float, fed: Sequence[str]
) -> str:
    """What a person should know; the first sentence is the headline. `fed` are scopes that it fed before.

    >>> for said in reason("opencost/eu-1", 30.0, 1.0, 12.0, 19.0, ["service=shop/web"]).split(". "):
    ...     print(said)
    opencost/eu-1 has lost labels: $18.00/h that had an owner has none now
    Without an owner is 61 % of what it sends; 3 % is usual
    It is still counted, in unmapped and total, but reaches no owner's figures, budget or page
    Before, it fed service=shop/web most: what these show is too low now.
    """
    lost = min(usual_owned - owned, unowned - usual_unowned)
    now, usual = _percent(unowned, owned), _percent(usual_unowned, usual_owned)
    said = [
        f"{source} has lost labels: {usd(lost)}/h that had an owner has none now.",
        f"Without an owner is {now} of what it sends; {usual} is usual.",
        "It is still counted, in unmapped and total, but reaches no owner's figures, budget or page.",
    ]
    if fed:
        said.append(f"Before, it fed {', '.join(fed)} most: what these show is too low now.")
    return " ".join(said)


def _percent(part: float, rest: float) -> str:
    return f"{part / (part + rest):.0%}".replace("%", " %") if part + rest > 0 else "0 %"

"""Kind `late-source`: what a source sends arrives ever later. Found by the meter, which sees it arrive."""

from typing import Annotated, ClassVar

from pydantic import Field

from detectors.contract import Params
from detectors.scoring import span, usd


class LateSourceParams(Params):
    """What counts as late, and for how long it is told."""

    times: Annotated[float, Field(gt=1, description="late at so many times its usual lag")] = 3.0
    least_s: Annotated[
        int,
        Field(
            ge=1, description="but only if that is so many seconds more than usual: pages are due in 6 min"
        ),
    ] = 600
    windows: Annotated[
        int, Field(ge=1, description="windows of 5 minutes in a row that must show it: 10 minutes")
    ] = 2
    told_for_s: Annotated[
        int, Field(ge=60, description="how long the ticket stands at most; then that is how the source is")
    ] = 86_400


class LateSource:
    """A source lags.

    Severity: ticket.

    Its lag is by how much an estimate arrives after the time at which it ends: the least of a window of 5
    minutes, so that a source which sends old estimates beside new ones does not lag. Arrived is what Kafka or
    the ingest has: how far burnline itself is behind is no part of it. Score: the lag, divided by `times` its
    usual lag or by the usual one and `least_s`, whichever is more; 1 is just over. One whose last rate was
    below `floor_usd_per_hour` is not judged.

    Usual is the mean of the last hour of windows; a lag that is told teaches nothing.

    Onset: the beginning of the first window that showed it, by the estimates' own time. The ticket ends with
    the first window that does not, after `told_for_s`, or when the source is gone.

    Reference: the event-time skew of stream processing (Akidau et al., The Dataflow Model, 2015).

    >>> kind = LateSource(LateSourceParams())
    >>> kind.score(usual_s=60, lag_s=1320)
    2.0
    >>> kind.score(usual_s=86_400, lag_s=129_600)
    0.5
    """

    name: ClassVar[str] = "late-source"
    params_type: ClassVar[type[Params]] = LateSourceParams

    def __init__(self, params: Params) -> None:
        assert isinstance(params, LateSourceParams)
        self.params = params

    def score(self, usual_s: float, lag_s: float) -> float:
        return round(lag_s / max(self.params.times * usual_s, usual_s + self.params.least_s), 9)


def reason(source: str, usual_s: float, lag_s: float, usd_per_hour: float) -> str:
    """What a person should know; the first sentence is the headline.

    >>> for said in reason("opencost/eu-1", 60, 1320, 31.2).split(". "):
    ...     print(said)
    opencost/eu-1 lags: its estimates arrive 22 min late, 60 s is usual
    What it meters ($31.20/h) is seen that much later: a runaway there pages 22 min late
    Nothing is lost; what arrives late counts in the hour to which it belongs.
    """
    return (
        f"{source} lags: its estimates arrive {span(lag_s)} late, {span(usual_s)} is usual. "
        f"What it meters ({usd(usd_per_hour)}/h) is seen that much later: a runaway there pages "
        f"{span(lag_s)} late. "
        "Nothing is lost; what arrives late counts in the hour to which it belongs."
    )

"""Kind `metering-gap`: a source went silent. Found by the meter, which hears the sources."""

from collections.abc import Sequence
from statistics import median
from typing import Annotated, ClassVar, Final

from pydantic import Field

from detectors.contract import Params
from detectors.scoring import span, usd

LEARNT_FROM: Final = 8
"""gaps between what a source says that must be known before it is missed"""
REMEMBERED: Final = 32
"""gaps of which the cadence is the median"""
# A collector keeps its cadence; what is skipped doubles a gap. Of 32 exponential gaps (builds, say) all stay
# below 2.5 medians with a chance of (1 - exp(-2.5 ln 2))^32 = 0.2 %.
REGULAR: Final = 2.5


class MeteringGapParams(Params):
    """What counts as silence, and how long it is bridged."""

    cadences: Annotated[
        float, Field(gt=1, description="silent after so many of its usual gaps; one message may get lost")
    ] = 3.0
    least_s: Annotated[
        int, Field(ge=1, description="but not before so many seconds: a collector restarts in less")
    ] = 60
    irregular_s: Annotated[
        int, Field(ge=1, description="silent after so long if it has no cadence: 3 days outlast a weekend")
    ] = 3 * 86_400
    carry_for_s: Annotated[
        int,
        Field(
            ge=0,
            description="how long its last rate is carried forward as interim, 0: not at all; within an hour "
            "what a day does to it is little",
        ),
    ] = 3600
    forget_after_s: Annotated[
        int, Field(ge=60, description="after so long a silent source is taken to be gone for good")
    ] = 86_400


class MeteringGap:
    """A source went silent.

    Severity: ticket.

    A source is who sends estimates, by the `source` of its messages. Its cadence is the median of the last 32
    gaps between messages that moved its time on. Score: for how long it has been silent, divided by how long
    that may last (`cadences` x cadence, at least `least_s`); 1 is just over. A source whose longest gap is
    over 2.5 of its cadences has none, and is missed after `irregular_s`. One whose last rate was below
    `floor_usd_per_hour` is not missed: pods that send for themselves come and go.

    Onset: up to when its estimates reach. From there on its last rate (of 5 minutes, or of a cadence where
    that is longer) is carried forward for `carry_for_s` and shown as *interim*, as far as the scopes that it
    fed have really fallen; it is no part of any total and gives way to what arrives late. While it is
    silent no alert on such a scope is told to be over, since nothing says so. The ticket ends when the source
    speaks again; that of one which goes on under another name ends after `forget_after_s`.

    Reference: the dead man's switch of Prometheus, `absent()` with a memory of how often it used to come.

    >>> MeteringGap(MeteringGapParams()).silent_after_s([10.0] * 8)
    60.0
    >>> MeteringGap(MeteringGapParams()).silent_after_s([60.0] * 7 + [125.0])
    180.0
    >>> MeteringGap(MeteringGapParams()).silent_after_s([1.0, 2.0, 3.0, 40.0, 1.0, 2.0, 3.0, 5.0])
    259200.0
    """

    name: ClassVar[str] = "metering-gap"
    params_type: ClassVar[type[Params]] = MeteringGapParams

    def __init__(self, params: Params) -> None:
        assert isinstance(params, MeteringGapParams)
        self.params = params

    def silent_after_s(self, gaps_s: Sequence[float]) -> float | None:
        """For how long a source with these gaps may be silent; None while too few are known."""
        if len(gaps_s) < LEARNT_FROM:
            return None
        cadence_s = median(gaps_s)
        if max(gaps_s) > REGULAR * cadence_s:
            return float(self.params.irregular_s)
        return max(float(self.params.least_s), self.params.cadences * cadence_s)


def reason(
    source: str,
    silent_s: int,
    cadence_s: float,
    usd_per_hour: float,
    left_s: int,
    fed: Sequence[str],
    count: int,
) -> str:
    """What a person should know of a silent source; the first sentence is the headline.

    >>> reason("opencost/eu-1", 190, 10, 31.2, 0, [], 0).split(". ")
    ['opencost/eu-1 has been silent for 3 min; its last rate was $31.20/h', 'That rate is no longer carried \
forward: what it fed looks cheaper than it is', 'It used to speak every 10 s.']
    """
    said = [f"{source} has been silent for {span(silent_s)}; its last rate was {usd(usd_per_hour)}/h."]
    if left_s > 0:
        said.append(f"That rate is carried forward as interim for {span(left_s)} more.")
    else:
        said.append("That rate is no longer carried forward: what it fed looks cheaper than it is.")
    if cadence_s:
        said.append(f"It used to speak every {span(cadence_s)}.")
    if fed:
        said.append(f"It fed {count} scope{'' if count == 1 else 's'}, most of all {', '.join(fed)}.")
    return " ".join(said)

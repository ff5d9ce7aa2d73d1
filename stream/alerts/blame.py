"""Which deploy is most likely to blame for an alert, and what else happened beside it.

Bayes' rule over "none of them" and each deploy that fits the scope. What speaks for one is how well its time
fits, held against how often such deploys happen anyway:

    odds of a deploy : odds of none  =  PRIOR / (1 - PRIOR) × fit × density(lag) / rate of others that fit

A service that was deployed once in the last day, 2 minutes before it burns: 0.5 / 0.5 × 1 × 0.00101 /
(0.5 / 86,400) = 174, so 99 %. One of 300 deploys of a day: 0.29, so 23 % at most, and "none".
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from stream.schema.alerts import Blame, Happening
from stream.schema.deploys import CONTEXT, Deploy

Labels = Mapping[str, str]
Part = tuple[Labels, float]

DAY_S: Final = 86_400
# Before any time is looked at, as many alerts come from a deploy as not. Of outages it is said to be 70 %; of
# spend, prices, traffic and theft are causes too.
PRIOR: Final = 0.5
# From the deploy to the onset as it is estimated. Half of all lags are below 3 × 300 s = 15 min, a fifth is
# over 2 h, 1 - (1 + t / 300 s) ** -0.5: a log that grows by the hour shows late.
_SCALE_S: Final = 300.0
_TAIL: Final = 0.5
BEFORE_S: Final = 6 * 3600
# An onset is good to a minute where a short window decided, to five where hours did: a deploy that much
# after it may still be the cause.
_SLACK_S: Final = (60, 300)
_WINDOWS_A_SLACK: Final = 12  # 1 h / 12 = 5 min
_SEEN: Final = 0.5  # other deploys a day that are taken for granted: none in a day may be one in two
# What else happened is told from half an hour before the onset on.
CONTEXT_S: Final = 1800
_MOST: Final = 3


class Onset(NamedTuple):
    """When it began, and the window that decided: how exactly that is known."""

    time_s: int
    window_s: int

    @property
    def slack_s(self) -> float:
        return min(max(self.window_s / _WINDOWS_A_SLACK, _SLACK_S[0]), _SLACK_S[1])


def blame(known: Iterable[Deploy], onset: Onset, labels: Labels, parts: Sequence[Part] = ()) -> Blame | None:
    """The likeliest deploy; None where it is likelier that none is to blame.

    `parts` are the labels of narrower scopes with their shares of the excess: of a wide scope they say where
    it burns.
    """
    fitting: list[tuple[float, Deploy]] = []
    for deploy in known:
        if (
            deploy.kind in CONTEXT
            or not onset.time_s - DAY_S <= deploy.time_s <= onset.time_s + 5 * onset.slack_s
        ):
            continue
        if (fit := _fit(deploy.labels, labels, parts)) > 0:
            fitting.append((fit, deploy))
    whole_day = sum(fit for fit, _ in fitting) + _SEEN
    odds = [
        (PRIOR / (1 - PRIOR) * fit * _density(deploy, onset) * DAY_S / (whole_day - fit), deploy)
        for fit, deploy in fitting
    ]
    whole = 1 + sum(each for each, _ in odds)
    if not odds:
        return None
    best, deploy = max(odds, key=lambda pair: (pair[0], pair[1].time_s, pair[1].what))
    if best < 1:  # than none
        return None
    return Blame(what=deploy.what, time_s=deploy.time_s, probability=round(best / whole, 3), url=deploy.url)


def happenings(
    known: Iterable[Deploy], onset_s: int, now_s: int, labels: Labels, parts: Sequence[Part] = ()
) -> tuple[Happening, ...]:
    """Changes of scale and of prices around the onset, in order of time. Steps of one scaling are one."""
    groups: dict[tuple[str, str], list[Deploy]] = {}
    for deploy in known:
        if deploy.kind in CONTEXT and onset_s - CONTEXT_S <= deploy.time_s <= now_s:
            everywhere = not deploy.labels
            if everywhere or _fit(deploy.labels, labels, parts) > 0:
                about = str(sorted(deploy.labels.items())) if deploy.labels else deploy.what
                groups.setdefault((deploy.kind, about), []).append(deploy)
    told = sorted((_told(steps) for steps in groups.values()), key=lambda one: (one.time_s, one.what))
    return tuple(told[:_MOST])


def _fit(deploy: Labels, labels: Labels, parts: Sequence[Part]) -> float:
    """How much of what burns a deploy has touched, 0 to 1: of a narrow scope the share of its labels that the
    deploy names, 0 where they contradict each other in one; of a wide one the same of its parts."""
    own = _overlap(deploy, labels)
    if not any(part for part, _ in parts):
        return own
    if labels and own == 0 and any(deploy.get(name, value) != value for name, value in labels.items()):
        return 0.0
    return sum(share * _overlap(deploy, part) for part, share in parts)


def _overlap(deploy: Labels, labels: Labels) -> float:
    shared = labels.keys() & deploy.keys()
    if not shared or any(labels[name] != deploy[name] for name in shared):
        return 0.0
    return len(shared) / len(labels)


def _density(deploy: Deploy, onset: Onset) -> float:
    """How likely that lag is, a second. What lasts begins to matter at any time of it."""
    highest = _TAIL / _SCALE_S
    if onset.time_s < deploy.time_s:
        return highest * math.exp((onset.time_s - deploy.time_s) / onset.slack_s)
    lag_s = max(0, onset.time_s - max(deploy.end_s or 0, deploy.time_s))
    return highest * (1 + lag_s / _SCALE_S) ** -(_TAIL + 1) if lag_s <= BEFORE_S else 0.0


def _told(steps: Sequence[Deploy]) -> Happening:
    steps = sorted(steps, key=lambda step: (step.time_s, step.count_after or 0))
    what = max((step.what for step in steps), key=len)
    before = next((step.count_before for step in steps if step.count_before is not None), None)
    after = next((step.count_after for step in reversed(steps) if step.count_after is not None), None)
    if after is not None:
        counts = f"to {after:,}" if before is None else f"from {before:,} to {after:,}"
        what = what.replace(" scaled", f" scaled {counts}", 1) if " scaled" in what else f"{what}, {counts}"
    first = steps[0]
    return Happening(kind=first.kind, what=what, time_s=first.time_s, until_s=steps[-1].time_s, url=first.url)

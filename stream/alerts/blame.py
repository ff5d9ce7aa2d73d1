"""Which deploy is most likely to blame for an alert."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from stream.schema.alerts import Blame
from stream.schema.deploys import Deploy

BEFORE_S: Final = 30 * 60
AFTER_S: Final = 2 * 60
# A bad deploy shows within minutes: at 10 min its chance has fallen to 1/e. An onset is an estimate, good
# to some tens of seconds, so a deploy just after it may still be the cause, but soon is not.
_DECAY_BEFORE_S: Final = 600.0
_DECAY_AFTER_S: Final = 60.0
_MOST: Final = 0.9  # the best of matches is still a coincidence now and then


def blame(deploys: Iterable[Deploy], onset_s: int, labels: Mapping[str, str]) -> Blame | None:
    """The likeliest deploy from 30 min before `onset_s` to 2 min after it; None when none fits.

    A deploy fits a scope when they share at least one label and contradict each other in none. Its
    probability is 0.9 × (share of the scope's labels that it names) × exp(-distance / 10 min), with
    1 min in place of 10 for a deploy after the onset. It ranks suspects; it was not fitted to any data.
    """
    suspects = [
        (probability, deploy)
        for deploy in deploys
        if (probability := _probability(deploy, onset_s, labels)) > 0
    ]
    if not suspects:
        return None
    probability, deploy = max(suspects, key=lambda suspect: (suspect[0], suspect[1].time_s, suspect[1].what))
    return Blame(what=deploy.what, time_s=deploy.time_s, probability=round(probability, 3), url=deploy.url)


def _probability(deploy: Deploy, onset_s: int, labels: Mapping[str, str]) -> float:
    before_s = onset_s - deploy.time_s
    if not -AFTER_S <= before_s <= BEFORE_S:
        return 0.0
    shared = labels.keys() & deploy.labels.keys()
    if not shared or any(labels[name] != deploy.labels[name] for name in shared):
        return 0.0
    decay_s = _DECAY_BEFORE_S if before_s >= 0 else _DECAY_AFTER_S
    return _MOST * len(shared) / len(labels) * math.exp(-abs(before_s) / decay_s)

"""Which alerts a destination that has had the first transitions of the log holds to be firing."""

from collections.abc import Iterable

from stream.config_notify import Place
from stream.notify.selection import Selection
from stream.schema.alerts import Alert, State


def still_firing(transitions: Iterable[Alert], settings: Place) -> list[Alert]:
    """The last transition of each alert of this destination that has not ended, in the order in which they
    came."""
    firing: dict[str, Alert] = {}
    selection = Selection(settings)
    for alert in transitions:
        wanted = selection.wants(alert)
        selection.passed(alert)
        for key in (alert.previous_key, alert.dedup_key):
            if key is not None:
                firing.pop(key, None)
        if wanted and alert.state not in (State.PENDING, State.RESOLVED):
            firing[alert.dedup_key] = alert
    return list(firing.values())

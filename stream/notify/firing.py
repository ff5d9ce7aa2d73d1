"""Which alerts a destination that has had the first transitions of the log holds to be firing."""

from collections.abc import Iterable

from stream.schema.alerts import Alert, State


def still_firing(transitions: Iterable[Alert]) -> list[Alert]:
    """The last transition of each alert that has not ended, in the order in which they came."""
    firing: dict[str, Alert] = {}
    for alert in transitions:
        for key in (alert.previous_key, alert.dedup_key):
            if key is not None:
                firing.pop(key, None)
        if alert.state not in (State.PENDING, State.RESOLVED):
            firing[alert.dedup_key] = alert
    return list(firing.values())

"""Which alerts a destination gets: those of its severities, and how each that it got goes on."""

from stream.config_notify import Place
from stream.schema.alerts import ACTION, DELIVERY, TEST, Alert, State


class Selection:
    """Follows the log of one destination, from its beginning or from what fired at some place of it.

    An alert that a destination got may leave its severities: a ticket becomes a page. It then hears of that
    too, and of the end; or its ticket would stay open for ever.
    """

    def __init__(self, settings: Place) -> None:
        self._severities = settings.severities
        self._name = settings.name
        self._open: set[str] = set()

    def wants(self, alert: Alert) -> bool:
        if alert.about in (TEST, ACTION):  # no part of the log that goes on
            return False
        if alert.about == DELIVERY and alert.destination == self._name:  # what it can't be told
            return False
        return alert.severity in self._severities or not self._open.isdisjoint(
            (alert.dedup_key, alert.previous_key)
        )

    def passed(self, alert: Alert) -> None:
        """The destination has got this transition, or did not want it."""
        wanted = self.wants(alert)
        self._open.discard(alert.previous_key or "")
        self._open.discard(alert.dedup_key)
        if wanted and alert.state not in (State.PENDING, State.RESOLVED):
            self._open.add(alert.dedup_key)

    def opened(self, alert: Alert) -> None:
        """The destination got this before a restart, and it still fires."""
        self._open.add(alert.dedup_key)

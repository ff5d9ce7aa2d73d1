"""What a shell does for a deliverer."""

from collections.abc import Mapping
from typing import Protocol

from stream.schema.actions import Entry
from stream.schema.alerts import Alert


class Desk(Protocol):
    """Where a deliverer writes. What is kept is durable at the latest with the position in the log."""

    async def keep(self, rows: Mapping[str, str | None]) -> None:
        """Rows of the destination's memory; None for one that is gone."""

    async def tell(self, alert: Alert) -> None:
        """Append to the log of alerts, for the other destinations."""

    async def note(self, entry: Entry) -> None:
        """Append to the log of actions."""

    async def give_up(self, alert: Alert, detail: str) -> None:
        """Write a dead letter: the destination refused this alert for good."""

"""What a destination is: how an alert becomes an HTTP request. Delivery does the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from stream.schema.alerts import Alert


@dataclass(frozen=True, slots=True)
class Request:
    """One POST. Built anew for every attempt, since it may carry the time."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Destination(Protocol):
    """A place that alerts go to. It does no I/O and reads no clock; `now_ms` is that of the attempt."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    def request(self, alert: Alert, now_ms: int) -> Request:
        """What to post for a transition."""

    def settled(self, alert: Alert) -> None:
        """This transition was accepted, or refused for good."""

    def resume(self, alert: Alert) -> None:
        """This alert was delivered before a restart and still fires."""

    def repeat(self, now_ms: int) -> Request | None:
        """What to post once in `resend_s` so that the destination does not forget; None for nothing."""

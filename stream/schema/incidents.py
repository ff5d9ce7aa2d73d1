"""`incidents`: a window of time and a set of scopes whose cost beyond normal is accounted for.

Keyed by id. The latest record of an id is how the incident stands.
"""

import msgspec


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident. Times are UTC epoch seconds, the window is `[since_s, until_s)`.

    `until_s` is None while it lasts. `contained_s` is when the cause was stopped, which can be before the
    end; None if nobody has said. `opened_by` names who or what opened it, at `opened_s`. `closed` tells
    that its window is settled.
    """

    id: str
    title: str
    scopes: tuple[str, ...]
    since_s: int
    until_s: int | None = None
    contained_s: int | None = None
    opened_by: str
    opened_s: int
    closed: bool = False


def encode(incident: Incident) -> bytes:
    return msgspec.json.encode(incident)


def decode(value: bytes) -> Incident:
    """Raises `msgspec.MsgspecError` when it is no incident."""
    return msgspec.json.decode(value, type=Incident)


def key(incident: Incident) -> bytes:
    return incident.id.encode()

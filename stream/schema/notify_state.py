"""`notify-state`: what a destination must still know after a restart, keyed `destination/row`.

The row `proof` is a `Proof`; the others are the destination's own, such as the thread of an alert.
"""

from typing import Final

import msgspec

PROOF: Final = "proof"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How one test delivery went. `id` is that of the test, `detail` why it failed."""

    id: str
    at_ms: int
    taken: bool
    detail: str = ""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What is being told about this destination at the others: `kind` is "failing" or "unproven"."""

    kind: str
    dedup_key: str
    since_ms: int


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a destination takes what it is sent, as far as is known. Times are the shell's clock.

    `settings` is a fingerprint of its configuration: what another address or key has proven proves nothing.
    `since_ms` is when this configuration was first seen, `proven_ms` when it last took something,
    `failing_since_ms` since when it takes nothing, and `detail` its last answer. `waiting` is the dedup key
    of the alert that it has not taken yet.
    """

    destination: str
    settings: str
    since_ms: int
    proven_ms: int | None = None
    failing_since_ms: int | None = None
    detail: str = ""
    blocked: bool = False
    waiting: str = ""
    trial: Trial | None = None
    alarm: Alarm | None = None


def key(destination: str, row: str) -> bytes:
    return f"{destination}/{row}".encode()


def split_key(key: bytes) -> tuple[str, str]:
    """Destination and row."""
    destination, _, row = key.decode().partition("/")
    return destination, row


def encode(proof: Proof) -> bytes:
    return msgspec.json.encode(proof)


def decode(value: bytes | str) -> Proof:
    return msgspec.json.decode(value, type=Proof)

"""`dead-letters`: what could not be read, why, from where, and its original bytes."""

import base64
from enum import StrEnum
from typing import Final

import msgspec


class Reason(StrEnum):
    """Why a record was rejected. One word a cause, so that counts can be compared over time."""

    MALFORMED_JSON = "malformed_json"
    WRONG_SCHEMA = "wrong_schema"
    NOT_UTF8 = "not_utf8"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_FINITE = "not_finite"
    NEGATIVE_QUANTITY = "negative_quantity"
    END_BEFORE_START = "end_before_start"
    SPAN_TOO_LONG = "span_too_long"
    IN_THE_FUTURE = "in_the_future"
    TOO_OLD = "too_old"
    COST_OUT_OF_RANGE = "cost_out_of_range"
    LABELS_INVALID = "labels_invalid"
    UNREADABLE_ROW = "unreadable_row"
    UNDELIVERABLE = "undeliverable"


# A broker takes 1 MB a record by default; base64 makes 4 bytes of 3, so 600 kB leave room for the rest.
ORIGINAL_LIMIT_BYTES: Final = 600_000


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One rejected record. `original` is base64; `original_bytes` is the whole length.

    An original over the limit is cut; topic, partition and offset still lead to the rest.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    reason: Reason
    detail: str
    cost_nusd: int
    original: str
    original_bytes: int


def encode(letter: DeadLetter) -> bytes:
    return msgspec.json.encode(letter)


def decode(value: bytes) -> DeadLetter:
    return msgspec.json.decode(value, type=DeadLetter)


def undeliverable(alert: bytes, offset: int, timestamp_ms: int, detail: str) -> DeadLetter:
    """An alert, as it is on `alerts` at this offset, that a destination refused for good."""
    return DeadLetter(
        topic="alerts",
        partition=0,
        offset=offset,
        timestamp_ms=timestamp_ms,
        reason=Reason.UNDELIVERABLE,
        detail=detail,
        cost_nusd=0,
        original=pack_original(alert),
        original_bytes=len(alert),
    )


def reason_of(error: Exception) -> Reason:
    """Why a record in JSON can't be read, from what msgspec raised."""
    if isinstance(error, UnicodeDecodeError):
        return Reason.NOT_UTF8
    if isinstance(error, RecursionError):
        return Reason.TOO_DEEP
    malformed = isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError)
    return Reason.MALFORMED_JSON if malformed else Reason.WRONG_SCHEMA


def shown(letter: DeadLetter, most: int = 200) -> str:
    """The beginning of the original for a terminal: what is no plain text is escaped, and moves nothing."""
    held = base64.b64decode(letter.original)
    original = held.decode("utf-8", "backslashreplace")
    escaped = (
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in original[:most]
    )
    more = len(original) > most or letter.original_bytes > len(held)
    return "".join(escaped) + ("…" if more else "")


def pack_original(original: bytes) -> str:
    return base64.b64encode(original[:ORIGINAL_LIMIT_BYTES]).decode("ascii")

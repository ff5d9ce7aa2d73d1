"""CloudEvents 1.0 over HTTP and Kafka: structured, batched and binary.

Over HTTP the attributes of binary mode are headers `ce-…`, percent-encoded; over Kafka `ce_…`.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec


class _Attributes(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    time: dt.datetime | None = None


class Event(msgspec.Struct):
    """What is of interest of one event; `identity` is the same when it is sent again."""

    type: str
    identity: str
    time: dt.datetime | None
    data: Any

    def moment_ms(self, timestamp_ms: int) -> int:
        """When it happened, `timestamp_ms` where it does not say."""
        if self.time is None:
            return timestamp_ms
        aware = self.time if self.time.tzinfo else self.time.replace(tzinfo=dt.UTC)
        return int(aware.timestamp() * 1000)


def structured(document: dict[str, Any]) -> Event:
    """Attributes and data in one object. Raises `msgspec.ValidationError` for what is no CloudEvent."""
    data = document.get("data")
    packed = document.get("data_base64")
    if isinstance(packed, str):
        try:
            data = msgspec.json.decode(base64.b64decode(packed, validate=True))
        except (binascii.Error, msgspec.MsgspecError) as error:
            raise msgspec.ValidationError(f"data_base64 holds no JSON: {error}") from None
    elif isinstance(data, str):  # some senders put JSON as text
        try:
            data = msgspec.json.decode(data)
        except msgspec.MsgspecError:
            raise msgspec.ValidationError(
                "Expected `object`, got text that is no JSON - at `$.data`"
            ) from None
    return _event(document, data)


def binary(headers: Mapping[str, str], data: Any) -> Event | None:
    """Attributes in headers; None where there are none."""
    for prefix in ("ce-", "ce_"):
        if f"{prefix}specversion" in headers:
            named = {
                name.removeprefix(prefix): unquote(value)
                for name, value in headers.items()
                if name.startswith(prefix)
            }
            return _event(named, data)
    return None


def _event(attributes: dict[str, Any], data: Any) -> Event:
    known = msgspec.convert(attributes, _Attributes)
    if not known.specversion.startswith("1."):
        raise msgspec.ValidationError(f"a CloudEvent of version {known.specversion}: send specversion 1.0")
    return Event(known.type, f"{known.source} {known.id}", known.time, data)

"""`deploys`: what changed in the estate, as CloudEvents (structured) or plain JSON."""

import datetime as dt
from typing import Any, Final

import msgspec

_YEAR_5138_S: Final = 100_000_000_000  # beyond it the sender meant milliseconds and multiplied again


class Deploy(msgspec.Struct, frozen=True, kw_only=True):
    """A deploy or a scale event. `labels` say what it touched, in the words of the estimates."""

    time_s: int
    kind: str
    what: str
    labels: dict[str, str]
    url: str = ""


class _Wire(msgspec.Struct):
    """Plain form. A CloudEvents envelope carries the same object under `data`."""

    what: str
    labels: dict[str, str]
    time: dt.datetime | int | None = None
    kind: str = "deploy"
    url: str = ""


def encode(deploy: Deploy) -> bytes:
    return msgspec.json.encode(
        {
            "what": deploy.what,
            "labels": deploy.labels,
            "time": deploy.time_s * 1000,
            "kind": deploy.kind,
            "url": deploy.url,
        }
    )


def decode(value: bytes, timestamp_ms: int) -> Deploy:
    """Read either form; `timestamp_ms` (the log's) stands in for a missing time.

    Raises `msgspec.MsgspecError`, `UnicodeDecodeError` or (nested too deep) `RecursionError` when it is
    neither.
    """
    document: dict[str, Any] = msgspec.json.decode(value, type=dict[str, Any])
    time: Any = document.get("time")
    if "specversion" in document:
        document = {"time": time, **msgspec.convert(document.get("data") or {}, dict[str, Any])}
    wire = msgspec.convert(document, _Wire, strict=False)
    if wire.time is None:
        time_s = timestamp_ms // 1000
    elif isinstance(wire.time, int):
        time_s = wire.time // 1000
    else:
        aware = wire.time if wire.time.tzinfo else wire.time.replace(tzinfo=dt.UTC)
        time_s = int(aware.timestamp())
    if not 0 <= time_s < _YEAR_5138_S:
        raise msgspec.ValidationError("Timestamp is out of range - at `$.time`")
    return Deploy(time_s=time_s, kind=wire.kind, what=wire.what, labels=wire.labels, url=wire.url)

"""One change, as burnline keeps it, and its plain form in JSON."""

import datetime as dt
from typing import Annotated, Any, Final

import msgspec

_YEAR_5138_S: Final = 100_000_000_000  # beyond it the sender meant milliseconds and multiplied again
# Kinds that say what else happened. Any other is a deploy, and may be to blame.
CONTEXT: Final = frozenset({"scale", "price"})
_WHAT: Final = 300  # characters that are kept; a page shows 200 of them
_WORD = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_LABELS = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=128)], Annotated[str, msgspec.Meta(max_length=1024)]],
    msgspec.Meta(max_length=64),
]
_COUNT = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Moment = dt.datetime | int


class Deploy(msgspec.Struct, frozen=True, kw_only=True):
    """A deploy, or what else happened. `labels` say what it touched, in the words of the estimates.

    It lasted from `time_s` to `end_s` where that is known. Of two with the same `id` the later one adds to
    the earlier. Of a `scale` the counts say how many pods (or nodes) there were and are, as far as is known.
    """

    time_s: int
    kind: str
    what: str
    labels: dict[str, str]
    url: str = ""
    id: str = ""
    end_s: int | None = None
    count_before: int | None = None
    count_after: int | None = None


class _Wire(msgspec.Struct):
    what: Annotated[str, msgspec.Meta(min_length=1)]
    labels: _LABELS
    time: Moment | None = None
    end: Moment | None = None
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "deploy"
    url: str = ""
    id: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    count_before: _COUNT | None = None
    count_after: _COUNT | None = None


def encode(deploy: Deploy) -> bytes:
    """The plain form. What is not known is left out."""
    optional = {
        "end": None if deploy.end_s is None else deploy.end_s * 1000,
        "id": deploy.id or None,
        "count_before": deploy.count_before,
        "count_after": deploy.count_after,
    }
    return msgspec.json.encode(
        {
            "what": deploy.what,
            "labels": deploy.labels,
            "time": deploy.time_s * 1000,
            "kind": deploy.kind,
            "url": deploy.url,
            **{name: value for name, value in optional.items() if value is not None},
        }
    )


def plain(document: dict[str, Any], timestamp_ms: int) -> Deploy:
    """Read the plain form; raises `msgspec.ValidationError`."""
    wire = msgspec.convert(document, _Wire, strict=False)
    return made(
        wire.what,
        wire.labels,
        wire.time,
        timestamp_ms,
        end=wire.end,
        kind=wire.kind,
        url=wire.url,
        id=wire.id,
        count_before=wire.count_before,
        count_after=wire.count_after,
    )


def made(
    what: str,
    labels: dict[str, str],
    time: Moment | None,
    timestamp_ms: int,
    *,
    end: Moment | None = None,
    **rest: Any,
) -> Deploy:
    """A deploy of what has been read. `timestamp_ms` (the log's) stands in for a missing time; labels without
    a value are left out."""
    time_s = timestamp_ms // 1000 if time is None else _seconds(time, "time")
    end_s = None if end is None else max(_seconds(end, "end"), time_s)
    labels = {name: value for name, value in labels.items() if value}
    return Deploy(time_s=time_s, end_s=end_s, what=what[:_WHAT], labels=labels, **({"kind": "deploy"} | rest))


def _seconds(moment: Moment, name: str) -> int:
    """A time in RFC 3339 or epoch milliseconds, as seconds."""
    if isinstance(moment, int):
        seconds = moment // 1000
    else:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        seconds = int(aware.timestamp())
    if not 0 <= seconds < _YEAR_5138_S:
        raise msgspec.ValidationError(f"Timestamp is out of range - at `$.{name}`")
    return seconds

"""`usage` in columns: one envelope of many estimates, for agents that send much.

    {"source": "agent/node-17", "epoch": 7, "seq": 1201, "labels": {"cluster": "eu-1"},
     "series": [{"driver": "pod_hours", "sku": "m5.large", "labels": {"namespace": "shop"}},
                {"driver": "egress_bytes", "labels": {"namespace": "cart"}}],
     "origin": 1767225600000,
     "columns": {"series": [0, 1, 0], "start": [0, 200, 10000], "end": [10000, 900, 20000],
                 "quantity": [0.0027778, 52428800, 0.0027778], "cost_nusd": [111111, 4718592, 111111]}}

What is text stands once, in `series`; the column `series` says by its place, from 0, which one each estimate
is of. That column is a list; any other may be one value, which then is that of every estimate. `start` and
`end` are milliseconds from `origin`, which is the epoch where it is left out. A cost is `cost_nusd`, whole
nano-dollars, or `cost_usd`, as in a single estimate.
"""

from typing import Final

import msgspec

from stream.schema.usage import NO_LABELS, Int64


class Series(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What estimates have in common that is text."""

    driver: str
    sku: str = ""
    labels: msgspec.Raw = NO_LABELS


class Columns(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A list is as long as `series`; a value that is no list holds for every estimate."""

    series: list[int]
    start: list[int] | int
    end: list[int] | int
    quantity: list[float] | float | msgspec.UnsetType = msgspec.UNSET
    cost_usd: list[float] | float | msgspec.UnsetType = msgspec.UNSET
    cost_nusd: list[int] | int | msgspec.UnsetType = msgspec.UNSET


class Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    series: list[Series]
    columns: Columns
    source: str = ""
    epoch: Int64 = 0
    seq: Int64 = -1
    labels: msgspec.Raw = NO_LABELS
    origin: int = 0


class ExactSeries(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """`Series` where an explicit null is allowed, as in a single estimate."""

    driver: str
    sku: str | None = None
    labels: msgspec.Raw = NO_LABELS


class RawColumns(msgspec.Struct, forbid_unknown_fields=True):
    """`Columns` left unread, so that one bad estimate spoils only itself."""

    series: list[msgspec.Raw]
    start: msgspec.Raw
    end: msgspec.Raw
    quantity: msgspec.Raw = msgspec.Raw(b"null")
    cost_usd: msgspec.Raw = msgspec.Raw(b"null")
    cost_nusd: msgspec.Raw = msgspec.Raw(b"null")


class RawEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    series: list[msgspec.Raw]
    columns: RawColumns
    source: str = ""
    epoch: Int64 = 0
    seq: Int64 = -1
    labels: msgspec.Raw = NO_LABELS
    origin: int = 0


# Lax, as all of `usage`: numbers may come as strings.
decode: Final = msgspec.json.Decoder(Envelope, strict=False).decode
decode_raw: Final = msgspec.json.Decoder(RawEnvelope, strict=False).decode
decode_list: Final = msgspec.json.Decoder(list[Series], strict=False).decode
decode_series: Final = msgspec.json.Decoder(ExactSeries, strict=False).decode
decode_integer: Final = msgspec.json.Decoder(int, strict=False).decode
decode_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

"""`usage`: what people send. One JSON object, an array of them, or an envelope that shares labels; or an
envelope in columns (`usage_columns`).

    {"source": "opencost/eu-1", "epoch": 7, "seq": 1201, "labels": {"cluster": "eu-1"},
     "estimates": [{"start": 1767225600000, "end": 1767225660000, "driver": "pod_hours",
                    "quantity": 0.0166667, "cost_usd": "0.00067", "sku": "m5.large",
                    "labels": {"namespace": "shop", "pod": "checkout-7f"}}]}

`start` and `end` are epoch milliseconds, `[start, end)`. `cost_usd` (a string or a number) wins over a
price for `quantity`. Unknown fields are errors, so that a misspelt one is noticed.
"""

from decimal import Decimal
from typing import Annotated, Final

import msgspec

# The hot path reads money as a float and proves afterwards that no nano-dollar was lost; a field that
# is absent holds this value, which no JSON number short of the largest double can take.
MISSING: Final = -1.7976931348623157e308
NO_LABELS: Final = msgspec.Raw(b"{}")
FILE: Final = "file/"
"""How the names of sources begin that are files: one ends with its last row, and nobody waits for more."""
# What the meter remembers of a source is MessagePack, which holds no wider integers.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Usage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One usage over `[start, end)`, whoever's it is."""

    start: int
    end: int
    driver: str
    quantity: float = MISSING
    cost_usd: float = MISSING
    sku: str = ""


class Estimate(_Usage, forbid_unknown_fields=True, gc=False):
    """One usage over `[start, end)`. Labels stay raw bytes: equal bytes are resolved once."""

    labels: msgspec.Raw = NO_LABELS


class Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An envelope (`estimates` given) or a single estimate (`start`, `end`, `driver` given)."""

    source: str = ""
    epoch: Int64 = 0
    seq: Int64 = -1
    labels: msgspec.Raw = NO_LABELS
    estimates: list[Estimate] | msgspec.UnsetType = msgspec.UNSET
    start: int = -1
    end: int = -1
    driver: str = ""
    quantity: float = MISSING
    cost_usd: float = MISSING
    sku: str = ""


class Head(_Usage, forbid_unknown_fields=True, gc=False):
    """A single estimate without its labels."""

    source: str = ""
    epoch: Int64 = 0
    seq: Int64 = -1


class ExactEstimate(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An estimate with its cost as the decimal it was written as. Explicit nulls are allowed."""

    start: int
    end: int
    driver: str
    quantity: float | None = None
    cost_usd: Decimal | None = None
    sku: str | None = None
    labels: msgspec.Raw = NO_LABELS


class RawEnvelope(msgspec.Struct, forbid_unknown_fields=True):
    """An envelope whose estimates are left unread, so that one bad estimate spoils only itself."""

    source: str = ""
    epoch: Int64 = 0
    seq: Int64 = -1
    labels: msgspec.Raw = NO_LABELS
    estimates: list[msgspec.Raw] = []


class RawSingle(msgspec.Struct, forbid_unknown_fields=True):
    """A single estimate, read one field at a time."""

    start: int
    end: int
    driver: str
    quantity: float | None = None
    cost_usd: Decimal | None = None
    sku: str | None = None
    labels: msgspec.Raw = NO_LABELS
    source: str = ""
    epoch: Int64 = 0
    seq: Int64 = -1


# Lax: numbers may come as strings, which is how exact decimals travel in JSON.
decode_message: Final = msgspec.json.Decoder(Message, strict=False).decode
decode_head: Final = msgspec.json.Decoder(Head, strict=False).decode
decode_estimate: Final = msgspec.json.Decoder(Estimate, strict=False).decode
decode_array: Final = msgspec.json.Decoder(list[Estimate], strict=False).decode
decode_raw_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
decode_raw_envelope: Final = msgspec.json.Decoder(RawEnvelope, strict=False).decode
decode_raw_single: Final = msgspec.json.Decoder(RawSingle, strict=False).decode
decode_exact: Final = msgspec.json.Decoder(ExactEstimate, strict=False).decode
decode_labels: Final = msgspec.json.Decoder(dict[str, str]).decode

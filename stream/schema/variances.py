"""`variances`: estimate beside invoice, one record a (provider, account, service, day)."""

from enum import StrEnum
from typing import Final

import msgspec

# What the invoice holds for a key and day. These add up to `billed_nusd` exactly.
USAGE_MATCHED: Final = "usage_matched"
UNMATCHED_INVOICE: Final = "unmatched_invoice"
UNUSED_COMMITMENT: Final = "unused_commitment"
PURCHASE: Final = "purchase"
CREDIT: Final = "credit"
TAX: Final = "tax"
ADJUSTMENT: Final = "adjustment"
CORRECTION: Final = "correction"
LINES: Final = (
    USAGE_MATCHED, UNMATCHED_INVOICE, UNUSED_COMMITMENT, PURCHASE, CREDIT, TAX, ADJUSTMENT, CORRECTION,
)  # fmt: skip

# Why the invoice's usage differs from the estimate. These add up to `difference_nusd` exactly.
QUANTITY: Final = "quantity"
PRICE: Final = "price"
COMMITMENT: Final = "commitment"
CALIBRATION: Final = "calibration"
UNMATCHED_ESTIMATE: Final = "unmatched_estimate"
REASONS: Final = (
    QUANTITY, PRICE, COMMITMENT, CALIBRATION, CORRECTION, UNMATCHED_INVOICE, UNMATCHED_ESTIMATE,
)  # fmt: skip


class State(StrEnum):
    """How far the provider has spoken: not at all, still open to change, or for good."""

    ESTIMATED = "estimated"
    PARTLY_RECONCILED = "partly_reconciled"
    FINAL = "final"


class Basis(StrEnum):
    """The FOCUS column that estimates are compared with."""

    BILLED = "BilledCost"
    EFFECTIVE = "EffectiveCost"


class Variance(msgspec.Struct, frozen=True, kw_only=True):
    """One key and day. Money is in nano-dollars; lines and reasons leave out zeros.

    `matched`: both the estimates and the invoice's usage speak of this key and day.
    `estimate_nusd` is what burnline said at the time, `calibration_nusd` the part of it that a factor
    added. `usage_nusd` is the invoice's usage on the `basis`, corrections of usage included: what the
    estimate should have been. `billed_nusd` is everything on the invoice.
    """

    provider: str
    account: str
    service: str
    day: str
    state: State
    basis: Basis
    matched: bool
    estimate_nusd: int
    calibration_nusd: int
    usage_nusd: int
    billed_nusd: int
    lines: dict[str, int]
    reasons: dict[str, int]
    computed_ms: int

    @property
    def difference_nusd(self) -> int:
        return self.usage_nusd - self.estimate_nusd


def encode(variance: Variance) -> bytes:
    return msgspec.json.encode(variance)


def decode(value: bytes) -> Variance:
    """Raises `msgspec.MsgspecError` when it is no variance."""
    return msgspec.json.decode(value, type=Variance)


def key(variance: Variance) -> bytes:
    return msgspec.json.encode((variance.provider, variance.account, variance.service, variance.day))

"""`calibrations`: by how much invoices differ from estimates, one record a key. The topic is compacted."""

from decimal import Decimal
from typing import Annotated, Final

import msgspec

# A factor outside is no difference of price but a gap in the metering or a wrong label, which no factor may
# paper over. And a first factor moves all later estimates at once: by less than the 3× over the baseline
# that pages.
LOWEST: Final = Decimal("0.5")
HIGHEST: Final = Decimal("2")
# Exact decimals, as text: a float would lose the last digits.
FactorText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}\.[0-9]{4,6}\Z")]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The factor that turns an estimate of one (provider, account, service) into what the invoice will say.

    `factor` is exact, within [LOWEST, HIGHEST]. `measured` is the same before the bounds. `spread` is the
    robust standard deviation of a single day's ratio. `days` days between `first_day` and `last_day` (UTC,
    `YYYY-MM-DD`) gave it. `computed_ms` is when. To take a factor back, write one of `1.0000`.
    """

    provider: str
    account: str
    service: str
    factor: FactorText
    measured: FactorText
    spread: FactorText
    days: int
    first_day: str
    last_day: str
    computed_ms: int

    def __post_init__(self) -> None:
        if not LOWEST <= Decimal(self.factor) <= HIGHEST:
            raise ValueError(f"the factor {self.factor} is outside {LOWEST} to {HIGHEST}")

    @property
    def bounded(self) -> bool:
        """Whether the invoice differs by more than a factor may say."""
        return self.factor != self.measured


def encode(calibration: Calibration) -> bytes:
    return msgspec.json.encode(calibration)


def decode(value: bytes) -> Calibration:
    """Raises `msgspec.MsgspecError` for what is no calibration, or has a factor out of bounds."""
    return msgspec.json.decode(value, type=Calibration)


def key(calibration: Calibration) -> bytes:
    """The record's key: a JSON array, so that a slash in a name can't make two keys one."""
    return msgspec.json.encode((calibration.provider, calibration.account, calibration.service))

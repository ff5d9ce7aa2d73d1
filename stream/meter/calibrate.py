"""What invoices have said of earlier estimates, as exact factors for the estimates that follow."""

from fractions import Fraction
from typing import Final

import msgspec

from stream.schema import calibrations

_ONE: Final = Fraction(1)


class Factors:
    """The newest factor of each (provider, account, service). Empty when nothing differs from 1."""

    def __init__(self) -> None:
        self._factors: dict[tuple[str, str, str], Fraction] = {}

    def __len__(self) -> int:
        return len(self._factors)

    def update(self, value: bytes) -> str | None:
        """Take one `calibrations` record; a later one replaces an earlier. Returns why it was ignored."""
        try:
            record = calibrations.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return f"calibration ignored: {error}"
        key = (record.provider, record.account, record.service)
        factor = Fraction(record.factor)
        if factor == _ONE:
            self._factors.pop(key, None)
        else:
            self._factors[key] = factor
        return None

    def factor(self, provider: str, account: str, service: str) -> Fraction:
        """Exactly what an estimate is multiplied with; 1 where no invoice has spoken."""
        return self._factors.get((provider, account, service), _ONE)

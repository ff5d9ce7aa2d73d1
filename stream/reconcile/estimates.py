"""Estimates as the API gives them (`/api/v1/estimates?by=billing`), live or saved in a file."""

from collections.abc import Set
from dataclasses import dataclass

import msgspec

from stream.errors import UserError

Day = tuple[str, str, str, str]  # provider, account, service, UTC day


class _Row(msgspec.Struct, frozen=True):
    provider: str
    account: str
    service: str
    day: str
    estimate_nusd: int
    calibration_nusd: int | None
    complete: bool


class _Answer(msgspec.Struct, frozen=True):
    estimates: list[_Row]


@dataclass(frozen=True, slots=True)
class Known:
    """By (provider, account, service, UTC day): nano-dollars, the part of them that factors added, and
    of which days not all is known."""

    estimates_nusd: dict[Day, int]
    calibrated_nusd: dict[Day, int]
    partial: Set[Day]


def decode(text: bytes, name: str) -> Known:
    """`name` is where the text comes from. Raises `UserError` when it is no such answer."""
    try:
        rows = msgspec.json.decode(text, type=_Answer).estimates
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(
            f"{name} does not hold estimates ({error}): save what /api/v1/estimates?by=billing answers"
        ) from None
    keys = [(row.provider, row.account, row.service, row.day) for row in rows]
    return Known(
        estimates_nusd={key: row.estimate_nusd for key, row in zip(keys, rows, strict=True)},
        calibrated_nusd={key: row.calibration_nusd or 0 for key, row in zip(keys, rows, strict=True)},
        partial={
            key
            for key, row in zip(keys, rows, strict=True)
            if row.calibration_nusd is None or not row.complete
        },
    )

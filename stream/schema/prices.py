"""What the meter says of a unit price that moved: part of a `spend` record, and a row of the burn stage."""

import msgspec


class Moved(msgspec.Struct, array_like=True, kw_only=True, frozen=True):
    """Of one (provider, region, driver, SKU): US dollars a unit before and since `since_s`, and how many
    units an hour are used now. What is not known of it is empty."""

    provider: str
    region: str
    driver: str
    sku: str
    old_usd: float
    new_usd: float
    units_per_hour: float
    since_s: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, Moved]).decode


def encode(moved: dict[int, Moved]) -> bytes:
    """By usage partition."""
    return _encode(moved)


def decode(value: bytes) -> dict[int, Moved]:
    return _decode(value)

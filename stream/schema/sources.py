"""What the meter says of a source: part of a `spend` record, and a row of the burn stage's state."""

import msgspec

SILENT = "silent"


class Lost(msgspec.Struct, array_like=True, kw_only=True, frozen=True):
    """Dollars an hour of a source that have an owner and that have none: usually, and now. `since_s` is when
    that began, `fed` are the scopes that it fed most before."""

    usual_owned: float
    usual_unowned: float
    owned: float
    unowned: float
    since_s: int
    fed: list[str]


class Late(msgspec.Struct, array_like=True, kw_only=True, frozen=True):
    """By how many seconds estimates of a source are late: usually, and since `since_s`."""

    usual_s: float
    lag_s: float
    since_s: int


class Source(msgspec.Struct, array_like=True, kw_only=True):
    """One source, as it was when the meter last looked at it.

    `until_ms` is up to when its estimates reach, `silent` whether it is missed, `gone` whether it is taken to
    be gone for good. `cadence_s` and `silent_after_s` are how often it used to speak and how long it may be
    silent (0: not known). `usd_per_hour` is its last rate; `most` are the narrowest scopes that it fed most,
    `count` of how many. `rates` are, of the scopes that live in the spend partition of this record, how many
    US dollars an hour it fed them. `lost` is given while its labels are missing,
    `late` while it lags.
    """

    name: str
    until_ms: int
    silent: bool
    gone: bool
    cadence_s: float
    silent_after_s: float
    usd_per_hour: float
    most: list[str]
    count: int
    rates: list[tuple[str, float]]
    lost: Lost | None = None
    late: Late | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Source)


def encode(source: Source) -> bytes:
    return _encoder.encode(source)


def decode(value: bytes) -> Source:
    return _decoder.decode(value)

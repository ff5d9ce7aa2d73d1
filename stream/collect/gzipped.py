"""Unpacking gzip from strangers: never more than allowed, and never a part taken for the whole."""

import zlib
from typing import Final

_GZIP: Final = 16 + zlib.MAX_WBITS
# Each member copies the rest of the body once: 100 x 8 MiB take a quarter of a second, 400,000 an hour.
_MOST_MEMBERS: Final = 100


class Broken(Exception):
    """No gzip, damaged, or cut short."""


class TooLong(Exception):
    """It unpacks to more than allowed."""


def unpacked(packed: bytes, max_bytes: int) -> bytes:
    """All members of a gzip body.

    >>> import gzip
    >>> unpacked(gzip.compress(b"two ") + gzip.compress(b"members"), 100)
    b'two members'
    """
    parts: list[bytes] = []
    left = max_bytes
    rest = packed
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        try:
            # One byte more than allowed tells a body that is too long; a bomb is never unpacked further.
            parts.append(member.decompress(rest, left + 1))
        except zlib.error as error:
            raise Broken(str(error)) from None
        left -= len(parts[-1])
        if left < 0:
            raise TooLong
        if not member.eof:
            raise Broken("it ends too soon")
        rest = member.unused_data
        if not rest:
            return b"".join(parts)
    raise Broken(f"it has more than {_MOST_MEMBERS} members")

"""Values of a cell: exact decimals, instants, tags. `ValueError` says what could not be read."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_PLAIN: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WRITTEN_FOR_PEOPLE: Final = re.compile(r"(-?)\$?(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?)", re.ASCII)
_US_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})", re.ASCII)
_LABEL_BREAKERS: Final = re.compile(r"[\s\x00-\x1f=,;\"'\\{}]")
# A cell of 100 characters and an exponent within ±60 are far beyond any bill; three such multiplied have
# fewer than 700 digits, so that nothing below is ever rounded: `Inexact` is an error.
_CELL_CHARS: Final = 100
_EXPONENT: Final = 60
EXACT: Final = Context(prec=700, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
ROUNDED: Final = Context(prec=200)
# Money is int64 nano-dollars: 2^63 / 1e9 = 9.22e9 dollars.
COST_LIMIT_USD: Final = Decimal(9_200_000_000)


def number(text: str, column: str) -> Decimal:
    """The exact decimal of a cell: plain, E-notation, or as a spreadsheet shows it (`$10,000.00 `)."""
    return Decimal(plain(text, column))


def plain(text: str, column: str) -> str:
    """The decimal text as it stands, without blanks, a dollar sign or thousands separators."""
    text = text.strip()
    if len(text) > _CELL_CHARS:
        raise ValueError(f"{column} has {len(text)} characters where a number is wanted")
    if not _PLAIN.fullmatch(text):
        shown = _WRITTEN_FOR_PEOPLE.fullmatch(text)
        if not shown or (shown[1] and shown[2].startswith("-")):
            raise ValueError(f"{column} is {text!r}, not a number")
        text = (shown[1] + shown[2]).replace(",", "")
    text = text.removeprefix("+")
    if abs(Decimal(text).adjusted()) > _EXPONENT:
        raise ValueError(f"{column} is {text}, which is out of range")
    return text


@lru_cache(maxsize=4096)
def instant_ms(text: str) -> int:
    """Epoch milliseconds of ISO 8601 in any of its usual dresses, or of a US date `m/d/yy(yy)`.

    A time without a zone is UTC, never local time. A fraction below a millisecond is cut off.
    """
    iso = text.removesuffix(" UTC")
    if us := _US_DATE.fullmatch(text):
        year = us[3] if len(us[3]) == 4 else f"20{us[3]}"
        iso = f"{year}-{us[1]:0>2}-{us[2]:0>2}"
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not a time") from None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    if not 2000 <= when.year < 2100:
        raise ValueError(f"{text!r} is not in 2000 to 2099")
    return (when - _EPOCH) // _MILLISECOND


def seconds_ms(text: str, column: str) -> int:
    """Whole milliseconds of a time or a duration in seconds, rounded half to even."""
    seconds = number(text, column)
    if not 0 <= seconds < 10**10:
        raise ValueError(f"{column} is {text}, which is no time in seconds")
    return int(ROUNDED.multiply(seconds, Decimal(1000)).quantize(Decimal(1)))


def tags(text: str | None) -> dict[str, str]:
    """Labels `tag_<key>` of a JSON object, with or without its outer braces; values as they stand."""
    if text is None:
        return {}
    text = text if text.lstrip().startswith("{") else f"{{{text}}}"
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except RecursionError:
        raise ValueError("nested too deep") from None
    labels = {}
    for key in sorted(found):
        value = found[key]
        if value is not None:
            labels[tag_label(key)] = _utf8(value if isinstance(value, str) else json.dumps(value))
    return labels


def _utf8(text: str) -> str:
    r"""JSON can spell half a character (`\ud800`), which no message can hold."""
    return text.encode("utf-8", "replace").decode()


def tag_label(key: str) -> str:
    """`tag_` and the key as it stands, where what would break `name=value` is `_`."""
    return "tag_" + _utf8(_LABEL_BREAKERS.sub("_", key))

"""Times as people type them."""

import datetime as dt
import re
from typing import Final

from stream.errors import UserError

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})")


def moment_s(text: str, now_s: int) -> int:
    """UTC epoch seconds of `14:02` (the last time it was that in UTC), `20m` ago, or an ISO 8601 time.

    An ISO time without a zone is UTC. Raises `UserError` for anything else, and for the future.

    >>> moment_s("20m", 1_767_276_000), moment_s("2026-01-01T13:40Z", 1_767_276_000)
    (1767274800, 1767274800)
    >>> moment_s("13:40", 1_767_276_000), moment_s("23:00", 1_767_276_000)  # it is 14:00
    (1767274800, 1767222000)
    """
    words = text.strip()
    if found := _AGO.fullmatch(words):
        return now_s - int(found[1]) * _UNITS_S[found[2]]
    if found := _CLOCK.fullmatch(words):
        hour, minute = int(found[1]), int(found[2])
        if hour < 24 and minute < 60:
            time_s = now_s // 86_400 * 86_400 + hour * 3600 + minute * 60
            return time_s if time_s <= now_s else time_s - 86_400
    try:
        given = dt.datetime.fromisoformat(words)
    except ValueError:
        raise UserError(f"{text!r} is no time: write 14:02 (UTC), 20m (ago) or 2026-11-24T14:02Z") from None
    time_s = int((given if given.tzinfo else given.replace(tzinfo=dt.UTC)).timestamp())
    if time_s > now_s:
        raise UserError(f"{text!r} lies in the future: name a time that has passed, in UTC")
    return time_s


def later_s(text: str, now_s: int) -> int:
    """UTC epoch seconds of `18:00` (the next time it is that in UTC), `2h` from now, or an ISO 8601 time.

    An ISO time without a zone is UTC. Raises `UserError` for anything else, and for the past.

    >>> later_s("2h", 1_767_276_000), later_s("2026-01-01T18:00+02:00", 1_767_276_000)  # it is 14:00
    (1767283200, 1767283200)
    >>> later_s("18:00", 1_767_276_000), later_s("13:00", 1_767_276_000)
    (1767290400, 1767358800)
    """
    words = text.strip()
    if _AGO.fullmatch(words):
        return now_s + span_s(words)
    if found := _CLOCK.fullmatch(words):
        hour, minute = int(found[1]), int(found[2])
        if hour < 24 and minute < 60:
            time_s = now_s // 86_400 * 86_400 + hour * 3600 + minute * 60
            return time_s if time_s > now_s else time_s + 86_400
    try:
        given = dt.datetime.fromisoformat(words)
    except ValueError:
        raise UserError(
            f"{text!r} is no time: write 18:00 (UTC), 2h (from now) or 2026-11-24T18:00Z"
        ) from None
    time_s = int((given if given.tzinfo else given.replace(tzinfo=dt.UTC)).timestamp())
    if time_s <= now_s:
        raise UserError(f"{text!r} has passed: name a time to come, in UTC")
    return time_s


def span_s(text: str) -> int:
    """Seconds of `90m`, `4h` or `2d`.

    >>> span_s("90m"), span_s("2d")
    (5400, 172800)
    """
    found = _AGO.fullmatch(text.strip())
    if found is None:
        raise UserError(f"{text!r} is no length of time: write 90m, 4h or 2d")
    return int(found[1]) * _UNITS_S[found[2]]

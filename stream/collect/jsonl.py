"""burnline's own `usage` messages, one a line. Lines are passed on as they are, in file order.

The file's order is the order of arrival. The time of a message is the latest `end` that could be read so
far; lines before the first such have its time. A line that is no estimate is passed on all the same: the
meter keeps it as a dead letter, one that is longer than `meter.max_message_bytes` too, as it does with what
comes by HTTP. Only a line that no topic would take (over 16 MiB) is rejected here.
"""

import codecs
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from stream.collect.inputfile import InputFile
from stream.collect.reader import Charge, Format, Item, Rejected, UsageMessage
from stream.collect.reading import Reading

# What the topics are made to take; `meter.max_message_bytes`, which judges what is shorter, is below it.
LINE_LIMIT_BYTES: Final = 16 * 1024 * 1024
# 2000-01-01 and 2100-01-01: a time outside is a wrong unit, and must not carry the clock away.
_EARLIEST_MS: Final = 946_684_800_000
_LATEST_MS: Final = 4_102_444_800_000
_DECODER: Final = msgspec.json.Decoder()


def read(reading: Reading) -> Iterator[Charge | Item]:
    clock_ms = _first_end_ms(reading)
    for line in reading.file.byte_lines(LINE_LIMIT_BYTES):
        value = line.rstrip(b"\r\n")
        if reading.rows == 0:
            value = value.removeprefix(codecs.BOM_UTF8)
        if not value.strip():
            continue
        reading.rows += 1
        if len(line) > LINE_LIMIT_BYTES:
            reason = f"over {LINE_LIMIT_BYTES:,} bytes, more than a topic takes; only its beginning is kept"
            yield Rejected(reading.rows, reason, value)
            continue
        clock_ms = max(clock_ms, latest_end_ms(value))
        yield UsageMessage(value, clock_ms, reading.rows)


def _first_end_ms(reading: Reading) -> int:
    """The first time that the file tells, read ahead: the clock must not begin in 1970."""
    with InputFile(reading.path) as file:
        ends = (latest_end_ms(line) for line in file.byte_lines(LINE_LIMIT_BYTES))
        return next((end_ms for end_ms in ends if end_ms), 0)


def latest_end_ms(line: bytes) -> int:
    """The latest `end` of an estimate, an array or an envelope of either kind; 0 where none can be read."""
    try:
        message = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    if isinstance(message, dict) and isinstance(columns := message.get("columns"), dict):
        ends, origin = columns.get("end"), message.get("origin", 0)
        return max((_ms(end, origin) for end in (ends if isinstance(ends, list) else [ends])), default=0)
    estimates = message.get("estimates", [message]) if isinstance(message, dict) else message
    return max(map(_end_ms, estimates), default=0) if isinstance(estimates, list) else 0


def _end_ms(estimate: Any) -> int:
    return _ms(estimate.get("end"), 0) if isinstance(estimate, dict) else 0


def _ms(end: Any, origin: Any) -> int:
    if isinstance(end, str) and len(end) <= 13 and end.isdecimal():  # the meter takes numbers as strings
        end = int(end)
    if type(end) is not int or type(origin) is not int:
        return 0
    return end + origin if _EARLIEST_MS <= end + origin < _LATEST_MS else 0


JSONL: Final = Format(
    "jsonl",
    "burnline's own usage messages, one JSON a line",
    "first character { or [",
    (),
    read,
    arrival_order=True,
)

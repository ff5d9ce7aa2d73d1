"""`commands`: what people ask of burnline, one record a command as it now stands.

    maintenance   a window in which what is planned rings nobody
    plan          a ceiling: spend up to it is planned, above it pages
    acknowledge   somebody has an alert; with `until_s` it is a snooze, after which it rings again
    feedback      what an alert was, see `stream.schema.feedback`
    approval      somebody approves or declines an action, see `stream.schema.actions`

The topic is compacted. The key is kind and id, and a command is ended, never deleted: the record that says
so (`ended_s`, `ended_by`) is also its trail.
"""

import zoneinfo
from typing import Annotated, Final

import msgspec

from stream.schema.feedback import DAY_S, Feedback, Time

# Longer than that it is no plan any more but a blind spot; a budget or a detector's setting can say it.
LONGEST_S: Final = 35 * DAY_S
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_Name = Annotated[str, msgspec.Meta(max_length=100)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_Note = Annotated[str, msgspec.Meta(max_length=500)]
_Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which scopes: one of these names, or all of these labels. Both are shell patterns (`*`, `?`)."""

    scopes: Annotated[tuple[_Pattern, ...], msgspec.Meta(max_length=100)] = ()
    labels: dict[_Pattern, _Pattern] = {}

    def __post_init__(self) -> None:
        if not self.scopes and not self.labels:
            raise ValueError("name the scopes or the labels that are meant; '*' is all")


class Recurrence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Begins at `at` (HH:MM in `timezone`) on these days of the week and of the month (-1 is the last one);
    a day that either names counts, and with neither it is every day."""

    at: Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    duration_s: Annotated[int, msgspec.Meta(ge=60, le=7 * DAY_S)]
    timezone: str = "UTC"
    weekdays: tuple[str, ...] = ()
    month_days: tuple[Annotated[int, msgspec.Meta(ge=-31, le=31)], ...] = ()

    def __post_init__(self) -> None:
        check_timezone(self.timezone)
        for day in self.weekdays:
            if day not in WEEKDAYS:
                raise ValueError(f"{day!r} is no weekday: write {', '.join(WEEKDAYS)}")
        if 0 in self.month_days:
            raise ValueError("a month has no day 0: write 1 to 31, or -1 for the last one")


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """`by` made it at `made_s`; `ended_by` took it back at `ended_s`. Times are UTC, epoch seconds."""

    id: _Id
    by: _Name
    made_s: Time
    note: _Note = ""
    ended_s: Time | None = None
    ended_by: _Name = ""


class _Window(_Command, frozen=True, kw_only=True):
    """Holds over `[since_s, until_s)`; one that recurs only at its times within."""

    match: Match
    since_s: Time
    until_s: Time | None = None
    recurs: Recurrence | None = None

    def __post_init__(self) -> None:
        if self.until_s is None and self.recurs is None:
            raise ValueError("say until when (until_s), or how it recurs (recurs)")
        if self.until_s is not None and self.until_s <= self.since_s:
            raise ValueError("until_s must lie after since_s")
        if self.recurs is None and self.until_s is not None and self.until_s - self.since_s > LONGEST_S:
            raise ValueError(f"it lasts over {LONGEST_S // DAY_S} days: nothing is planned as long as that")


class Maintenance(_Window, frozen=True, kw_only=True, tag="maintenance"):
    """What the scopes burn in this window rings nobody; what was held back is told at its end."""


class Plan(_Window, frozen=True, kw_only=True, tag="plan"):
    """The scopes may burn up to `ceiling_usd_per_hour` in this window; above it by `floor_usd_per_hour`
    or more they page, whatever is normal."""

    ceiling_usd_per_hour: Annotated[float, msgspec.Meta(gt=0)]
    floor_usd_per_hour: Annotated[float, msgspec.Meta(ge=0)] = 1.0


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """`by` has the alert with the dedup key `alert`. With `until_s` it is a snooze. A higher tier has
    another key, and rings."""

    alert: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    until_s: Time | None = None


class Approval(_Command, frozen=True, kw_only=True, tag="approval"):
    """`by`, a name that must be there, approves the action with the id `action`, or declines it. It counts
    once, and can't be taken back: to undo what was done is an action of its own."""

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    approved: bool

    def __post_init__(self) -> None:
        if not self.by.strip():
            raise ValueError("say who approves or declines it (by)")


Command = Maintenance | Plan | Acknowledge | Feedback | Approval

_decode: Final = msgspec.json.Decoder(Command).decode


def encode(command: Command) -> bytes:
    return msgspec.json.encode(command)


def decode(value: bytes) -> Command:
    """Raises `msgspec.MsgspecError`, `UnicodeDecodeError` or (nested too deep) `RecursionError` when it is
    no command."""
    command: Command = _decode(value)
    return command


def key(command: Command) -> bytes:
    return f"{kind(command)}/{command.id}".encode()


def kind(command: Command) -> str:
    """`maintenance`, `plan`, `acknowledge`, `feedback` or `approval`."""
    return kind_name(type(command))


def kind_name(kind: type[Command]) -> str:
    return str(kind.__struct_config__.tag)


def check_timezone(name: str) -> None:
    """Raises ValueError for a time zone that is not known."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone: write one like Europe/Berlin or UTC") from None

"""The sections `alerts`, `maintenance` and `plans` of `burnline.yaml`."""

from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import AwareDatetime, Field, model_validator

from stream.config_section import Section
from stream.schema import commands

_Command = TypeVar("_Command", commands.Maintenance, commands.Plan)


class Digest(Section):
    """The daily digest: what is too small for a ticket of its own."""

    hour: Annotated[int, Field(ge=0, le=23)] = 9
    """the hour at which it is sent"""
    timezone: str = "UTC"
    """whose hour that is, such as `Europe/Berlin`"""
    send_empty: bool = False
    """whether a day without anything small is told too"""

    @model_validator(mode="after")
    def _zone_is_known(self) -> "Digest":
        commands.check_timezone(self.timezone)
        return self


class Alerting(Section):
    """How signals become alerts. Seconds are event time."""

    page_for_s: Annotated[int, Field(ge=0)] = 20
    """how long the level of a page must be held before it fires"""
    ticket_for_s: Annotated[int, Field(ge=0)] = 300
    """how long the level of a ticket must be held before it fires"""
    hold_s: Annotated[int, Field(ge=0)] = 600
    """how long all must be clear before an alert is resolved"""
    flap_window_s: Annotated[int, Field(ge=0)] = 6 * 3600
    """a scope that fires again within this time flaps: each time `hold_s` is twice as long"""
    flap_hold_s: Annotated[int, Field(ge=0)] = 2 * 3600
    """the longest that flapping makes `hold_s`"""
    explains: Annotated[float, Field(gt=0, le=1)] = 0.6
    """share of a wider scope's excess that a narrower one must make up to be its cause"""
    group_wait_s: Annotated[int, Field(ge=0)] = 20
    """least age at which a scope that has parts may fire, so that the part at fault is found first"""
    runbook_url: str = "http://127.0.0.1:9107/runbooks/{detector}?alert={key}"
    """link on a page; `{detector}`, `{scope}` and `{key}`, the alert's, are filled in"""
    console_url: str = "http://127.0.0.1:9107"
    """where people reach the console; the link on a page begins with it"""
    contain_count: Annotated[int, Field(ge=0, le=100_000)] = 10
    """how many pods or machines the commands on a page leave running"""
    digest: Digest = Digest()
    """the daily digest"""


class Maintenance(Section):
    """A window in which what is planned rings nobody. With `at` it recurs, on the days that are named."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """what people call it"""
    scopes: tuple[str, ...] = ()
    """scopes by name (shell patterns: `*`, `?`)"""
    labels: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """or the scopes with all of these labels (shell patterns)"""
    since: AwareDatetime | None = None
    """when it begins, or from when on it recurs: `2026-11-24T22:00+01:00`"""
    until: AwareDatetime | None = None
    """when it ends for good; needed where it does not recur"""
    at: str | None = None
    """time of day at which it begins each time: `02:00`"""
    duration_s: int | None = None
    """how long it lasts each time"""
    timezone: str = "UTC"
    """whose time `at` is"""
    weekdays: tuple[str, ...] = ()
    """days of the week: `mon` to `sun`; without days at all it is every day"""
    month_days: tuple[int, ...] = ()
    """days of the month: `1` to `31`, `-1` is the last"""
    note: str = ""
    """what is planned; pages and reports say it"""

    @model_validator(mode="after")
    def _makes_sense(self) -> "Maintenance":
        self.record()
        return self

    def record(self) -> commands.Maintenance:
        """The same as a record of `commands`."""
        return self._converted(commands.Maintenance, {"kind": "maintenance"})

    def _converted(self, kind: type[_Command], more: dict[str, Any]) -> _Command:
        recurs = {
            "at": self.at,
            "duration_s": self.duration_s,
            "timezone": self.timezone,
            "weekdays": self.weekdays,
            "month_days": self.month_days,
        }
        try:
            return msgspec.convert(
                {
                    "id": f"file:{self.name}",
                    "by": "burnline.yaml",
                    "made_s": 0,
                    "note": self.note,
                    "match": {"scopes": self.scopes, "labels": self.labels},
                    "since_s": 0 if self.since is None else int(self.since.timestamp()),
                    "until_s": None if self.until is None else int(self.until.timestamp()),
                    "recurs": None if self.at is None else recurs,
                    **more,
                },
                kind,
            )
        except msgspec.ValidationError as error:
            raise ValueError(f"{self.name}: {error}") from None


class Plan(Maintenance):
    """A ceiling: the scopes may burn this much; above it they page. Its times are those of `maintenance`."""

    ceiling_usd_per_hour: Annotated[float, Field(gt=0)]
    """what each of the scopes may burn"""
    floor_usd_per_hour: Annotated[float, Field(ge=0)] = 1.0
    """how far above the ceiling it pages"""

    def record(self) -> commands.Plan:  # type: ignore[override]
        """The same as a record of `commands`."""
        ceilings = {
            "kind": "plan",
            "ceiling_usd_per_hour": self.ceiling_usd_per_hour,
            "floor_usd_per_hour": self.floor_usd_per_hour,
        }
        return self._converted(commands.Plan, ceilings)

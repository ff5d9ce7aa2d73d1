"""The section `policies` of `burnline.yaml`: rules of what may be spent on, and when."""

import datetime as dt
import re
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from stream.config_section import Section
from stream.schema import commands

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Schedule(Section):
    """Hours of the week in which something may run."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = (
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
    )
    """the days on which it may run; a night belongs to the day on which it begins"""
    start: str
    """from when on, as `07:00`"""
    end: str
    """until when, as `19:00`; not after `start` means on the next day"""
    timezone: str = "UTC"
    """whose time that is, such as `Europe/Berlin`"""

    @field_validator("start", "end")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        if not _TIME.fullmatch(text):
            raise ValueError(f"{text!r} is no time of day: write one like 07:00")
        return text

    @model_validator(mode="after")
    def _zone_is_known(self) -> "Schedule":
        commands.check_timezone(self.timezone)
        return self

    @property
    def times(self) -> tuple[dt.time, dt.time]:
        return dt.time.fromisoformat(self.start), dt.time.fromisoformat(self.end)


class Policy(Section):
    """A cost rule. What breaks it adds up in the scope `policy=<name>`, and the detector `policy` says so."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """what people call it"""
    match: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """whom it concerns: label and shell pattern, all must fit. `driver` and `sku` are labels here too"""
    allow: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """what keeps to it: label and shell pattern, all must fit. Without any, nothing does; `?*` is any value
    at all, but not a missing label"""
    schedule: Schedule | None = None
    """the hours in which all is allowed; without it there are none"""

    @model_validator(mode="after")
    def _concerns_something(self) -> "Policy":
        if not (self.match or self.allow):
            raise ValueError(f"policy {self.name!r} has neither match nor allow: everything would break it")
        return self

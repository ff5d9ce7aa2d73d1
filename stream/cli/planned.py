"""`burnline maintenance` and `burnline plan`: what is planned, so that it rings nobody."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from stream.alerts import text
from stream.cli import people
from stream.cli.api import Url, connect
from stream.cli.options import ConfigFile, Json
from stream.cli.times import later_s, moment_s, span_s
from stream.errors import UserError

maintenance = typer.Typer(
    help="Windows in which what is planned rings nobody. Needs a burnline that runs.", no_args_is_help=True
)
plan = typer.Typer(
    help="Planned ceilings: spend up to one is quiet, above it pages. Needs a burnline that runs.",
    no_args_is_help=True,
)

Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="A scope, or a pattern such as 'service=shop/*'; may be given again."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", help="Or scopes by label, such as team=payments; all that are given must fit."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="When it begins: 18:00 (UTC), 2h (from now) or an ISO time; now."),
]
Until = Annotated[
    str | None, typer.Option("--until", help="When it ends: 18:00 (UTC), 2h (from now) or an ISO time.")
]
For = Annotated[str | None, typer.Option("--for", help="How long it lasts (each time): 90m, 4h or 2d.")]
At = Annotated[str | None, typer.Option("--at", help="It recurs: at 02:00 in --timezone.")]
On = Annotated[
    str, typer.Option("--on", help="Days it recurs on: mon,thu or 1,-1 (of the month); each day without.")
]
Timezone = Annotated[str, typer.Option("--timezone", help="Whose time --at is, such as Europe/Berlin.")]
Note = Annotated[str, typer.Option("--note", help="What is planned; pages and reports say it.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `list` names it.")]
All = Annotated[bool, typer.Option("--all", help="Those that are over too.")]


@maintenance.command("add")
def add_maintenance(
    scope: Scopes = None,
    label: Labels = None,
    since: Since = None,
    until: Until = None,
    for_: For = None,
    at: At = None,
    on: On = "",
    timezone: Timezone = "UTC",
    note: Note = "",
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Hold back what scopes burn in a window, once or again and again; what was held back is told at its end.

    A ceiling (`burnline plan add`) is safer: above it, it pages.

    Example: burnline maintenance add --scope 'service=shop/*' --until 18:00 --note "move of the database"

    Example: burnline maintenance add --label team=data --at 02:00 --for 3h --on sun --timezone Europe/Berlin
    """
    body = _times(scope, label, since, until, for_, at, on, timezone, note)
    _added(connect(config, url).post("/api/v1/maintenance", body), as_json, "rings nobody")


@plan.command("add")
def add_plan(
    ceiling: Annotated[float, typer.Option("--ceiling", help="US dollars an hour that each scope may burn.")],
    scope: Scopes = None,
    label: Labels = None,
    floor: Annotated[float, typer.Option("--floor", help="It pages from that much above the ceiling.")] = 1.0,
    since: Since = None,
    until: Until = None,
    for_: For = None,
    at: At = None,
    on: On = "",
    timezone: Timezone = "UTC",
    note: Note = "",
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Say what scopes may burn: up to the ceiling they are quiet, above it they page.

    Example: burnline plan add --scope service=shop/checkout --ceiling 400 --until 18:00 --note "load test"
    """
    body = _times(scope, label, since, until, for_, at, on, timezone, note)
    body |= {"ceiling_usd_per_hour": ceiling, "floor_usd_per_hour": floor}
    limit = text.usd(ceiling + floor)
    _added(connect(config, url).post("/api/v1/plans", body), as_json, f"pages from {limit}/h on")


@maintenance.command("list")
def list_maintenance(
    every: All = False, config: ConfigFile = None, url: Url = None, as_json: Json = False
) -> None:
    """The windows that hold or are to come, and what they hold back now.

    Example: burnline maintenance list
    """
    _listed("/api/v1/maintenance", every, config, url, as_json)


@plan.command("list")
def list_plans(every: All = False, config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """The ceilings that hold or are to come, and what they keep quiet now.

    Example: burnline plan list
    """
    _listed("/api/v1/plans", every, config, url, as_json)


@maintenance.command("end")
def end_maintenance(window: Id, config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """End a window now: what goes on rings 5 minutes later.

    Example: burnline maintenance end 20261124-1a2b3c
    """
    _ended(f"/api/v1/maintenance/{quote(window, safe='')}/end", config, url, as_json)


@plan.command("end")
def end_plan(window: Id, config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """End a plan now: what goes on beyond normal rings 5 minutes later.

    Example: burnline plan end 20261124-1a2b3c
    """
    _ended(f"/api/v1/plans/{quote(window, safe='')}/end", config, url, as_json)


def _times(
    scopes: list[str] | None,
    labels: list[str] | None,
    since: str | None,
    until: str | None,
    for_: str | None,
    at: str | None,
    on: str,
    timezone: str,
    note: str,
) -> dict[str, Any]:
    """The options as the API takes them. Raises `UserError` for times that say too little or too much."""
    now = people.now_s()
    since_s = now if since is None else _moment_s(since, now)
    body: dict[str, Any] = {"scopes": scopes or [], "labels": _labels(labels or []), "since_s": since_s}
    body |= {"note": note, "by": people.who()}
    if at is not None:
        if for_ is None:
            raise UserError("say how long it lasts each time, with --for 3h")
        days = [day.strip() for day in on.split(",") if day.strip()]
        numbers = [int(day) for day in days if day.lstrip("-").isdecimal()]
        names = [day.lower()[:3] for day in days if not day.lstrip("-").isdecimal()]
        body["recurs"] = {"at": at, "duration_s": span_s(for_), "timezone": timezone}
        body["recurs"] |= {"weekdays": names, "month_days": numbers}
        return body | {"until_s": None if until is None else later_s(until, now)}
    if on or timezone != "UTC":
        raise UserError("--on and --timezone are for what recurs: say when with --at 02:00 --for 3h")
    if (until is None) == (for_ is None):
        raise UserError("say when it ends: with --until 18:00, or with --for 4h")
    return body | {"until_s": since_s + span_s(for_) if for_ else later_s(until or "", now)}


def _moment_s(words: str, now: int) -> int:
    """A time to come; an ISO time may have passed."""
    try:
        return later_s(words, now)
    except UserError:
        return moment_s(words, now)


def _labels(given: list[str]) -> dict[str, str]:
    for one in given:
        if "=" not in one:
            raise UserError(f"--label {one} says no value: write --label team=payments")
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def _added(window: dict[str, Any], as_json: bool, then: str) -> None:
    if as_json:
        people.print_json(window)
        return
    print(f"{window['id']}: {_when(window)} it {then}.")
    count, names = window["scopes_now_count"], window["scopes_now"]
    if not count:
        print("No scope that is known now fits: see `burnline alert list` and the console for their names.")
    else:
        more = f" and {count - 3} more" if count > 3 else ""
        print(f"It is about {', '.join(names[:3])}{more}.")


def _listed(path: str, every: bool, config: Any, url: str | None, as_json: bool) -> None:
    params = {"all": "yes"} if every else None
    found = connect(config, url).get(path, params)["windows"]
    if as_json:
        for one in found:
            people.print_json(one)
        return
    if not found:
        print("None holds or is to come.")
        return
    for one in found:
        about = [*one["match"]["scopes"], *(f"{k}={v}" for k, v in one["match"]["labels"].items())]
        ceiling = one.get("ceiling_usd_per_hour")
        upto = "" if ceiling is None else f" up to {text.usd(ceiling)}/h"
        held = ", ".join(f"{line['severity']} {line['scope']}" for line in one["held_back"])
        people.print_entry(
            f"{one['id']} {one['state']}: {', '.join(about)}{upto}, {_when(one)}",
            one["note"],
            held and f"holds back {held}",
        )


def _ended(path: str, config: Any, url: str | None, as_json: bool) -> None:
    window = connect(config, url).post(path, {"by": people.who()})
    if as_json:
        people.print_json(window)
    else:
        print(f"{window['id']} ended at {text.clock(window['ended_s'])}.")


def _when(window: dict[str, Any]) -> str:
    """`from 14:00 UTC to 18:00 UTC`, with how it recurs."""
    if window["start_s"] is None:
        return "over"
    today_s = people.now_s()
    span = f"from {text.clock(window['start_s'], today_s)} to {text.clock(window['end_s'], today_s)}"
    rule = window["recurs"]
    if rule is None:
        return span
    days = ", ".join([*rule["weekdays"], *(f"day {day}" for day in rule["month_days"])]) or "each day"
    return f"{span}, and so on ({days} at {rule['at']} {rule['timezone']})"

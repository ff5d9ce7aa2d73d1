"""`burnline feedback`: say what an alert was, after seeing what that changes."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from stream.alerts import text
from stream.cli import people
from stream.cli.api import Api, Url, connect
from stream.cli.options import ConfigFile, Json
from stream.errors import UserError
from stream.schema.feedback import Verdict

app = typer.Typer(
    help="Say what an alert was: real, expected, false or a new normal. Needs a burnline that runs.",
    no_args_is_help=True,
)

Key = Annotated[
    str, typer.Argument(metavar="ALERT", help="Its key, as the page says it, or a scope: its last alert.")
]
Said = Annotated[
    Verdict,
    typer.Argument(
        metavar="VERDICT",
        help="real: money ran away. expected: planned, not normal. false: raise the threshold here. "
        "new_normal: learn anew what is normal.",
    ),
]
Weekly = Annotated[
    bool, typer.Option("--weekly", help="Of expected: it is planned at the same time (UTC) of each week.")
]
Ceiling = Annotated[
    float | None,
    typer.Option("--ceiling", help="Of expected: US dollars an hour that are planned; 1.25 × its peak."),
]
Weeks = Annotated[int, typer.Option("--weeks", min=1, max=12, help="How far back past alerts are looked at.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `burnline feedback list` names it.")]


@app.command()
def preview(
    alert: Key,
    verdict: Said,
    weekly: Weekly = False,
    ceiling: Ceiling = None,
    weeks: Weeks = 4,
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """See which past alerts a verdict would have removed, and which real ones it would have hidden.

    Example: burnline feedback preview service=shop/checkout false
    """
    found = _previewed(connect(config, url), alert, verdict, weekly, ceiling, weeks)
    if as_json:
        people.print_json(found)
        return
    _show(found)
    more = (" --weekly" if weekly else "") + ("" if ceiling is None else f" --ceiling {ceiling:g}")
    print(f"To save it: burnline feedback save '{alert}' {verdict}{more}")


@app.command()
def save(
    alert: Key,
    verdict: Said,
    note: Annotated[str, typer.Option("--note", help="Why, for those who ask later.")] = "",
    weekly: Weekly = False,
    ceiling: Ceiling = None,
    weeks: Weeks = 4,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask, even if it would have hidden what was called real.")
    ] = False,
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Save a verdict. What it changes is shown first, and you are asked.

    Example: burnline feedback save service=shop/checkout false --note "the nightly report"
    """
    api = connect(config, url)
    found = _previewed(api, alert, verdict, weekly, ceiling, weeks)
    if as_json:
        if found["consequence"]["hidden_real"] and not yes:
            raise UserError("it would have hidden what was called real: give --yes to save it all the same")
    else:
        _show(found)
        if not yes:
            typer.confirm("Save it?", abort=True)
    body: dict[str, Any] = {"alert": alert, "verdict": str(verdict), "weekly": weekly, "weeks": weeks}
    body |= {"by": people.who(), "note": note, "ceiling_usd_per_hour": ceiling}
    found = api.post("/api/v1/feedback", body)
    if as_json:
        people.print_json(found)
        return
    said = found["feedback"]
    print(
        f"Saved until {text.clock(said['expires_s'])}. To take it back: burnline feedback revoke {said['id']}"
    )


@app.command("list")
def list_(config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """Every verdict, the newest first, and whether it holds.

    Example: burnline feedback list
    """
    found = connect(config, url).get("/api/v1/feedback")["feedback"]
    if as_json:
        for one in found:
            people.print_json(one)
        return
    if not found:
        print("Nobody has said anything of an alert yet.")
        return
    for one in found:
        until = f"until {text.clock(one['expires_s'])}" if one["holds"] else "no more"
        people.print_entry(
            f"{one['id']}: {one['scope']} was {one['verdict']}, says {one['by']}; holds {until}",
            f"told by {', '.join(one['detectors'])}",
            one["note"],
        )


@app.command()
def revoke(said: Id, config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """Take a verdict back; what it changed is as it was.

    Example: burnline feedback revoke 20261124-1a2b3c
    """
    found = connect(config, url).post(f"/api/v1/feedback/{quote(said, safe='')}/revoke", {"by": people.who()})
    if as_json:
        people.print_json(found)
    else:
        print(f"{found['id']} is taken back: {found['scope']} is judged as before.")


def _previewed(
    api: Api, alert: str, verdict: Verdict, weekly: bool, ceiling: float | None, weeks: int
) -> dict[str, Any]:
    params = {"alert": alert, "verdict": str(verdict), "weekly": "yes" if weekly else "no", "weeks": weeks}
    if ceiling is not None:
        params["ceiling_usd_per_hour"] = str(ceiling)
    found: dict[str, Any] = api.get("/api/v1/feedback/preview", params)
    return found


def _show(found: dict[str, Any]) -> None:
    said, follows = found["feedback"], found["consequence"]
    removed, hidden = follows["removed"], follows["hidden_real"]
    print(f"{said['alert']} was {said['verdict'].replace('_', ' ')}.")
    for note in follows["notes"]:
        print(f"- {note}")
    count = len(removed) + follows["kept"]
    print(
        f"Of {count} alert{'s' if count != 1 else ''} of {said['scope']} since "
        f"{text.clock(follows['since_s'])}, {len(removed)} would not have been told{':' if removed else '.'}"
    )
    for one in removed[:10]:
        alert = one["alert"]
        cost = f"{text.usd(alert['peak_usd_per_hour'])}/h, {text.usd_of(alert['excess_nusd'])} beyond normal"
        was = f", called {' and '.join(one['verdicts'])}" if one["verdicts"] else ""
        print(f"  {text.clock(alert['fired_s'])} {alert['severity']}, up to {cost}{was}")
    if len(removed) > 10:
        print(f"  and {len(removed) - 10} more")
    if hidden:
        Console().print(f"It would have hidden {len(hidden)} that somebody called real.", style="bold red")

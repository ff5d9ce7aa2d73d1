"""`burnline incident`: open, follow and close incidents, and write the postmortem's cost section."""

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream.alerts import text
from stream.cli import people
from stream.cli.api import Api, Url, connect
from stream.cli.options import ConfigFile, Json
from stream.cli.times import moment_s
from stream.errors import UserError

app = typer.Typer(
    help="Open, follow and close incidents, and write what they cost. Needs a burnline that runs.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The incident, as `burnline incident list` names it.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at", help="When: 14:02 (UTC), 20m (ago) or 2026-11-24T14:02Z; now by default.", show_default=False
    ),
]


@app.command("open")
def open_(
    scope: Annotated[list[str], typer.Option("--scope", help="What it is about; may be given again.")],
    since: Annotated[
        str, typer.Option("--since", help="Onset: 14:02 (UTC), 20m (ago) or 2026-11-24T14:02Z.")
    ],
    title: Annotated[str, typer.Option("--title", help="What people will call it.")] = "",
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Account for what scopes spend beyond normal from a time on.

    Example: burnline incident open --scope service=shop/checkout --since 14:02 --title "Checkout runs away"
    """
    body = {
        "scopes": scope,
        "since_s": moment_s(since, people.now_s()),
        "title": title,
        "opened_by": people.who(),
    }
    incident = connect(config, url).post("/api/v1/incidents", body)
    _tell(incident, as_json, f"{incident['id']} is open. Its cost: burnline incident show {incident['id']}")


@app.command("list")
def list_(config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """Every incident that is kept, the latest first.

    Example: burnline incident list
    """
    found = connect(config, url).get("/api/v1/incidents")["incidents"]
    if as_json:
        for incident in found:
            people.print_json(incident)
        return
    if not found:
        print("No incident has been opened.")
        return
    for each in found:
        state = f"until {_clock(each['until_s'])}" if each["closed"] else "open"
        contained = "" if each["contained_s"] is None else f", contained {_clock(each['contained_s'])}"
        people.print_entry(
            f"{each['id']} {state}: {each['title']}",
            f"{', '.join(each['scopes'])}; since {text.clock(each['since_s'])}{contained}",
        )


@app.command()
def show(incident: Id, config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """What it costs so far, and through what.

    Example: burnline incident show 20261124-1a2b3c
    """
    cost = connect(config, url).get(_path(incident))
    if as_json:
        people.print_json(cost)
        return
    console = Console()
    for line in _facts(cost):
        console.print(line, highlight=False)
    for title, parts in (("By driver", cost["drivers"]), ("By owner", cost["owners"])):
        table = Table(title=title, title_justify="left")
        table.add_column("name")
        table.add_column("beyond normal", justify="right")
        for part in parts[:10]:
            table.add_row(escape(part["name"]), text.usd_of(part["excess_nusd"]))
        console.print(table)


@app.command()
def contain(
    incident: Id, at: At = None, config: ConfigFile = None, url: Url = None, as_json: Json = False
) -> None:
    """Say when the cause was stopped.

    Example: burnline incident contain 20261124-1a2b3c --at 14:31
    """
    changed = _change(connect(config, url), incident, "contain", at)
    _tell(changed, as_json, f"{changed['id']} was contained at {text.clock(changed['contained_s'])}.")


@app.command()
def close(
    incident: Id, at: At = None, config: ConfigFile = None, url: Url = None, as_json: Json = False
) -> None:
    """End its window.

    Example: burnline incident close 20261124-1a2b3c
    """
    changed = _change(connect(config, url), incident, "close", at)
    _tell(
        changed,
        as_json,
        f"{changed['id']} is closed as of {text.clock(changed['until_s'])}. "
        f"For the postmortem: burnline incident report {changed['id']}",
    )


@app.command()
def report(
    incident: Id,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file to write to instead.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """The cost section of the postmortem, in Markdown.

    Example: burnline incident report 20261124-1a2b3c --output postmortem-cost.md
    """
    markdown = connect(config, url).text("GET", f"{_path(incident)}/report")
    if as_json:
        markdown = msgspec.json.encode({"id": incident, "markdown": markdown}).decode() + "\n"
    if output is None:
        sys.stdout.write(markdown)
        return
    try:
        output.write_text(markdown, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}; name another file with --output") from None
    print(f"Written to {output}.")


def _change(api: Api, incident: str, verb: str, at: str | None) -> dict[str, Any]:
    body = {} if at is None else {"at_s": moment_s(at, people.now_s())}
    changed: dict[str, Any] = api.post(f"{_path(incident)}/{verb}", body)
    return changed


def _facts(cost: dict[str, Any]) -> list[str]:
    incident = cost["incident"]
    low, high = cost["excess_low_nusd"], cost["excess_high_nusd"]
    between = "" if low is None else f", ± {text.usd_of((high - low) // 2)} with 95 %"
    lines = [
        f"[bold]{escape(incident['title'])}[/bold] ({incident['id']})",
        f"[bold]{text.usd_of(cost['excess_nusd'])}[/bold] beyond normal ({cost['state']}){between}",
        f"{text.usd_of(cost['spent_nusd'])} spent where {text.usd_of(cost['baseline_nusd'])} is normal, "
        f"{text.clock(cost['start_s'])} to {text.clock(cost['end_s'])}",
    ]
    now, normal = cost["burn_usd_per_hour"], cost["baseline_usd_per_hour"]
    if now is not None:
        usual = "what is normal is not known yet" if normal is None else f"normally {text.usd(normal)}/h"
        lines.append(f"{text.usd(now)}/h now, {usual} {text.ratio(now, normal)}".rstrip())
    if cost["until_contained_nusd"] is not None:
        until, after = cost["until_contained_nusd"], cost["after_contained_nusd"]
        lines.append(f"{text.usd_of(until)} until it was contained, {text.usd_of(after)} after")
    lines += [f"Not added: {escape(scope)} {escape(why)}" for scope, why in cost["left_out"].items()]
    return lines


def _tell(incident: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        people.print_json(incident)
    else:
        print(sentence)


def _path(incident: str) -> str:
    return f"/api/v1/incidents/{quote(incident, safe='')}"


def _clock(time_s: int | None) -> str:
    return "" if time_s is None else text.clock(time_s)

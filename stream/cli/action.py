"""`burnline action`: what is proposed to contain alerts, approving it by name, and the log of it."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from stream.alerts import text
from stream.cli import people
from stream.cli.api import Url, connect
from stream.cli.options import ConfigFile, Json

app = typer.Typer(
    help="Approve or decline what rules propose to contain alerts. burnline itself runs none of it. "
    "Needs a burnline that runs.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `burnline action list` and the page name it.")]
By = Annotated[str, typer.Option("--by", help="Your name, for the log.")]
Note = Annotated[str, typer.Option("--note", help="Why, for those who ask later.")]


@app.command("list")
def list_(config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """What was proposed in the last 7 days, the newest first.

    Example: burnline action list
    """
    found = connect(config, url).get("/api/v1/actions")
    if as_json:
        for one in found["actions"]:
            people.print_json(one)
        return
    if not found["actions"]:
        print("Nothing was proposed of late.")
        return
    for one in found["actions"]:
        until = text.clock(one["expires_s"], found["now_s"])
        state = f"{one['state']} by {one['by']}" if one["by"] else f"{one['state']}, until {until}"
        trial = " (dry run)" if one["dry_run"] else ""
        head = f"{one['id']} {state}{trial}: {one['step']['what']}, for {one['scope']}"
        people.print_entry(head, one["step"]["run"], one["note"])


@app.command()
def approve(
    action: Id, by: By, note: Note = "", config: ConfigFile = None, url: Url = None, as_json: Json = False
) -> None:
    """Approve an action. It is handed to its destination, which runs it; burnline does not.

    Example: burnline action approve cap-shop-1a2b3c4d --by ana
    """
    _decide(action, "approve", by, note, config, url, as_json)


@app.command()
def decline(
    action: Id, by: By, note: Note = "", config: ConfigFile = None, url: Url = None, as_json: Json = False
) -> None:
    """Decline an action: it can't be approved any more.

    Example: burnline action decline cap-shop-1a2b3c4d --by ana --note "it is the launch"
    """
    _decide(action, "decline", by, note, config, url, as_json)


@app.command()
def log(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many of the newest.")] = 1_000,
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """All that happened to actions, the oldest first: the audit log.

    Example: burnline action log --json
    """
    found = connect(config, url).get("/api/v1/actions/log", {"limit": limit})["entries"]
    if as_json:
        for one in found:
            people.print_json(one)
        return
    if not found:
        print("Nothing was ever proposed.")
        return
    for one in found:
        action = one["action"]
        who = f" by {one['by']}" if one["by"] else ""
        trial = " (dry run)" if action["dry_run"] else ""
        head = f"{text.clock(one['at_s'])}: {action['id']} {one['event']}{who}{trial}, for {action['scope']}"
        people.print_entry(head, one["detail"] or action["step"]["run"], action["note"])


def _decide(action: str, verb: str, by: str, note: str, config: Any, url: str | None, as_json: bool) -> None:
    path = f"/api/v1/actions/{quote(action, safe='')}/{verb}"
    found = connect(config, url).post(path, {"by": by, "note": note})
    if as_json:
        people.print_json(found)
        return
    where = f"{found['destination']} and " if found["destination"] else ""
    then = f"It goes to {where}the topic actions" + (", as a dry run." if found["dry_run"] else ".")
    print(f"{found['id']} is {found['state']} by {found['by']}. {then if verb == 'approve' else ''}".rstrip())

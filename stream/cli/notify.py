"""`burnline notify`: what the destinations have proven, and test deliveries."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from stream.alerts import text
from stream.cli import people
from stream.cli.api import Api, Url, connect
from stream.cli.options import ConfigFile, Json
from stream.errors import UserError
from stream.schema.alerts import Severity

app = typer.Typer(
    help="See where alerts go and whether they arrive, and send tests. Needs a burnline that runs.",
    no_args_is_help=True,
)

LOOK_EVERY_S: Final = 0.5


@app.command("list")
def list_(config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """Every destination: which alerts it gets, and whether it has proven that it takes them.

    Example: burnline notify list
    """
    found = connect(config, url).get("/api/v1/destinations")["destinations"]
    if as_json:
        for each in found:
            people.print_json(each)
        return
    if not found:
        print("No destination is configured: see notify.destinations in docs/configuration.md")
        return
    for each in found:
        proven_ms = each.get("proven_ms")
        last = f"; last took one {text.clock(proven_ms // 1000)}" if proven_ms else ""
        gets = ", ".join(each["severities"])
        people.print_entry(f"{each['name']} is {each['state']}: gets {gets}{last}", each.get("detail", ""))


@app.command()
def test(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The destination; all of them by default.")
    ] = None,
    severity: Annotated[
        Severity | None,
        typer.Option(help="As what it comes; by default the least that the destination gets."),
    ] = None,
    wait_s: Annotated[float, typer.Option(min=1, help="How long to wait for the outcome.")] = 30.0,
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Send a test on the very way of a page, and say whether it was taken. It is marked as a test, and ends
    by itself. Ends with status 1 if one was not taken.

    Example: burnline notify test pagerduty
    """
    api = connect(config, url)
    known = [each["name"] for each in api.get("/api/v1/destinations")["destinations"]]
    names = [name] if name is not None else known
    if not names:
        raise UserError("there is no destination to test: add one to notify.destinations")
    body = {} if severity is None else {"severity": str(severity)}
    asked = {
        each: api.post(f"/api/v1/destinations/{quote(each, safe='')}/test", body)["id"] for each in names
    }
    outcomes = _awaited(api, asked, wait_s, time.monotonic, time.sleep)
    for outcome in outcomes:
        people.print_json(outcome) if as_json else print(outcome["said"])
    raise typer.Exit(0 if all(outcome["taken"] for outcome in outcomes) else 1)


def _awaited(
    api: Api,
    asked: dict[str, str],
    wait_s: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> list[dict[str, Any]]:
    """The outcome of each test, in the order asked for."""
    until = monotonic() + wait_s
    while True:
        found = {each["name"]: each for each in api.get("/api/v1/destinations")["destinations"]}
        ended = {
            name
            for name, key in asked.items()
            if ((found.get(name) or {}).get("trial") or {}).get("id") == key
        }
        if len(ended) == len(asked) or monotonic() >= until:
            return [_outcome(name, key, found.get(name) or {}, name in ended) for name, key in asked.items()]
        sleep(LOOK_EVERY_S)


def _outcome(name: str, key: str, row: dict[str, Any], ended: bool) -> dict[str, Any]:
    trial = row.get("trial") or {}
    taken = ended and bool(trial.get("taken"))
    detail = trial.get("detail", "") if ended else row.get("detail", "")
    if taken:
        said = f"{name} took the test {key}: look whether it shows there"
    elif ended:
        said = f"{name} did not take the test {key}: {detail}"
    elif row.get("waiting"):
        said = (
            f"{name} has not come to the test {key}: {row['waiting']} waits before it; last answer: {detail}"
        )
    else:
        said = (
            f"{name} has not come to the test {key}: see whether `burnline run` (with Kafka, `worker`) runs"
            " and has this destination; wait longer with --wait-s"
        )
    return {"destination": name, "id": key, "taken": taken, "ended": ended, "detail": detail, "said": said}

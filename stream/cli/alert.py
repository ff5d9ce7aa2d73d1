"""`burnline alert`: what fires, who has it, and the trail of what people asked for."""

from typing import Annotated, Any

import typer

from stream.alerts import text
from stream.cli import people
from stream.cli.api import Url, connect
from stream.cli.options import ConfigFile, Json
from stream.cli.times import later_s

app = typer.Typer(
    help="See what fires, and say who has it. Needs a burnline that runs.", no_args_is_help=True
)

Key = Annotated[
    str, typer.Argument(metavar="ALERT", help="Its key, as the page says it, or the name of its scope.")
]
Note = Annotated[str, typer.Option("--note", help="What others should know.")]


@app.command("list")
def list_(config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """What fires, what is held back, and what waits for the digest; the most dollars first.

    Example: burnline alert list
    """
    found = connect(config, url).get("/api/v1/alerts")
    alerts = sorted(found["alerts"], key=lambda one: -one["excess_nusd"])
    told = [one for one in alerts if one["state"] != "pending"]
    if as_json:
        for one in alerts:
            people.print_json(one)
        return
    for one in told:
        people.print_entry(
            f"{one['severity'].upper()} {one['state']}: {one['summary']}",
            f"{_who_has(one, found['now_s'])}; its key: {one['dedup_key']}",
        )
    if not told:
        print("Nothing fires.")
    for report in found["held_back"]:
        held = report["held"]
        name = held["note"] or held["id"]
        for line in report["lines"].values():
            until = text.clock(held["until_s"], found["now_s"])
            burns = f"{line['severity']} {line['scope']}, {text.usd(line['burn_usd_per_hour'])}/h"
            people.print_entry(f"Held back by {held['kind']} {name!r} until {until}: {burns}")
    for line in found["digest"]:
        people.print_entry(f"For the digest: {line['scope']}. {line['reason']}")


@app.command()
def show(alert: Key, config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """One alert as its page says it, with every command that contains it and its undo.

    Example: burnline alert show service=shop/checkout
    """
    found = connect(config, url).get("/api/v1/alerts/one", {"alert": alert})
    if as_json:
        people.print_json(found["alert"])
        return
    print(found["page"])
    for step in found["alert"]["steps"]:
        print(f"\n{step['id']}: {step['what']}")
        if step["missing"]:
            print(f"  fill in     {', '.join(f'<{name}>' for name in step['missing'])}")
        if step["before"]:
            print(f"  look first  {step['before']}")
        print(f"  run         {step['run']}\n  undo        {step['undo']}")


@app.command()
def ack(
    alert: Key, note: Note = "", config: ConfigFile = None, url: Url = None, as_json: Json = False
) -> None:
    """Say that you have an alert. It rings again only if it gets worse.

    Example: burnline alert ack service=shop/checkout --note "looking at it"
    """
    body = {"alert": alert, "by": people.who(), "note": note}
    said = connect(config, url).post("/api/v1/alerts/acknowledge", body)
    _tell(said, as_json, f"{said['by']} has {said['alert']}. It rings again only if it gets worse.")


@app.command()
def snooze(
    alert: Key,
    until: Annotated[str, typer.Option("--until", help="18:00 (UTC), 2h (from now) or 2026-11-24T18:00Z.")],
    note: Note = "",
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Let an alert rest until a time; then it rings again if it still fires. At most 7 days.

    Example: burnline alert snooze service=shop/checkout --until 2h
    """
    body = {"alert": alert, "by": people.who(), "note": note, "until_s": later_s(until, people.now_s())}
    said = connect(config, url).post("/api/v1/alerts/snooze", body)
    when = text.clock(said["until_s"], people.now_s())
    _tell(said, as_json, f"{said['alert']} rests until {when}; if it gets worse, it rings before.")


@app.command()
def unack(alert: Key, config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """Take an acknowledgement or a snooze back: it rings again.

    Example: burnline alert unack service=shop/checkout
    """
    body = {"alert": alert, "by": people.who()}
    ended = connect(config, url).post("/api/v1/alerts/unacknowledge", body)["ended"]
    _tell({"ended": ended}, as_json, f"Nobody has {ended[0]['alert']} any more: it rings again.")


@app.command()
def log(config: ConfigFile = None, url: Url = None, as_json: Json = False) -> None:
    """Who asked for what, the newest first: acknowledgements, maintenance, plans, feedback, approvals.

    Example: burnline alert log
    """
    found = connect(config, url).get("/api/v1/commands")["commands"]
    if as_json:
        for one in found:
            people.print_json(one)
        return
    for one in found:
        when = "burnline.yaml" if one["made_s"] == 0 else text.clock(one["made_s"])
        about = one.get("alert") or one.get("action") or _about(one["match"])
        ended = "" if one["ended_s"] is None else f"; ended {text.clock(one['ended_s'])} by {one['ended_by']}"
        people.print_entry(f"{when}, {one['by']}: {_what(one)} {about}{ended}", one["note"])
    if not found:
        print("Nobody has asked for anything.")


def _what(command: dict[str, Any]) -> str:
    if command["kind"] == "approval":
        return "approve" if command["approved"] else "decline"
    return str(command.get("verdict", command["kind"]))


def _about(match: dict[str, Any]) -> str:
    return ", ".join([*match["scopes"], *(f"{name}={value}" for name, value in match["labels"].items())])


def _who_has(alert: dict[str, Any], today_s: int) -> str:
    plan, has_it = alert["plan"], alert["acknowledged"]
    if plan is not None and alert["tier"] != "plan":
        return f"planned, up to {text.usd(plan['ceiling_usd_per_hour'])}/h"
    if has_it is None:
        return "nobody has it"
    until = has_it["until_s"]
    snoozed = "" if until is None else f", snoozed until {text.clock(until, today_s)}"
    return f"{has_it['by']} has it{snoozed}"


def _tell(said: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        people.print_json(said)
    else:
        print(sentence)

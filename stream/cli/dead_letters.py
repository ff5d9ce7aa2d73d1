"""`burnline dead-letters`: what could not be read or delivered, and why."""

from typing import Annotated

import msgspec
import typer

from stream.alerts import text
from stream.cli import people
from stream.cli.api import Url, connect
from stream.cli.options import ConfigFile, Json
from stream.cli.times import moment_s
from stream.schema.dead_letters import DeadLetter, Reason, shown


def dead_letters(
    reason: Annotated[Reason | None, typer.Option("--reason", help="Only these.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="From then on: 14:02 (UTC), 2h (ago) or 2026-11-24T14:02Z.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many of the newest.")] = 20,
    config: ConfigFile = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """See what could not be read or delivered: why, from where, and how it begins; and how many by reason.

    Needs a burnline that runs. With --json each is one line, `original` the first 3,072 bytes in base64.

    Example: burnline dead-letters --since 2h --reason wrong_schema
    """
    params: dict[str, str | int] = {"limit": limit}
    if reason is not None:
        params["reason"] = reason.value
    if since is not None:
        params["since_s"] = moment_s(since, people.now_s())
    found = connect(config, url).get("/api/v1/dead-letters", params)
    if as_json:
        for one in found["letters"]:
            people.print_json(one)
        return
    letters = msgspec.convert(found["letters"], list[DeadLetter])
    for letter in letters:
        where = f"{letter.topic}/{letter.partition} at {letter.offset}, {letter.original_bytes:,} bytes"
        when = text.clock(letter.timestamp_ms // 1000)
        people.print_entry(f"{when}: {letter.reason}, {where}", letter.detail, shown(letter))
    counts = ", ".join(f"{name} {count:,}" for name, count in found["counts"].items())
    total = sum(found["counts"].values())
    left_out = f" The newest {len(letters):,} are shown." if len(letters) < total else ""
    print(f"{total:,} in all: {counts}.{left_out}" if total else "There are no dead letters.")

"""The `burnline` command."""

import os
import sys
from typing import Annotated

import typer

from stream.cli import (
    action,
    alert,
    backtest,
    config,
    dead_letters,
    demo,
    feedback,
    gameday,
    incident,
    notify,
    planned,
    reconcile,
    replay,
    run,
    topics,
)
from stream.errors import UserError
from stream.shell.garbage import collect_rarely

app = typer.Typer(
    name="burnline",
    help="Watch what a cloud estate spends now, and page when money runs away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("dead-letters")(dead_letters.dead_letters)
app.command("demo")(demo.demo)
app.command("gameday")(gameday.gameday)
app.command("backtest")(backtest.backtest)
app.command("reconcile")(reconcile.reconcile)
app.command("replay")(replay.replay)
app.command("run")(run.run)
app.command("meter")(run.meter)
app.command("worker")(run.worker)
app.command("serve")(run.serve)
app.add_typer(alert.app, name="alert")
app.add_typer(action.app, name="action")
app.add_typer(planned.maintenance, name="maintenance")
app.add_typer(planned.plan, name="plan")
app.add_typer(feedback.app, name="feedback")
app.add_typer(incident.app, name="incident")
app.add_typer(notify.app, name="notify")
app.add_typer(config.app, name="config")
app.add_typer(topics.app, name="topics")


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        raise typer.Exit


def main() -> None:
    """Entry point: a mistake of the user is one sentence and exit status 2, never a traceback."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version

        print(f"burnline {version('burnline')}")
        return
    collect_rarely()
    try:
        app()
    except UserError as error:
        for line in str(error).splitlines():
            print(f"burnline: {line}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone; close quietly, as `head` expects.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()

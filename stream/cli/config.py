"""`burnline config`: check the configuration, or show what it comes to."""

import sys

import typer

from detectors import registry
from stream import config as configuration
from stream.cli.options import ConfigFile, Json
from stream.config import Config
from stream.errors import UserError
from stream.meter import price

app = typer.Typer(help="Check the configuration, or show what it comes to.", no_args_is_help=True)


@app.command()
def check(config: ConfigFile = None, as_json: Json = False) -> None:
    """Name every mistake in the configuration, or say that there is none.

    Example: burnline config check --config burnline.yaml
    """
    problems: list[str] = []
    try:
        loaded = configuration.load(config)
        problems = list(_mistakes(loaded))
    except UserError as error:
        problems = str(error).splitlines()
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.encode({"ok": not problems, "problems": problems}).decode() + "\n")
    elif problems:
        for problem in problems:
            print(problem, file=sys.stderr)
    else:
        print(f"{config or 'the defaults'}: no mistakes")
    raise typer.Exit(2 if problems else 0)


@app.command()
def show(config: ConfigFile = None) -> None:
    """Print the whole configuration with its defaults, as JSON. Secrets show as stars.

    Example: burnline config show | jq .burn
    """
    print(configuration.load(config).model_dump_json(indent=2))


def _mistakes(config: Config) -> list[str]:
    """What the schema can't see: price book, detectors, scopes of budgets."""
    problems: list[str] = []
    try:
        price.load(config.prices.book)
    except UserError as error:
        problems += str(error).splitlines()
    try:
        registry.build_all(config.detectors)
    except ValueError as error:
        problems.append(f"detectors: {error}")
    kinds = {rule.name: rule for rule in config.scopes}
    for budget in config.budgets:
        kind, equals, _ = budget.scope.partition("=")
        rule = kinds.get(kind)
        if rule is None or bool(rule.labels) != bool(equals):
            known = ", ".join(f"{name}=…" if rule.labels else name for name, rule in kinds.items())
            problems.append(f"budgets: {budget.scope!r} is no scope; scopes are {known}")
    return problems

"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from stream.collect.formats import FORMATS

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="BURNLINE_CONFIG", help="The configuration file, burnline.yaml."),
]
FormatName = Annotated[
    str | None, typer.Option("--format", help=f"Instead of recognising it: {', '.join(FORMATS)}.")
]
Fx = Annotated[
    list[str] | None,
    typer.Option("--fx", help="Exchange rate to USD for a bill in another currency, e.g. CAD=0.73."),
]
Currency = Annotated[
    str | None, typer.Option("--currency", help="The currency of files that do not name one, e.g. USD.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")]

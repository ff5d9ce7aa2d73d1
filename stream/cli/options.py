"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="BURNLINE_CONFIG", help="The configuration file, burnline.yaml."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")]

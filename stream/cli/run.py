"""`burnline run`, `meter`, `worker` and `serve`: the long-running processes."""

from pathlib import Path
from typing import Annotated

import typer

from stream import config as configuration
from stream.cli.options import ConfigFile


def run(
    config: ConfigFile = None,
    database: Annotated[
        Path | None, typer.Option(help="The SQLite file; overrides embedded.database.")
    ] = None,
) -> None:
    """Run everything in one process over one SQLite file, fed by HTTP. No Kafka needed.

    Example: burnline run --config burnline.yaml
    """
    from stream.shell.embedded.service import run_embedded

    run_embedded(configuration.load(config), database)


def meter(config: ConfigFile = None) -> None:
    """Turn `usage` into money on `spend`. Run as many as there are usage partitions.

    Example: BURNLINE_KAFKA__BOOTSTRAP=broker:9092 burnline meter
    """
    from stream.shell.kafka.process import run_meter

    run_meter(configuration.load(config))


def worker(config: ConfigFile = None) -> None:
    """Keep the windows, run the detectors, raise alerts, deliver them. A Faust worker.

    Example: BURNLINE_KAFKA__BOOTSTRAP=broker:9092 burnline worker
    """
    from stream.shell.kafka.process import run_worker

    run_worker(configuration.load(config))


def serve(config: ConfigFile = None) -> None:
    """Follow the topics and answer the API, the console and incident questions. Run any number.

    Example: BURNLINE_KAFKA__BOOTSTRAP=broker:9092 burnline serve
    """
    from stream.shell.kafka.serve import run_serve

    run_serve(configuration.load(config))

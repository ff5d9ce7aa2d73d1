"""`burnline topics`: create or check the Kafka topics."""

import asyncio

import typer

from stream import config as configuration
from stream.cli.options import ConfigFile

app = typer.Typer(help="Create or check the Kafka topics.", no_args_is_help=True)


@app.command()
def create(config: ConfigFile = None) -> None:
    """Create what is missing and check what is there. Run it before the meters and workers.

    Example: burnline topics create --config burnline.yaml
    """
    from stream.shell.kafka.topics import create as create_topics

    for line in asyncio.run(create_topics(configuration.load(config).kafka)):
        print(line)


@app.command()
def check(config: ConfigFile = None) -> None:
    """Say whether the topics are as they must be; changes nothing.

    Example: burnline topics check
    """
    from stream.shell.kafka.topics import verify

    asyncio.run(verify(configuration.load(config).kafka))
    print("all topics are as they must be")

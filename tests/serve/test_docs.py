"""docs/api.md names every path, and no other."""

import re
from pathlib import Path

from aiohttp import web

from stream.collect.http import ingest_application
from stream.config import Deploys, Http
from stream.serve.api import application
from tests.serve.rig import Shop

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


async def sink(topic: str, values: list[bytes]) -> None: ...


def routes(made: web.Application) -> set[tuple[str, str]]:
    return {
        (route.method, route.resource.canonical)
        for route in made.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def test_every_path_is_described() -> None:
    known = routes(application(Shop(), Http(port=0), lambda: 0))
    known |= routes(ingest_application(sink, Http(port=0), 1, Deploys(), lambda: 0))
    told = set(re.findall(r"`(GET|POST) (/[^`? ]*)[^`]*`", DOCS.read_text(encoding="utf-8")))
    assert told == known

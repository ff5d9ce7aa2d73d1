"""docs/configuration.md says what the models say. UPDATE_DOCS=1 writes it anew."""

import os
from collections.abc import Iterator

from pydantic import BaseModel

from stream.config import Config
from stream.config_reference import page, sections_below
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "configuration.md"


def test_the_page_is_what_the_models_say() -> None:
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run this test with UPDATE_DOCS=1 and commit the page"


def sections() -> Iterator[type[BaseModel]]:
    yield Config
    for name, field in Config.model_fields.items():
        yield from (model for _, model in sections_below(name, field.annotation))


def test_every_section_and_key_comes_with_its_meaning() -> None:
    for model in sections():
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
        assert model is Config or model.__doc__, model.__name__

"""docs/configuration.md says what the models say. UPDATE_DOCS=1 writes it anew."""

import json
import os
import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from stream.config import Config, load
from stream.config_reference import page, sections_below
from stream.config_section import Section
from stream.errors import UserError
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "configuration.md"


def test_the_page_is_what_the_models_say() -> None:
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run this test with UPDATE_DOCS=1 and commit the page"


SECTIONS = [name for name, field in Config.model_fields.items() if isinstance(field.default, Section)]


@pytest.mark.parametrize("name", SECTIONS)
def test_a_key_has_its_default_also_where_only_its_neighbours_are_given(name: str) -> None:
    section = getattr(Config(), name).model_dump(mode="json")
    assert Config.model_validate({name: {}}) == Config()
    for key, value in section.items():
        assert Config.model_validate({name: {key: value}}) == Config(), key
        variable = f"BURNLINE_{name}__{key}".upper()
        assert load(None, {variable: json.dumps(value)}) == Config(), variable


def sections() -> Iterator[type[BaseModel]]:
    yield Config
    for name, field in Config.model_fields.items():
        yield from (model for _, model in sections_below(name, field.annotation))


def test_every_section_and_key_comes_with_its_meaning() -> None:
    for model in sections():
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
        assert model is Config or model.__doc__, model.__name__


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BURNLINE_METER__MAX_LABEL_SETS", "0"),
        ("BURNLINE_METER__FUTURE_S", "-1"),
        ("BURNLINE_METER__MAX_SPAN_S", str(36 * 86400)),
        ("BURNLINE_BURN__IDLE_AFTER_S", "0"),
        ("BURNLINE_BURN__MAX_SCOPES", "-10"),
        ("BURNLINE_ALERTS__HOLD_S", "-600"),
        ("BURNLINE_KAFKA__SESSION_TIMEOUT_S", "0"),
        ("BURNLINE_NOTIFY__TIMEOUT_S", "0"),
        ("BURNLINE_METRICS__TOKEN", "secret"),  # it has no login
    ],
)
def test_what_can_not_work_is_refused_by_its_name(variable: str, value: str) -> None:
    key = variable.removeprefix("BURNLINE_").lower().replace("__", ".")
    with pytest.raises(UserError, match=re.escape(key)):
        load(None, {variable: value})

"""docs/detectors.md says what the classes say. UPDATE_DOCS=1 writes it anew."""

import os
from pathlib import Path

import pytest

from detectors.reference import page, severity, watches_for
from detectors.registry import BUILT_IN, WITHOUT_VIEW

PAGE = Path(__file__).parents[2] / "docs" / "detectors.md"
KINDS = (*BUILT_IN, *WITHOUT_VIEW)


def test_the_page_is_what_the_classes_say() -> None:
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run this test with UPDATE_DOCS=1 and commit the page"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_detector_says_what_it_watches_for_and_how_severe_it_is(kind: type) -> None:
    assert watches_for(kind)
    assert {"page", "ticket", "digest"} & set(severity(kind).split())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_setting_comes_with_its_meaning(kind: type) -> None:
    for name, field in kind.params_type.model_fields.items():  # type: ignore[attr-defined]
        assert field.description, name
        assert not field.is_required(), name

"""The published schemas of what destinations take, as data in `schemas/`, each with its source."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

FOLDER = Path(__file__).parent / "schemas"


def complaints(name: str, document: Any) -> list[str]:
    """What a schema says against a document, a line each."""
    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]

"""Golden files: what people see, word for word. `pytest tests/notify --update-golden` writes them anew."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"


def check(name: str, shown: Any, update: bool) -> None:
    """Compare text, or a document as JSON, with the golden file of this name."""
    text = shown if isinstance(shown, str) else json.dumps(shown, indent=2, ensure_ascii=False)
    path = FOLDER / name
    if update:
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")

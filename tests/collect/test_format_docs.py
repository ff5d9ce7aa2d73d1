"""The page on formats and the table in the code say the same."""

from pathlib import Path

from stream.collect.formats import FORMATS

PAGE = Path(__file__).parents[2] / "docs/replay-formats.md"


def test_the_page_lists_every_format_as_the_code_does() -> None:
    text = PAGE.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    listed = rows[: len(FORMATS)]
    assert listed == [f"| `{f.name}` | {f.about} | {f.recognised_by} |" for f in FORMATS.values()]
    for name in FORMATS:
        assert f"\n## {name}\n" in text

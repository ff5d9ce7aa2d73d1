"""The pages of this project, taken apart: fenced blocks with what stands above them, links, commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
        *(ROOT / "stream").rglob("*.md"),
    ]
)

_FENCE = re.compile(r"(?:^<!-- (?P<mark>.*) -->\n)?^```(?P<language>\w*)\n(?P<code>(?s:.*?))^```$", re.M)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.M)
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^|[|;&(`]|\d+ )\s*(?:[A-Z_]+=\S+ )*burnline ([a-z][a-z-]*)(?: ([a-z]+))?", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block. `mark` is the HTML comment right above it, without its dashes."""

    mark: str
    language: str
    code: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found["mark"] or "", found["language"], found["code"]) for found in _FENCE.finditer(text)]


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """First and second word after `burnline` wherever it stands in code as a command."""
    text = page.read_text(encoding="utf-8")
    prose = _FENCE.sub("", text)
    code = [block.code for block in blocks(page) if block.language in ("sh", "console")]
    code += [*_INDENTED.findall(prose), *_SPAN.findall(prose)]
    for piece in code:
        yield from _COMMAND.findall(piece)


def links(page: Path) -> Iterator[str]:
    """Targets of links to other pages of this project, and to places in this page."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", prose, re.M)
    }

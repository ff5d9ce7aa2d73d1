"""Which files `burnline replay` reads: the table of formats, and how a file's format is recognised."""

import codecs
import csv
from pathlib import Path
from typing import Final

from stream.collect.aws_cur import AWS_CUR
from stream.collect.azure_ea import AZURE_EA
from stream.collect.azure_functions import AZURE_FUNCTIONS
from stream.collect.azure_invocations import AZURE_INVOCATIONS
from stream.collect.focus import FOCUS
from stream.collect.github_actions import GITHUB_ACTIONS
from stream.collect.inputfile import InputFile
from stream.collect.jsonl import JSONL
from stream.collect.oci import OCI
from stream.collect.pods import PODS
from stream.collect.reader import Format, Options
from stream.collect.reading import Reading
from stream.errors import UserError

FORMATS: Final[dict[str, Format]] = {
    each.name: each
    for each in (
        FOCUS, AWS_CUR, AZURE_EA, OCI, GITHUB_ACTIONS, AZURE_FUNCTIONS, AZURE_INVOCATIONS, PODS, JSONL,
    )
}  # fmt: skip
_START_BYTES: Final = 4096  # of a line, to tell JSON by; a message may be too long to be read as text


def open_reading(path: Path, format_name: str | None = None, options: Options | None = None) -> Reading:
    """The file's reading, in the format named or else recognised."""
    if format_name is None:
        file_format = recognise(path)
    elif format_name in FORMATS:
        file_format = FORMATS[format_name]
    else:
        raise UserError(f"There is no format {format_name!r}. Choose one of: {', '.join(FORMATS)}.")
    return Reading(path, file_format, options or Options())


def recognise(path: Path) -> Format:
    """The format of a file by its first line; `UserError` when it is none."""
    with InputFile(path) as file:
        starts = (line.removeprefix(codecs.BOM_UTF8).lstrip() for line in file.byte_lines(_START_BYTES))
        if next(filter(None, starts), b"").startswith((b"{", b"[")):
            return JSONL
    with InputFile(path) as file:
        first = next((line for line in file.text_lines() if line.strip()), None)
    if first is None:
        raise UserError(f"{path.name} is empty. Check that the export finished.")
    try:
        columns = {name.strip().lower() for name in next(csv.reader([first]))}
    except csv.Error:
        columns = set()
    for each in FORMATS.values():
        if any(header <= columns for header in each.headers):
            return each
    begins = first.strip()[:80].encode("ascii", "backslashreplace").decode()
    raise UserError(
        f"{path.name} is in no format that burnline knows; it begins with {begins!r}. "
        f"Name its format if it is one of: {', '.join(FORMATS)}."
    )

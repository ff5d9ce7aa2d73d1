"""The page docs/detectors.md, made from the classes, so that it can't tell anything else than they do."""

import inspect
import re
from typing import Any

from detectors.contract import Params, every_s
from detectors.registry import BUILT_IN, GROUP, WITHOUT_VIEW, Kind

_HEAD = """\
# Detectors

<!-- Made by detectors/reference.py. UPDATE_DOCS=1 make test ARGS=tests/detectors writes it anew. -->

A detector looks at all scopes at each closed 10-second bucket, or less often, and gives each a score: 1 is
its threshold. Settings go into `burnline.yaml`, below `detectors` and the detector's name:

    detectors:
      step: {sigmas: 10}
      emergency: {enabled: false}
"""

_TAIL = f"""\
## Your own

Write a class that follows `detectors/contract.py`, run it through `detectors.check(YourDetector)` in a test,
and let your package offer it by an entry point in the group `{GROUP}`, named as the detector is.
"""

_COLUMNS = ["setting", "default", "meaning"]


def page() -> str:
    """The whole page, as Markdown."""
    overview = [
        [f"[{kind.name}](#{kind.name})", watches_for(kind), severity(kind), _every(kind)]
        for kind in (*BUILT_IN, *WITHOUT_VIEW)
    ]
    parts = [_HEAD, _table(["detector", "watches for", "severity", "looks every"], overview)]
    parts += ["Every detector has:\n", _table(_COLUMNS, _settings(Params))]
    for kind in (*BUILT_IN, *WITHOUT_VIEW):
        parts += [f"## {kind.name}\n", _table(_COLUMNS, _settings(kind.params_type, Params))]
    return "\n".join([*parts, _TAIL])


def watches_for(kind: type[Kind]) -> str:
    """The first line of the docstring, without its full stop."""
    return (inspect.getdoc(kind) or "").partition("\n")[0].removesuffix(".")


def severity(kind: type[Kind]) -> str:
    """What the docstring says behind `Severity:`."""
    said = re.search(r"^Severity: (.*)\.$", inspect.getdoc(kind) or "", re.MULTILINE)
    return said[1] if said else ""


def _every(kind: type[Kind]) -> str:
    seconds = every_s(kind)
    if seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def _settings(params: type[Params], without: type[Params] | None = None) -> list[list[str]]:
    inherited: Any = without.model_fields if without else {}
    return [
        [f"`{name}`", f"`{_value(field.default)}`", field.description or ""]
        for name, field in params.model_fields.items()
        if name not in inherited
    ]


def _value(default: Any) -> str:
    """As one writes it in YAML."""
    if isinstance(default, tuple):
        return f"[{', '.join(map(_value, default))}]"
    return f'"{default}"' if isinstance(default, str) else str(default).lower()


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], ""])

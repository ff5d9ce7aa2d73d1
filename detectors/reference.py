"""The page docs/detectors.md, made from the classes, so that it can't tell anything else than they do."""

import inspect
import re
from typing import Any

from detectors.contract import Params, every_s
from detectors.explained import LEAST_PEERS, MISSING, MORE, MOST, QUARTER
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

_EXPLAINED = f"""\
## What explains an excess

An excess may be ordinary ([explained.py](../detectors/explained.py)). What is taken for that has no settings:

- **Work that moved within the day** (step, burn-vs-baseline, change-point, seasonal-anomaly): in the 18 h
  before the last 6 h the scope spent {MISSING * 100:g} % of a day or more too little, in the last 6 h at most
  {MORE:g} times that too much, and it burns at most {MORE:g} times the dearest hour of a normal day.
- **A tide that lifts many** (step, change-point, seasonal-anomaly): of {LEAST_PEERS} or more scopes of a
  kind, such as all services, {QUARTER * 100:g} % burn so many times what is normal; so may each of them, up
  to {MOST:g} times.
- **Traffic** (leak): the scope's other drivers, taken together, cost so many times what is usual; so may
  each, up to {MOST:g} times.
"""

_TAIL = f"""\
## Your own

A detector is a class that follows [the contract](../detectors/contract.py), in a package that offers it by
an entry point in the group `{GROUP}`, named as the detector is. A small one, whole:
[pyproject.toml](examples/static-limit/pyproject.toml), [the class](examples/static-limit/static_limit.py),
[its test](examples/static-limit/test_static_limit.py). Installed beside burnline, it runs; its settings
stand in `burnline.yaml` like any other's:

    pip install ./docs/examples/static-limit

    detectors:
      static-limit: {{usd_per_hour: 400, scopes: ["service=ci/*"]}}

`detectors.check(YourDetector)` says what does not hold, in one sentence: the same views give the same
scores; none depends on what comes later; the memory and the work of a bucket stay the same; NaN, zero,
negative and infinite values raise nothing and leave no trace; `save` gives plain bytes, no pickle, from
which it goes on as if nothing had happened; the order of scopes does not matter, and new ones may come;
what it is shown is left as it is.

One that can't be loaded, lacks a method or gets a wrong setting is one sentence at the start; `enabled:
false` leaves its package unloaded. One that raises later, or answers what makes no sense, is said once in
the log and counted (`burnline_detector_failures_total`, alert `BurnlineDetectorFails`); it is asked again,
and the others go on. One that never returns stops the stage: burnline runs its code, so install only what
you trust.
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
    return "\n".join([*parts, _EXPLAINED, _TAIL])


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
        if name not in inherited or field.default != inherited[name].default
    ]


def _value(default: Any) -> str:
    """As one writes it in YAML."""
    if isinstance(default, tuple):
        return f"[{', '.join(map(_value, default))}]"
    return f'"{default}"' if isinstance(default, str) else str(default).lower()


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], ""])

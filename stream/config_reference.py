"""The page docs/configuration.md, made from the models, so that it can't tell anything else than they do."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel

from stream.config import ENV_RESERVED, Config
from stream.config_section import Section

_TEXT: Final = """\
# Configuration

<!-- Made by stream/config_reference.py. UPDATE_DOCS=1 make test ARGS=tests/docs writes it anew. -->

burnline reads one YAML file. Name it with `--config FILE` or in `BURNLINE_CONFIG`; without one every key
has its default. `burnline config check` names every mistake at once, `burnline config show` prints what all
comes to. An unknown key is a mistake, and the nearest known one is named:

<!-- test fails -->
```sh
echo 'burn: {max_scope: 5}' > burnline.yaml
burnline config check --config burnline.yaml
```

<!-- output -->
```text
burnline.yaml: burn.max_scope: unknown key; did you mean 'max_scopes'?
```

## Environment

A variable overrides one value of the file: `BURNLINE_` and the key in capitals, two underscores for each
level down. The value is read as YAML, so a list or a mapping can be given too.

<!-- test -->
```sh
export BURNLINE_KAFKA__BOOTSTRAP=broker-1:9092,broker-2:9092
export BURNLINE_BUDGETS='[{scope: total, monthly_usd: 80000}]'
export BURNLINE_SERVE__TOKEN='"123456"'   # quoted twice: a token of digits is no number
burnline config check
```

These are no settings of the file: <reserved>.

## Secrets

Give these by environment, not in the file: <secrets>.
They print as stars, also in `burnline config show`. Where `ingest.host` or `serve.host` is one that other
machines can reach, its token is needed, or burnline refuses to start:

<!-- test fails -->
```sh
BURNLINE_SERVE__HOST=0.0.0.0 burnline run
```

<!-- output -->
```text
burnline: serve.host is 0.0.0.0, which other machines can reach: set serve.token \
(or BURNLINE_SERVE__TOKEN), or listen on 127.0.0.1
```

## Example

`deploy/burnline.yaml`, which docker-compose.yml uses:

```yaml
<example>```

One with owners and budgets: [stream/demo/burnline.yaml](../stream/demo/burnline.yaml).

## Keys

"""

_COLUMNS: Final = ["key", "value", "default", "unit", "meaning"]
_UNITS: Final = {"s": "seconds", "bytes": "bytes", "usd": "US dollars"}
_EXAMPLE: Final = Path(__file__).parents[1] / "deploy" / "burnline.yaml"


def page() -> str:
    """The whole page, as Markdown."""
    secrets = [f"`{key}`" for key in _secrets(Config)]
    filled = {
        "<reserved>": ", ".join(f"`{name}`" for name in sorted(ENV_RESERVED)),
        "<secrets>": ", ".join(secrets[:-1]) + f" and {secrets[-1]}",
        "<example>": _EXAMPLE.read_text(encoding="utf-8"),
    }
    text = _TEXT
    for mark, value in filled.items():
        text = text.replace(mark, value)
    overview = [[f"`{name}`", field.description or ""] for name, field in Config.model_fields.items()]
    parts = [text + _table(["key", "meaning"], overview)]
    for name, field in Config.model_fields.items():
        parts += _part(name, field)
    return "\n".join(parts)


def _part(name: str, field: Any) -> Iterator[str]:
    for depth, (place, model) in enumerate(sections_below(name, field.annotation)):
        yield f"{'##' if depth else '#'}## {place}\n"
        about = " ".join((inspect.getdoc(model) or "").split())
        yield re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", about) + "\n"
        yield _table(_COLUMNS, [_row(model, key, field) for key in model.model_fields])
    if field.default and isinstance(field.default, tuple):
        rows = [row.model_dump(mode="json", exclude_none=True) for row in field.default]
        written = yaml.safe_dump({name: rows}, sort_keys=False, default_flow_style=None)
        yield f"By default:\n\n```yaml\n{written}```\n"


def sections_below(place: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section at or below an annotation, with its place in the file."""
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        kind = annotation.model_fields.get("kind")
        yield place + (f" ({kind.default})" if kind else ""), annotation
        for name, field in annotation.model_fields.items():
            yield from sections_below(f"{place}.{name}", field.annotation)
    for inner in get_args(annotation):
        yield from sections_below(f"{place}[]" if get_origin(annotation) is tuple else place, inner)


def _row(model: type[BaseModel], key: str, parent: Any) -> list[str]:
    field = model.model_fields[key]
    schema = model.model_json_schema()["properties"][key]
    # A section may have defaults of its own, such as the ports of three HTTP sections.
    default = getattr(parent.default, key) if isinstance(parent.default, model) else field.default
    needed = field.is_required() and not isinstance(parent.default, model)
    unit = next((unit for suffix, unit in _UNITS.items() if key.endswith(f"_{suffix}")), "")
    return [
        f"`{key}`",
        _kind(schema),
        "needed" if needed else _written(default),
        unit,
        field.description or "",
    ]


def _written(default: Any) -> str:
    if default in (None, ""):
        return "none"
    if isinstance(default, Section):
        return "see below"
    if isinstance(default, tuple):
        return f"`[{', '.join(map(str, default))}]`"
    if isinstance(default, bool):
        return f"`{default}`".lower()
    return f"`{default}`"


def _kind(schema: Any) -> str:
    """What may be written, in words: `whole number, 10 to 300`."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    if len(options) > 1:
        return f"decimal number{_bounds(options[0])}"
    [one] = options
    if "$ref" in one:
        return "section"
    if "enum" in one:
        return " or ".join(f"`{value}`" for value in one["enum"])
    if "const" in one:
        return f"`{one['const']}`"
    if one.get("type") == "string":
        plain = {"password": "text, secret", "path": "path", "date-time": "time with its zone"}.get(
            one.get("format"), "text"
        )
        return plain + (f" like `{one['pattern']}`" if "pattern" in one else "")
    if one.get("type") == "boolean":
        return "`true` or `false`"
    if one.get("type") == "array":
        return "list"
    if one.get("type") == "object":
        return "mapping"
    return {"integer": "whole number", "number": "number"}[one["type"]] + _bounds(one)


def _bounds(schema: Any) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    said = "" if above is None else f", above {above:g}"
    if low is not None and high is not None:
        said += f", {low:,} to {high:,}"
    elif low is not None:
        said += f", at least {low:,}"
    elif high is not None:
        said += f", at most {high:,}"
    return said + (f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else "")


def _secrets(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        for place, section in sections_below(name, field.annotation):
            for key, schema in section.model_json_schema()["properties"].items():
                if _kind(schema).endswith("secret"):
                    yield f"{place.partition(' ')[0]}.{key}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], ""])

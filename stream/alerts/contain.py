"""Commands that contain what an alert is about, made for its very labels.

Labels come from outside, and someone pastes what is written here into a shell. So every argument is quoted
as a whole. A value that can't be shown in one piece (control characters, runs of blanks, too long), or that
a tool would read as the address of a file, is none: `'<label>'` holds its place, which no tool takes.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from stream.alerts.recipes import ALIASES, BY_DRIVER, CI, EGRESS, FUNCTIONS, PODS, Recipe, Words
from stream.config import Config
from stream.planned import owned
from stream.schema.actions import Step
from stream.schema.alerts import SPEND, Alert, State
from stream.schema.signals import Share
from stream.scopes import scope_labels

_LONGEST: Final = 260  # of a value as it is quoted; names of Kubernetes have 253 characters, of AWS fewer
_PLACE: Final = re.compile(r"\{(\w+)\}")
_FILE: Final = re.compile(r"(file|fileb|https?)://", re.IGNORECASE)  # the aws tool would open it
_PRICE: Final = "price-change"  # nothing that runs is at fault


class Containment:
    """Ways to contain the alerts of one configuration. Pure."""

    def __init__(self, config: Config) -> None:
        self._scopes = config.scopes
        self._owners = config.owners
        self._count = config.alerts.contain_count

    def told(self, alert: Alert) -> Alert:
        """The alert with its steps: of its own labels, or of its largest part where they name nothing."""
        if alert.about != SPEND or alert.state == State.RESOLVED or alert.detectors[0] == _PRICE:
            return alert
        about, labels = alert.scope, owned(alert.labels, self._owners)
        if not _named(labels) and (part := _largest(alert.children)) is not None:
            about, labels = part.name, owned(scope_labels(part.name, self._scopes), self._owners)
        steps = _steps(_recipes(alert, labels), labels, self._count)
        return msgspec.structs.replace(alert, steps=steps, steps_of=about)


def ready(alert: Alert) -> list[Step]:
    """Those of its steps that can be run as they are."""
    return [step for step in alert.steps if not step.missing]


def _named(labels: Mapping[str, str]) -> dict[str, str]:
    """Of the labels that recipes know, those that are named and can be shown."""
    found = ((name, labels.get(alias, "")) for name, aliases in ALIASES.items() for alias in aliases)
    named: dict[str, str] = {}
    for name, value in found:
        if name not in named and _fit(value):
            named[name] = value
    return named


def _fit(value: str) -> bool:
    return (
        value.isprintable()
        and " ".join(value.split()) == value != ""
        and len(shlex.quote(value)) <= _LONGEST
        and not _FILE.match(value)
    )


def _largest(parts: Iterable[Share]) -> Share | None:
    return max(parts, key=lambda part: (part.excess_nusd, part.name), default=None)


def _recipes(alert: Alert, labels: Mapping[str, str]) -> Sequence[Recipe]:
    """By what leads the page; where that is not known, by what the labels name."""
    leading = _largest(alert.drivers)
    if "egress" in alert.detectors:
        found: Sequence[Recipe] = EGRESS
    elif leading is not None:
        found = BY_DRIVER.get(leading.name, PODS)
    else:
        by_label = (("function", FUNCTIONS), ("repo", CI), ("repository", CI), ("bucket", EGRESS))
        found = next((kind for label, kind in by_label if label in labels), PODS)
    return [one for one in found if alert.blame is not None or not one.needs_blame]


def _steps(recipes: Iterable[Recipe], labels: Mapping[str, str], count: int) -> tuple[Step, ...]:
    named = _named(labels)
    steps = [_step(recipe, named, count) for recipe in recipes]
    return tuple(sorted(steps, key=lambda step: len(step.missing)))  # stable: else as the recipes go


def _step(recipe: Recipe, named: Mapping[str, str], count: int) -> Step:
    values = {**{name: f"<{name}>" for name in ALIASES}, **named, "count": str(count)}
    values["bucket_policy"] = _deny_reads(values["bucket"])
    words = [word for command in (*recipe.run, recipe.undo, recipe.before) for word in command]
    places = {place for word in words if not word.startswith("?") for place in _PLACE.findall(word)}
    return Step(
        id=recipe.id,
        what=_filled(recipe.what, values),
        run=" | ".join(_command(command, values, named) for command in recipe.run),
        undo=_command(recipe.undo, values, named),
        before=_command(recipe.before, values, named),
        missing=tuple(name for name in ALIASES if name in places and name not in named),
    )


def _command(words: Words, values: Mapping[str, str], named: Mapping[str, str]) -> str:
    return shlex.join(
        _filled(word.removeprefix("?"), values)
        for word in words
        if not word.startswith("?") or all(place in named for place in _PLACE.findall(word))
    )


def _filled(word: str, values: Mapping[str, str]) -> str:
    """In one pass: what a value says is not looked at again."""
    return _PLACE.sub(lambda place: values[place[1]], word)


def _deny_reads(bucket: str) -> str:
    """A bucket policy by which nobody may read."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode()
